import pytest

from recommendations.analysis.off_policy_candidates import BadPolicy, NoSuchRanker, Policy
from recommendations.models.feed_parameters import BadParameters
from recommendations.ranker import store


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
        ("policy", "error", "field"),
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
    def test_an_invalid_policy_is_refused_by_the_name_of_its_field(self, db, policy, error, field):
        with pytest.raises(error) as refusal:
            Policy.from_json(policy)
        assert refusal.value.field == field

    def test_replaying_a_ranker_that_was_refused_says_that_its_files_were_not_kept(self, db):
        store.reject("poor", metrics={}, verdict="")
        with pytest.raises(NoSuchRanker, match="ranker poor cannot be loaded: its files were not kept"):
            Policy.from_json({"ranker": "poor"})
