"""Replays in a synthetic world, where a policy can be run to find out what it really earns."""

import json
from datetime import timedelta

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from listings.models import Actor
from ml.ranking.exploration import Prior, explore
from recommendations.analysis import off_policy_report
from recommendations.analysis.off_policy import evaluate_policy
from recommendations.analysis.off_policy_candidates import BadPolicy, NoSuchRanker, Policy
from recommendations.analysis.off_policy_slots import NoExplorationSlots
from recommendations.models.events import Interaction
from recommendations.models.experiments import Experiment, Variant
from recommendations.models.feed_parameters import BadParameters
from recommendations.models.slates import Slate
from recommendations.ranker import store
from tests import factories
from tests.recommendations.logged_feeds import columns, followed, logged, ranker_by

LENGTH, PLACES = 12, [4, 9]
POOL = [4, 6, 7, 8, 9, 11]
WEIGHTS = {"content": 0.2, "fresh": 1.0}
BY_CONTENT = {"parameters": {"source_weights": {"content": 10, "fresh": 0}}}


class World:
    """Feeds that are ordered by what is fresh, while people go by content.

    Two places are filled from a pool of six, by draws that know something of what is clicked: so the mean of
    what was drawn is not what anything else would earn.
    """

    def __init__(self, seller, now, *, slate_count=350, seed=1, **parameters) -> None:
        rng = np.random.default_rng(seed)
        actors = [Actor.objects.create(external_id=f"world-{number}") for number in range(60)]
        ids = [factories.listing(seller, f"Sofa {number}").pk for number in range(LENGTH)]
        self.truth = {"content": [], "blend": []}  # chances of a click, had the slots been filled by these
        events = []
        for number in range(slate_count):
            actor, at = actors[number % len(actors)], now - timedelta(hours=slate_count - number)
            content, fresh = rng.normal(size=(2, LENGTH))
            for name, values in (("content", content), ("blend", blended(content, fresh))):
                best = sorted(POOL, key=lambda row: -values[row])[:2]
                pairs = zip(best, PLACES, strict=True)
                self.truth[name] += [chance(content[row], place) for row, place in pairs]
            content, fresh, propensities = self._filled(content, fresh, rng)
            features = columns(LENGTH, content=content, fresh=fresh, blend=blended(content, fresh))
            said = {"explored": {"places": PLACES, "pool": POOL}, "weights": WEIGHTS} | parameters
            slate = logged(actor, ids, features, at=at, propensities=propensities, **said)
            for place in range(LENGTH):
                if rng.random() < chance(content[place], place):
                    events.append(followed(slate, actor, ids[place], at))
        Interaction.objects.bulk_create(events)

    def _filled(self, content, fresh, rng):
        """Move two listings of the pool into the places at random; the others move up."""
        clicks = np.clip(np.round(4 - 0.3 * content[POOL]), 0, 9).astype(np.int64)
        drawn = explore(np.full(6, 12), clicks, Prior(1, 3), rng, slot_count=2, round_count=200)
        chosen = [POOL[row] for row in drawn.rows]
        others = [row for row in POOL if row not in chosen]
        order = np.arange(LENGTH)
        order[PLACES] = chosen
        order[[place for place in POOL if place not in PLACES]] = others
        propensities = np.ones(LENGTH, np.float32)
        propensities[PLACES] = drawn.propensities
        return content[order], fresh[order], propensities

    def earns(self, by: str) -> float:
        return float(np.mean(self.truth[by]))


def chance(content: float, place: int) -> float:
    """The probability of a click."""
    return 0.9 / (1 + np.exp(1 - 3 * content)) / (1 + place) ** 0.3


