import pytest

from recommendations.models.experiments import Experiment


class TestAdmin:
    ADD = "/admin/recommendations/experiment/add/"
    FORM = {
        "name": "bolder",
        "status": "running",
        "starts_at_0": "2030-01-01",
        "starts_at_1": "00:00",
        "ends_at_0": "2030-02-01",
        "ends_at_1": "00:00",
        "share": "0.5",
        "salt": "s",
        "variants-TOTAL_FORMS": "2",
        "variants-INITIAL_FORMS": "0",
        "variants-0-name": "control",
        "variants-0-weight": "1",
        "variants-0-parameters": "",
        "variants-1-name": "bold",
        "variants-1-weight": "1",
        "variants-1-parameters": '{"explore_share": 0.3}',
    }

    @pytest.fixture
    def made(self, admin_client) -> Experiment:
        assert admin_client.post(self.ADD, self.FORM).status_code == 302
        return Experiment.objects.get()

    def saved(self, client, made, **changed):
        """The page again, as it is after it was sent with changes."""
        rows = {
            f"variants-{place}-{name}": str(getattr(variant, name))
            for place, variant in enumerate(made.variants.order_by("pk"))
            for name in ("id", "name", "weight")
        }
        form = self.FORM | {"variants-INITIAL_FORMS": "2", "variants-0-parameters": "{}"} | rows | changed
        return client.post(f"/admin/recommendations/experiment/{made.pk}/change/", form)

    def test_the_page_of_a_new_experiment_has_two_variants_and_explains_the_parameters(self, admin_client):
        page = admin_client.get(self.ADD).content.decode()
        assert 'value="control"' in page and 'value="treatment"' in page
        assert "explore_share: the share of places for listings that few have seen (0.1; 0 to 0.5)" in page

    def test_one_page_adds_an_experiment_with_its_variants(self, made):
        assert list(made.variants.order_by("pk").values_list("name", "parameters")) == [
            ("control", {}),
            ("bold", {"explore_share": 0.3}),
        ]

    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            ({"variants-0-name": "kontrol"}, "One variant has to be called control"),
            ({"variants-TOTAL_FORMS": "1"}, "Beside control there has to be another variant."),
            ({"variants-1-name": "control", "variants-1-parameters": ""}, "duplicate"),
            ({"variants-1-parameters": '{"explore_share": 3}'}, "expected a number from 0 to 0.5"),
            ({"variants-1-parameters": '{"explore'}, "valid JSON"),
            ({"variants-1-weight": "0"}, "A weight is above 0"),
            ({"variants-0-parameters": '{"explore_share": 0.3}'}, "control has no parameters of its own"),
            ({"status": "nonsense"}, "not one of the available choices"),
            ({"share": "1.5"}, "less than or equal to 1"),
            ({"name": "Not a name"}, "Small letters, digits and hyphens"),
        ],
    )
    def test_an_invalid_experiment_comes_back_with_the_reason(self, admin_client, changed, reason):
        page = admin_client.post(self.ADD, self.FORM | changed)
        assert page.status_code == 200 and reason in page.content.decode()
        assert not Experiment.objects.exists()

    def test_a_draft_experiment_starts_with_the_changes_sent_with_its_start(self, admin_client):
        admin_client.post(self.ADD, self.FORM | {"status": "draft"})
        made = Experiment.objects.get()
        self.saved(admin_client, made, status="running", **{"variants-1-name": "bolder"})
        made.refresh_from_db()
        assert (made.status, made.variants.last().name) == ("running", "bolder")

    def test_a_draft_experiment_that_cannot_start_can_still_be_edited(self, admin_client):
        admin_client.post(self.ADD, self.FORM | {"status": "draft"})
        wrong = {"variants-1-parameters": '{"explore_share": 3}', "status": "running"}
        page = self.saved(admin_client, Experiment.objects.get(), **wrong).content.decode()
        assert "expected a number from 0 to 0.5" in page
        assert 'name="variants-1-parameters"' in page and 'name="salt"' in page

    def test_a_started_experiment_keeps_its_variants_and_can_be_stopped(self, admin_client, made):
        sent = self.saved(
            admin_client, made, status="stopped", name="x", salt="x", **{"variants-1-name": "x"}
        )
        assert sent.status_code == 302
        made.refresh_from_db()
        assert (made.status, made.name, made.salt) == ("stopped", "bolder", "s")
        assert {variant.name for variant in made.variants.all()} == {"control", "bold"}

    def test_prolonging_an_experiment_into_another_is_refused(self, admin_client, made):
        later = {"name": "later", "starts_at_0": "2030-02-01", "ends_at_0": "2030-03-01"}
        assert admin_client.post(self.ADD, self.FORM | later).status_code == 302
        page = self.saved(admin_client, made, ends_at_0="2030-02-02").content.decode()
        assert "later runs in that time: one runs at a time." in page

    def test_a_started_experiment_cannot_be_deleted(self, admin_client, made):
        sent = admin_client.post(f"/admin/recommendations/experiment/{made.pk}/delete/", {"post": "yes"})
        assert sent.status_code == 403
        chosen = {"action": "delete_selected", "post": "yes", "_selected_action": [made.pk]}
        admin_client.post("/admin/recommendations/experiment/", chosen)
        assert Experiment.objects.exists()

    def test_the_list_of_experiments_shows_the_share_of_each_variant(self, admin_client, made):
        assert (
            "control 50%, bold 50%" in admin_client.get("/admin/recommendations/experiment/").content.decode()
        )
