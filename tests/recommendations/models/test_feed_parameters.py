import pytest

from recommendations.models.feed_parameters import BadParameters, FeedParameters, described_parameters


class TestParameters:
    def test_feed_parameters_from_an_empty_object_are_the_defaults(self):
        assert FeedParameters.from_json({}) == FeedParameters()
        assert FeedParameters().to_json() == {
            "relevance_share": 0.9,
            "seller_cap": 3,
            "category_cap": 16,
            "explore_share": 0.1,
            "rest_after": 3,
            "source_weights": {},
        }

    def test_feed_parameters_are_read_as_they_were_written(self):
        parameters = FeedParameters(
            relevance_share=0.5, seller_cap=1, source_weights={"fresh": 0, "content": 1.5}
        )
        assert FeedParameters.from_json(parameters.to_json()) == parameters

    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"relevance_share": 1.01}, "relevance_share"),
            ({"relevance_share": "0.5"}, "relevance_share"),
            ({"relevance_share": float("nan")}, "relevance_share"),
            ({"explore_share": 0.51}, "explore_share"),
            ({"explore_share": -0.01}, "explore_share"),
            ({"explore_share": None}, "explore_share"),
            ({"seller_cap": 0}, "seller_cap"),
            ({"seller_cap": 2.0}, "seller_cap"),
            ({"seller_cap": True}, "seller_cap"),
            ({"category_cap": 21}, "category_cap"),
            ({"rest_after": 0}, "rest_after"),
            ({"source_weights": []}, "source_weights"),
            ({"source_weights": {"fresh": -1}}, "source_weights.fresh"),
            ({"source_weights": {"fresh": 10.1}}, "source_weights.fresh"),
            ({"source_weights": {"fresh": "1"}}, "source_weights.fresh"),
            ({"sellercap": 3}, "sellercap"),
            ([], None),
            (None, None),
        ],
    )
    def test_invalid_feed_parameters_name_the_field(self, values, field):
        with pytest.raises(BadParameters) as refused:
            FeedParameters.from_json(values)
        assert refused.value.field == field

    def test_feed_parameters_at_the_ends_of_their_ranges_are_accepted(self):
        for values in (
            {"relevance_share": 0, "explore_share": 0, "seller_cap": 1, "category_cap": 1, "rest_after": 1},
            {"relevance_share": 1, "explore_share": 0.5, "seller_cap": 20, "category_cap": 20},
        ):
            assert FeedParameters.from_json(values).to_json().items() >= values.items()

    def test_a_weight_of_an_unknown_source_is_refused(self):
        weighed = FeedParameters(source_weights={"fresh": 2})
        weighed.require_sources(["content", "fresh"])
        with pytest.raises(BadParameters) as refused:
            weighed.require_sources(["content"])
        assert refused.value.field == "source_weights.fresh"

    def test_every_feed_parameter_is_described(self):
        assert [name for name, _ in described_parameters()] == list(FeedParameters().to_json())
        assert "(0.1; 0 to 0.5)" in dict(described_parameters())["explore_share"]
