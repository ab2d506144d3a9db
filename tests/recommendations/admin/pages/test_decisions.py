"""What staff decide on pages of the admin: experiments are stopped, models trained and rolled back."""

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from recommendations.feed import experiments
from recommendations.feed.experiments import NotRunning
from recommendations.models.experiments import Experiment
from recommendations.models.trained_models import TrainedModel
from recommendations.popularity import trending
from tests.recommendations.published import publish_collaborative
from tests.recommendations.running_experiments import make_experiment

Status = TrainedModel.Status


def viewer(client, charlie, codename: str):
    User.objects.filter(pk=charlie.user_id).update(is_staff=True)
    charlie.user.user_permissions.add(Permission.objects.get(codename=codename))
    client.force_login(charlie.user)
    return client


def result_of(experiment: Experiment) -> str:
    return f"/admin/recommendations/experiment/{experiment.pk}/result/"


class TestExperiments:
    @pytest.fixture
    def running(self, db, now) -> Experiment:
        return make_experiment(now)

    def test_the_result_so_far_is_shown_with_what_it_means(self, admin_client, running):
        page = admin_client.get(result_of(running)).content.decode()
        assert "one primary measure" in page and "bold − control" in page and "Stop the experiment" in page
        assert result_of(running) in admin_client.get("/admin/recommendations/experiment/").content.decode()

    def test_staff_stop_an_experiment_at_once(self, admin_client, bob, running, now):
        assert experiments.assignment(bob, now).exposure
        page = admin_client.post(result_of(running), follow=True).content.decode()
        running.refresh_from_db()
        assert running.status == "stopped" and "is stopped" in page and "Stop the experiment" not in page
        assert not experiments.assignment(bob, now).exposure

    def test_what_does_not_run_cannot_be_stopped(self, admin_client, running):
        experiments.stop(running)
        with pytest.raises(NotRunning):
            experiments.stop(running)
        assert "only what runs" in admin_client.post(result_of(running), follow=True).content.decode()

    def test_who_may_only_look_cannot_stop(self, client, charlie, running):
        viewer(client, charlie, "view_experiment")
        assert "Stop the experiment" not in client.get(result_of(running)).content.decode()
        client.post(result_of(running))
        running.refresh_from_db()
        assert running.status == "running"


def page_of(model: TrainedModel) -> str:
    return f"/admin/recommendations/trainedmodel/{model.pk}/compare/"


class TestModels:
    @pytest.fixture
    def models(self, shoppers, follow) -> list[TrainedModel]:
        """Two collaborative models, the second one in service."""
        follow()
        return [publish_collaborative(now=timezone.now()) for _ in range(2)]

    def test_metrics_stand_beside_those_of_the_model_in_service(self, admin_client, models):
        refused = TrainedModel.objects.create(
            kind="collaborative",
            version="x",
            status=Status.REJECTED,
            metrics={"ndcg": 0.25},
            verdict="Worse.",
        )
        page = admin_client.get(page_of(refused)).content.decode()
        assert "Why it was refused" in page and "Worse." in page and "0.25" in page
        assert page_of(models[1]) in page and "trained until" in page

    def test_a_training_is_asked_of_the_worker(self, admin_client, models):
        page = admin_client.post(page_of(models[1]), {"train": ""}, follow=True).content.decode()
        assert "A training begins" in page
        assert trending.client().llen("training") == 1

    def test_the_model_before_serves_again_after_a_rollback(self, admin_client, models):
        page = admin_client.post(page_of(models[1]), {"roll_back": ""}, follow=True).content.decode()
        assert "serves again" in page
        assert TrainedModel.objects.get(pk=models[0].pk).status == Status.ACTIVE
        assert "There is no earlier" in (
            admin_client.post(page_of(models[0]), {"roll_back": ""}, follow=True).content.decode()
        )

    def test_who_may_only_look_cannot_train_or_roll_back(self, client, charlie, models):
        viewer(client, charlie, "view_trainedmodel")
        page = client.get(page_of(models[1])).content.decode()
        assert "Train now" not in page and "Roll back" not in page
        for button in ("train", "roll_back"):
            client.post(page_of(models[1]), {button: ""})
        assert trending.client().llen("training") == 0
        assert TrainedModel.objects.get(pk=models[1].pk).status == Status.ACTIVE
