import pytest

from recommendations.models.feature_names import SOURCES
from recommendations.training import source_weights
from recommendations.training.source_weights import fit_blend
from tests.recommendations.past import Past
from tests.recommendations.small_world import model

CASES = 12
# Content and behaviour contradict each other in the world below; what comes after freshness is not heard at
# first.
START = (
    (20.0, (1.0, 0.8, 0.8, 0.15, 0.10, 0.0, 0.0, 0.0)),
    (5.0, (1.0, 0.5, 0.6, 0.20, 0.15, 0.0, 0.0, 0.0)),
    (0.0, (1.0, 0.3, 0.4, 0.30, 0.20, 0.0, 0.0, 0.0)),
)
BY_HAND = dict(START)
WARM, MIDDLE, COOL = BY_HAND


@pytest.fixture(autouse=True)
def start(monkeypatch):
    monkeypatch.setattr(source_weights, "WARMTH_WEIGHTS", START)


@pytest.fixture
def past(alice, encoder, ago) -> Past:
    return Past(alice, encoder, ago(days=1))


@pytest.fixture
def led(past, monkeypatch):
    """Actors with little history follow co-visitation, and never similar content.

    Each touched one of four listings. Two listings each are like those; people go on to another.
    """
    monkeypatch.setattr(source_weights, "LEAST_CASES", CASES)
    sources = [past.listing(direction=place) for place in range(4)]
    targets = [past.listing(hours=-60, direction=20 + place) for place in range(4)]
    alike = [past.listing(hours=-40, direction=place % 4) for place in range(8)]
    others = [*alike, *(past.listing(hours=-40, direction=40 + place) for place in range(16))]
    for number in range(CASES):
        past.event(f"actor {number}", sources[number % 4], hours=-1)
        past.event(f"actor {number}", targets[number % 4], hours=1)
    factors = {sofa.pk: (1.0, 0.0) for sofa in (*sources, *targets, *others)}
    leads = {source.pk: {target.pk: 1.0} for source, target in zip(sources, targets, strict=True)}
    return model(factors, leads)


def weights_of(past, trained, **how) -> dict[float, tuple[float, ...]]:
    return dict(fit_blend(trained, past.moment, end=past.end, **how))


class TestFitBlend:
    def test_the_source_that_predicted_better_is_given_more_weight(self, past, led):
        fitted, by_hand = weights_of(past, led)[COOL], BY_HAND[COOL]
        covisitation, content = SOURCES.index("covisitation"), SOURCES.index("content")
        assert fitted[covisitation] / fitted[content] > 2 * by_hand[covisitation] / by_hand[content]
        assert max(fitted) == 1

    def test_each_warmth_is_fitted_by_itself_and_one_with_few_cases_stays(self, past, led):
        fitted = weights_of(past, led)
        assert list(fitted) == [WARM, MIDDLE, COOL]
        assert (fitted[WARM], fitted[MIDDLE]) == (BY_HAND[WARM], BY_HAND[MIDDLE])
        assert fitted[COOL] != BY_HAND[COOL]

    def test_with_one_actor_too_few_no_source_weights_are_fitted(self, past, led, monkeypatch):
        monkeypatch.setattr(source_weights, "LEAST_CASES", CASES + 1)
        assert weights_of(past, led) == BY_HAND

    def test_actors_without_history_are_no_cases_for_source_weights(self, past, led, monkeypatch):
        monkeypatch.setattr(source_weights, "LEAST_CASES", CASES + 1)
        for number in range(5):
            past.event(f"stranger {number}", past.listing(), hours=1)
        assert weights_of(past, led) == BY_HAND

    def test_actors_who_touched_what_was_not_proposed_are_no_cases_for_source_weights(
        self, past, led, monkeypatch
    ):
        monkeypatch.setattr("recommendations.retrieval.candidates.PER_SOURCE", 1)
        assert weights_of(past, model(dict.fromkeys(led.listing_ids.tolist(), (1.0, 0.0)))) == BY_HAND

    def test_actors_with_more_history_fit_the_weights_of_a_warmer_bucket(self, past, led):
        for number in range(CASES):
            past.event(f"actor {number}", past.listing(direction=99), "offer", hours=-1)
        fitted = weights_of(past, led)
        assert fitted[COOL] == BY_HAND[COOL]
        assert fitted[MIDDLE] != BY_HAND[MIDDLE]

    def test_the_same_events_fit_the_same_source_weights(self, past, led):
        assert weights_of(past, led) == weights_of(past, led)

    def test_new_weights_go_half_the_way_from_those_of_the_training_before(self, past, led):
        source = SOURCES.index("covisitation")
        alone = tuple(float(place == source) for place in range(len(SOURCES)))
        fitted = weights_of(past, led, last=((COOL, alone),))[COOL]
        assert fitted[source] == 1
        assert max(weight for place, weight in enumerate(fitted) if place != source) <= 0.5

    def test_a_warmth_with_few_cases_keeps_the_weights_of_the_training_before(self, past, led, monkeypatch):
        monkeypatch.setattr(source_weights, "LEAST_CASES", CASES + 1)
        last = tuple((least, (0.5,) * len(SOURCES)) for least in BY_HAND)
        assert weights_of(past, led, last=last) == dict(last)
        assert weights_of(past, led, last=((COOL, (1.0, 2.0)),)) == BY_HAND, "of other sources than these"
