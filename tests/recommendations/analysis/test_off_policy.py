"""Replays in a synthetic world, where a policy can be run to find out what it really earns."""

from datetime import timedelta

import pytest

from listings.models import Actor
from ml.evaluation.off_policy import PolicyEstimate
from ml.ranking.exploration import Prior, explore
from recommendations.analysis import off_policy_report
from recommendations.analysis.off_policy import PolicyEvaluation, PolicyReward, evaluate_policy
from recommendations.analysis.off_policy_candidates import BadPolicy, NoSuchRanker, Policy
from recommendations.analysis.off_policy_slots import NoExplorationSlots
from recommendations.models.events import Interaction
from recommendations.models.experiments import Experiment, Variant
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
    return World(alice, now, slate_count=150)


@pytest.fixture
def ask(now):
    """ask({"ranker": None}): the result of a replay; the default reward is clicks."""
    return lambda said, reward="click": evaluate_policy(Policy.from_json(said), reward=reward, now=now)


class TestTruth:
    def test_replay_intervals_cover_what_the_policies_really_earn(self, world, ask):
        result = ask(BY_CONTENT)
        for earned, by in ((result.asked, "content"), (result.served, "blend")):
            for estimate in (earned.self_normalised, earned.doubly_robust):
                assert estimate.low < world.earns(by) < estimate.high
        assert result.gain.low < world.earns("content") - world.earns("blend") < result.gain.high
        assert result.gain.low > 0, "it is seen to be better"
        assert result.drawn.high < world.earns("content"), "what was drawn earned something else"
        assert (result.slot_count, result.slate_count, result.actor_count) == (700, 350, 60)
        assert 50 < result.asked.self_normalised.effective_sample_size < result.asked.same_count < 350
        assert list(off_policy_report.warnings_of(result)) == []

    def test_a_replay_judges_a_ranker_by_the_logged_features(self, world, ask):
        store.publish(ranker_by("content"), "of-content", metrics={}, verdict="")
        result = ask({"ranker": "active"})
        assert result.asked.doubly_robust.low < world.earns("content") < result.asked.doubly_robust.high
        assert result.gain.low > 0
        assert ask({"ranker": "of-content"}).to_json() == result.to_json()

    def test_replaying_the_policy_that_served_gains_nothing(self, small_world, ask):
        result = ask({})
        assert result.asked == result.served
        assert (result.gain.value, result.gain.low, result.gain.high) == (0, 0, 0)

    def test_what_too_few_slots_agree_with_is_not_estimated(self, alice, now, ask):
        World(alice, now, slate_count=15)
        found = ask(BY_CONTENT)
        assert found.asked.same_count < 20
        estimates = (found.asked.self_normalised, found.asked.doubly_robust, found.gain)
        assert np.isnan([estimate.value for estimate in estimates]).all()
        assert found.drawn.low <= found.drawn.value <= found.drawn.high

    def test_a_reward_may_be_graded(self, small_world, ask):
        clicks = ask(BY_CONTENT).drawn.value
        assert ask(BY_CONTENT, "graded").drawn.value == pytest.approx(clicks), "clicks are all there is"
        Interaction.objects.update(kind="favourite")
        assert ask(BY_CONTENT, "graded").drawn.value == pytest.approx(3 * clicks)
        assert ask(BY_CONTENT, "click").drawn.value == pytest.approx(clicks)
        Interaction.objects.update(kind="hide")
        assert ask(BY_CONTENT, "graded").drawn.value == pytest.approx(-clicks)

    def test_simulated_events_are_named_so(self, small_world, ask):
        Interaction.objects.update(source="simulation")
        assert any("SIMULATED" in line for line in off_policy_report.warnings_of(ask(BY_CONTENT)))


