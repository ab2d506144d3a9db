"""Places of adverts: towns from the gazetteer, counties from the adverts."""

import pytest
from django.core.management import CommandError, call_command

from listings import places
from listings.models import Place

pytestmark = pytest.mark.django_db


def city(name: str, latitude: float, longitude: float, population: int = 1000, *others: str) -> dict:
    return {
        "name": name,
        "countrycode": "GB",
        "latitude": latitude,
        "longitude": longitude,
        "population": population,
        "alternatenames": list(others),
    }


CITIES = [
    city("Faringdon", 51.6, -1.6),
    city("Didcot", 51.6, -1.2),
    city("Saint Olave-on-Sea", 51.7, -1.4),
    city("Newtown", 51.65, -1.5, 900),  # near the two towns of Oxonshire
    city("Newtown", 55.0, -4.0, 90_000),
    city("Stow upon Tyne", 55.0, -1.6, 5000, "Stow", "Stow'pon"),
    city("Lonely", 58.0, -4.0),
]


@pytest.fixture(autouse=True)
def small_gazetteer(monkeypatch):
    monkeypatch.setattr(places, "_cities_of", lambda country: CITIES if country == "GB" else [])


@pytest.fixture
def gazetteer():
    places.load_gazetteer("GB")


class TestLoading:
    def test_towns_of_the_gazetteer_are_stored_once(self):
        assert places.load_gazetteer("GB") == len(CITIES)
        assert places.load_gazetteer("GB") == 0
        assert Place.objects.count() == len(CITIES)

    def test_a_town_that_has_learnt_its_county_is_not_loaded_again(self):
        places.load_gazetteer("GB")
        places.place_locations(["Faringdon, Oxonshire"], "GB")
        assert places.load_gazetteer("GB") == 0

    def test_a_country_without_towns_is_refused_in_one_line(self):
        with pytest.raises(CommandError, match="no towns in 'XX'"):
            call_command("load_places", country="xx")

    def test_the_real_gazetteer_has_small_towns(self, monkeypatch):
        monkeypatch.undo()
        cities = {city["name"]: city for city in places._cities_of("GB")}
        assert len(cities) > 4000 and cities["Faringdon"]["population"] > 500


@pytest.mark.usefixtures("gazetteer")
class TestPlacing:
    def placed(self, *locations: str) -> list[tuple[float, float] | None]:
        place_of = places.place_locations(locations, "GB")
        return [place_of[name] and (place_of[name].latitude, place_of[name].longitude) for name in locations]

    def test_a_town_with_one_match_is_placed_and_learns_its_county(self):
        assert self.placed("Didcot, Oxonshire") == [(51.6, -1.2)]
        assert str(Place.objects.get(name="Didcot")) == "Didcot, Oxonshire"

    def test_towns_are_found_in_other_spellings(self):
        expected = [(51.7, -1.4)] * 3
        assert (
            self.placed("St Olave on Sea, X", "ST. OLAVE-ON-SEA, X", "Saint Olave upon Sea City Centre, X")
            == expected
        )

    def test_a_town_is_found_by_an_alternative_name(self):
        assert self.placed("Stow, Tyneside") == [(55.0, -1.6)]

    def test_of_two_towns_of_one_name_the_one_near_the_county_is_chosen(self):
        county = ["Faringdon, Oxonshire", "Didcot, Oxonshire"]
        assert self.placed(*county, "Newtown, Oxonshire")[-1] == (51.65, -1.5)

    def test_of_two_towns_of_one_name_without_a_known_county_the_larger_is_chosen(self):
        assert self.placed("Newtown, Nowhereshire", "Newtown") == [(55.0, -4.0)] * 2

    def test_an_unknown_town_stands_at_the_mean_of_its_countys_towns(self):
        placed = self.placed("Faringdon, Oxonshire", "Didcot, Oxonshire", "Hamlet, Oxonshire", "Oxonshire")
        assert placed[2] == placed[3] == (51.6, pytest.approx(-1.4))
        county = Place.objects.get(name="Oxonshire")
        assert county.population is None and str(county) == "Oxonshire"

    def test_a_namesake_far_from_the_county_is_not_chosen(self):
        placed = self.placed(
            "Faringdon, Oxonshire", "Didcot, Oxonshire", "Newtown, Oxonshire", "Lonely, Oxonshire"
        )
        assert placed[-1] != (58.0, -4.0) and abs(placed[-1][0] - 51.6) < 0.1

    def test_an_unknown_location_has_no_place(self):
        assert self.placed("Hamlet, Nowhereshire", ",", "???") == [None] * 3

    def test_a_town_that_names_its_county_and_the_county_are_both_kept(self):
        assert self.placed("Lonely, Lonely", "Elsewhere, Lonely") == [(58.0, -4.0)] * 2
        assert Place.objects.filter(name="Lonely").count() == 2

    def test_placing_locations_again_finds_the_same_places_and_creates_none(self):
        locations = ["Faringdon, Oxonshire", "Hamlet, Oxonshire", "Newtown, Oxonshire", "Lonely, Lonely"]
        first = places.place_locations(locations, "GB")
        count = Place.objects.count()
        second = places.place_locations(locations, "GB")
        assert {name: place.pk for name, place in first.items()} == {
            name: place.pk for name, place in second.items()
        }
        assert Place.objects.count() == count

    def test_a_known_county_keeps_its_coordinates(self):
        first = self.placed("Faringdon, Oxonshire", "Oxonshire")[1]
        assert self.placed("Didcot, Oxonshire", "Oxonshire")[1] == first
