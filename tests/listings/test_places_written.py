"""Places as people write them."""

import pytest

from listings import places
from listings.models import Place
from listings.places import places_called, places_written

pytestmark = pytest.mark.django_db
CODES = (
    "GB\tLS1\tLeeds\tEngland\tENG\tWest Yorkshire\t\t\t\t53.79\t-1.54\t4\n"
    "GB\tLS1\tCity Centre\tEngland\tENG\tWest Yorkshire\t\t\t\t53.81\t-1.56\t4\n"
    "FR\t75001\tParis\tIle\t11\tParis\t75\tParis\t751\t48.86\t2.33\t5\n"
    "GB\tbroken\n"
)


@pytest.fixture(autouse=True)
def towns():
    rows = [
        ("Newcastle", "", 54.21, 7_444),
        ("Newcastle upon Tyne", "Tyne and Wear", 54.97, 192_382),
        ("St Albans", "Hertfordshire", 51.75, 84_561),
        ("Great Yarmouth", "Norfolk", 52.6, 38_000),
        ("Leeds", "West Yorkshire", 53.8, 536_280),
        ("Leeds", "Kent", 51.25, 800),
    ]
    Place.objects.bulk_create(
        Place(name=name, county=county, country="GB", latitude=north, longitude=-1.0, population=population)
        for name, county, north, population in rows
    )


@pytest.fixture
def codes(tmp_path):
    file = tmp_path / "GB.txt"
    file.write_text(CODES, encoding="utf-8")
    return file


def latitude(text: str) -> float | None:
    place = places_written([text]).get(text)
    return place and round(place.latitude, 2)


class TestWriters:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Newcastle", 54.97),
            ("newcastle upon tyne", 54.97),
            ("St. Albans", 51.75),
            ("Saint Albans", 51.75),
            ("Gt. Yarmouth", 52.6),
            ("Leeds", 53.8),
            ("Leeds, Kent", 51.25),
            ("Leeds, Nowhere", 53.8),
            ("Atlantis", None),
            ("", None),
            ("a\0", None),
        ],
    )
    def test_a_writer_gets_the_largest_place_of_a_name_unless_the_county_says_otherwise(self, text, expected):
        assert latitude(text) == expected

    def test_a_county_in_any_writing_chooses_among_towns_of_one_name(self):
        assert latitude("leeds, kent") == 51.25

    def test_many_names_take_one_database_query(self, django_assert_num_queries):
        with django_assert_num_queries(1):
            places_written(["Leeds", "Newcastle", "St Albans", "Atlantis"])
        with django_assert_num_queries(0):
            assert places_called([]) == {}


class TestPostcodes:
    def test_postcodes_of_the_country_are_loaded_once(self, codes):
        assert places.load_postcodes("GB", codes) == 1
        assert places.load_postcodes("GB", codes) == 0

    @pytest.mark.parametrize("text", ["LS1", "ls1", "LS1 4AP", "ls14ap", "Leeds LS1"])
    def test_a_postcode_is_found_by_its_first_part(self, codes, text):
        places.load_postcodes("GB", codes)
        assert latitude(text) == 53.8
        assert places_written([text])[text].name == "LS1"

    def test_the_location_of_an_advert_may_end_in_a_postcode(self, codes):
        places.load_postcodes("GB", codes)
        assert places.place_locations(["Otley LS1", "Otley"], "GB")["Otley LS1"].name == "LS1"

    @pytest.mark.parametrize("content", ["", "no codes", "FR\t75001\n"])
    def test_a_file_without_postcodes_of_the_country_is_refused(self, codes, content):
        codes.write_text(content)
        with pytest.raises(places.NoGazetteer):
            places.load_postcodes("GB", codes)