class TestWarnings:
    """A policy's reward of .02, by a model that expects .04."""

    def warnings(self, **changes) -> str:
        usual = {"effective_sample_size": 900.0, "clipped_share": 0.0, "mean_weight": 1.0}
        robust = PolicyEstimate(0.02, 0.01, 0.03, **(usual | changes))
        earned = PolicyReward(same_count=1000, modelled=0.04, self_normalised=robust, doubly_robust=robust)
        slots = {"slot_count": 9, "slate_count": 9, "actor_count": 9, "untold_count": 0, "simulated_count": 0}
        now = timezone.now()
        result = PolicyEvaluation(
            "click", robust, self.served(), earned, robust, first_at=now, last_at=now, **slots
        )
        return " ".join(off_policy_report.warnings_of(result))

    def served(self) -> PolicyReward:
        fine = PolicyEstimate(0.02, 0.01, 0.03, effective_sample_size=900.0, clipped_share=0.0)
        return PolicyReward(same_count=1000, modelled=0.02, self_normalised=fine, doubly_robust=fine)

    def test_weights_of_about_1_are_not_warned_of(self):
        assert self.warnings() == ""

    def test_a_mean_weight_that_falls_short_is_told_with_the_direction_of_the_bias(self):
        said = self.warnings(mean_weight=0.48)
        assert "MEAN WEIGHT 0.48 for the policy" in said
        assert "expects 0.0400: it is too high" in said

    def test_so_is_much_clipping(self):
        assert "20% of the weights of the policy were clipped" in self.warnings(clipped_share=0.2)
        assert "too high" in self.warnings(clipped_share=0.2)

    def test_a_mean_weight_far_above_1_is_told(self):
        assert "MEAN WEIGHT 1.60" in self.warnings(mean_weight=1.6)


class TestFeeds:
    def test_what_the_feed_itself_logs_is_judged(self, bob, as_bob, follow):
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

    def test_their_multipliers_are_taken_out_of_the_weights_first(self, variant, alice, now, ask):
        World(alice, now, slate_count=150, experiment="bolder", variant="bold")
        same = ask({"parameters": variant.parameters})
        assert same.gain.value == same.gain.low == 0, "the weights that were logged have the multipliers in"
        assert ask({}).gain.value != 0

    def test_slates_of_a_variant_that_is_gone_are_left_out_and_counted(self, small_world, alice, now, ask):
        before = ask(BY_CONTENT)
        Slate.objects.filter(pk__in=Slate.objects.values("pk")[:7]).update(
            parameters={"explored": {"places": PLACES, "pool": POOL}, "experiment": "gone", "variant": "bold"}
        )
        found = ask(BY_CONTENT)
        assert (found.untold_count, found.slate_count) == (7, before.slate_count - 7)

    def test_where_none_tells_it_is_said(self, alice, now, ask):
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
    def test_what_slots_cannot_judge_is_refused_and_said_why(self, parameters, why):
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
    def test_what_makes_no_sense_is_refused_by_name(self, db, said, error, field):
        with pytest.raises(error) as refusal:
            Policy.from_json(said)
        assert refusal.value.field == field

    def test_a_ranker_that_was_refused_has_no_files_to_ask(self, db):
        store.reject("poor", metrics={}, verdict="")
        with pytest.raises(NoSuchRanker, match="ranker poor cannot be loaded: its files were not kept"):
            Policy.from_json({"ranker": "poor"})


class TestCommand:
    @pytest.fixture
    def policy_file(self, tmp_path):
        file = tmp_path / "policy.json"
        file.write_text(json.dumps(BY_CONTENT))
        return str(file)

    def test_it_tells_what_was_found_and_warns_of_few_slots(self, small_world, policy_file, capsys):
        call_command("replay", "--policy", policy_file, "--reward", "click")
        said = capsys.readouterr().out
        assert "300 places that were filled by chance, in 150 slates of 60 actors" in said
        for row in ("chance, as it was", "the order that served", "the policy", "policy − served"):
            assert row in said
        assert "TOO FEW SLOTS" in said

    def test_as_json_it_says_the_same(self, small_world, policy_file, capsys):
        call_command("replay", "--policy", policy_file, "--json")
        found = json.loads(capsys.readouterr().out)
        assert (found["reward"], found["slot_count"]) == ("graded", 300)
        assert found["asked"]["doubly_robust"]["low"] < found["asked"]["doubly_robust"]["high"]

    def test_without_any_slot_it_ends_with_status_1(self, db, policy_file):
        with pytest.raises(CommandError, match="No places that were filled by chance") as refusal:
            call_command("replay", "--policy", policy_file)
        assert refusal.value.returncode == 1

    def test_a_file_that_is_none_or_no_json_is_said_in_one_line(self, db, tmp_path):
        with pytest.raises(CommandError, match="The policy cannot be read"):
            call_command("replay", "--policy", str(tmp_path / "none.json"))
        (tmp_path / "bad.json").write_text("{")
        with pytest.raises(CommandError, match="is not JSON"):
            call_command("replay", "--policy", str(tmp_path / "bad.json"))