def blended(content: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    """The blend score that listings are ordered by."""
    z = {"content": (content - content.mean()) / content.std(), "fresh": (fresh - fresh.mean()) / fresh.std()}
    return sum(WEIGHTS[name] * z[name] for name in WEIGHTS) / sum(WEIGHTS.values())


@pytest.fixture
def world(alice, now) -> World:
    return World(alice, now)


@pytest.fixture
def small_world(alice, now) -> World:
    return World(alice, now, slate_count=60)


@pytest.fixture
def ask(now):
    """ask({"ranker": None}): the result of a replay; the default reward is clicks."""
    return lambda said, reward="click": evaluate_policy(Policy.from_json(said), reward=reward, now=now)


class TestTruth:
    def test_replay_intervals_cover_what_the_policies_really_earn(self, world, ask):
        found = ask(BY_CONTENT)
        for earned, by in ((found.asked, "content"), (found.served, "blend")):
            for estimate in (earned.self_normalised, earned.doubly_robust):
                assert estimate.low < world.earns(by) < estimate.high
        assert found.gain.low < world.earns("content") - world.earns("blend") < found.gain.high
        assert found.gain.low > 0, "it is seen to be better"
        assert found.drawn.high < world.earns("content"), "what was drawn earned something else"
        assert (found.slot_count, found.slate_count, found.actor_count) == (700, 350, 60)
        assert 50 < found.asked.self_normalised.effective_sample_size < found.asked.same_count < 350
        assert list(off_policy_report.warnings_of(found)) == []

    def test_a_replay_judges_a_ranker_by_the_logged_features(self, world, ask):
        store.publish(ranker_by("content"), "of-content", metrics={}, verdict="")
        found = ask({"ranker": "active"})
        assert found.asked.doubly_robust.low < world.earns("content") < found.asked.doubly_robust.high
        assert found.gain.low > 0
        assert ask({"ranker": "of-content"}).to_json() == found.to_json()

    def test_replaying_the_policy_that_served_gains_nothing(self, small_world, ask):
        found = ask({})
        assert found.asked == found.served
        assert (found.gain.value, found.gain.low, found.gain.high) == (0, 0, 0)

    def test_a_replay_reward_may_be_graded_by_kind_of_event(self, small_world, ask):
        clicks = ask(BY_CONTENT).drawn.value
        assert ask(BY_CONTENT, "graded").drawn.value == pytest.approx(clicks), "clicks are all there is"
        Interaction.objects.update(kind="favourite")
        assert ask(BY_CONTENT, "graded").drawn.value == pytest.approx(3 * clicks)
        assert ask(BY_CONTENT, "click").drawn.value == pytest.approx(clicks)
        Interaction.objects.update(kind="hide")
        assert ask(BY_CONTENT, "graded").drawn.value == pytest.approx(-clicks)

    def test_a_replay_names_simulated_events(self, small_world, ask):
        Interaction.objects.update(source="simulation")
        assert any("SIMULATED" in line for line in off_policy_report.warnings_of(ask(BY_CONTENT)))


class TestFeeds:
    def test_a_replay_reads_the_slates_that_the_feed_logs(self, bob, as_bob, follow):
        sellers = Actor.objects.bulk_create([Actor(external_id=f"seller-{n}") for n in range(30)])
        for number, seller in enumerate(sellers):
            factories.listing(seller, f"Blue sofa {number}", external_id=f"sofa-{number}")
        follow()
        slate = Slate.objects.get(pk=as_bob.get("/api/v1/feed/?limit=20").json()["slate_id"])
        place = slate.parameters["explored"]["places"][0]
        followed(slate.pk.hex, bob, slate.listing_ids[place], timezone.now()).save()
        found = evaluate_policy(Policy.from_json(BY_CONTENT), reward="click", now=timezone.now())
        assert (found.slate_count, found.untold_count) == (1, 0)
        assert (found.slot_count, found.drawn.value) == (2, 0.5)


class TestExperiments:
    @pytest.fixture
    def variant(self, db, now) -> Variant:
        experiment = Experiment.objects.create(
            name="bolder", status="stopped", starts_at=now - timedelta(days=20), ends_at=now
        )
        return Variant.objects.create(
            experiment=experiment, name="bold", parameters={"source_weights": {"content": 5, "fresh": 0.5}}
        )

    def test_a_replay_takes_the_multipliers_of_a_variant_out_of_the_logged_weights(
        self, variant, alice, now, ask
    ):
        World(alice, now, slate_count=60, experiment="bolder", variant="bold")
        same = ask({"parameters": variant.parameters})
        assert same.gain.value == same.gain.low == 0, "the weights that were logged have the multipliers in"
        assert ask({}).gain.value != 0

    def test_a_replay_leaves_out_and_counts_slates_of_a_deleted_variant(self, small_world, alice, now, ask):
        before = ask(BY_CONTENT)
        Slate.objects.filter(pk__in=Slate.objects.values("pk")[:7]).update(
            parameters={"explored": {"places": PLACES, "pool": POOL}, "experiment": "gone", "variant": "bold"}
        )
        found = ask(BY_CONTENT)
        assert (found.untold_count, found.slate_count) == (7, before.slate_count - 7)

    def test_a_replay_of_slates_of_deleted_variants_alone_says_so(self, alice, now, ask):
        World(alice, now, slate_count=5, experiment="gone", variant="gone")
        with pytest.raises(NoExplorationSlots, match="None of the 5 slates .* experiment was deleted"):
            ask({})


class TestPolicies:
    @pytest.mark.parametrize(
        ("parameters", "why"),
        [
            ({"seller_cap": 2}, "arranges"),
            ({"category_cap": 2}, "arranges"),
            ({"relevance_share": 0.5}, "arranges"),
            ({"rest_after": 5}, "candidates"),
            ({"explore_share": 0.2}, "how many slots"),
        ],
    )
    def test_feed_parameters_that_a_replay_cannot_judge_are_refused_with_the_reason(self, parameters, why):
        name = next(iter(parameters))
        with pytest.raises(BadParameters, match=f"{name}: a replay cannot judge it: .*{why}") as refusal:
            Policy.from_json({"parameters": parameters})
        assert refusal.value.field == f"parameters.{name}"
        Policy.from_json({"parameters": {"seller_cap": 3}})  # as by default: nothing to judge

    @pytest.mark.parametrize(
        ("said", "error", "field"),
        [
            ([], BadPolicy, None),
            ({"weights": {}}, BadPolicy, "weights"),
            ({"ranker": 3}, BadPolicy, "ranker"),
            ({"ranker": "nowhere"}, NoSuchRanker, "ranker"),
            ({"ranker": "active"}, NoSuchRanker, "ranker"),
            ({"parameters": {"sellers": 2}}, BadParameters, "sellers"),
            ({"parameters": {"source_weights": {"luck": 2}}}, BadParameters, "source_weights.luck"),
        ],
    )
    def test_an_invalid_policy_is_refused_by_the_name_of_its_field(self, db, said, error, field):
        with pytest.raises(error) as refusal:
            Policy.from_json(said)
        assert refusal.value.field == field

    def test_replaying_a_ranker_that_was_refused_says_that_its_files_were_not_kept(self, db):
        store.reject("poor", metrics={}, verdict="")
        with pytest.raises(NoSuchRanker, match="ranker poor cannot be loaded: its files were not kept"):
            Policy.from_json({"ranker": "poor"})


class TestCommand:
    @pytest.fixture
    def policy_file(self, tmp_path):
        file = tmp_path / "policy.json"
        file.write_text(json.dumps(BY_CONTENT))
        return str(file)

    def test_the_replay_command_prints_its_estimates_and_warns_of_few_slots(
        self, small_world, policy_file, capsys
    ):
        call_command("replay", "--policy", policy_file, "--reward", "click")
        said = capsys.readouterr().out
        assert "120 places that were filled by chance, in 60 slates of 60 actors" in said
        for row in ("chance, as it was", "the order that served", "the policy", "policy − served"):
            assert row in said
        assert "TOO FEW SLOTS" in said

    def test_the_replay_command_prints_the_same_estimates_as_json(self, small_world, policy_file, capsys):
        call_command("replay", "--policy", policy_file, "--json")
        found = json.loads(capsys.readouterr().out)
        assert (found["reward"], found["slot_count"]) == ("graded", 120)
        assert found["asked"]["doubly_robust"]["low"] < found["asked"]["doubly_robust"]["high"]

    def test_the_replay_command_without_any_slot_ends_with_status_1(self, db, policy_file):
        with pytest.raises(CommandError, match="No places that were filled by chance") as refusal:
            call_command("replay", "--policy", policy_file)
        assert refusal.value.returncode == 1

    def test_a_missing_or_invalid_policy_file_is_refused_in_one_line(self, db, tmp_path):
        with pytest.raises(CommandError, match="The policy cannot be read"):
            call_command("replay", "--policy", str(tmp_path / "none.json"))
        (tmp_path / "bad.json").write_text("{")
        with pytest.raises(CommandError, match="is not JSON"):
            call_command("replay", "--policy", str(tmp_path / "bad.json"))
