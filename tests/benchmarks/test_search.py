"""The benchmark of search, on a folder of drawn adverts and a few intents."""

import json
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from benchmarks import installation, stored_adverts
from benchmarks.protocol import BadData
from benchmarks.search import __main__
from benchmarks.search.intents import Advert, Intent, read_intents
from tests.benchmarks.test_feed import write_adverts

SOFA = Advert("Corner sofa", "Home / Sofas", 50, "Grey, seats five.")


def written(folder, *intents: dict):
    file = folder / "intents.json"
    file.write_text(json.dumps(intents))
    return file


def rule(tmp_path, **fields) -> Intent:
    [intent] = read_intents(written(tmp_path, {"q": "sofa", **fields}))
    return intent


class TestRules:
    @pytest.mark.parametrize(
        ("fields", "is_right"),
        [
            ({"title": "SOFA"}, True),
            ({"title": "settee", "category": "sofas"}, True),
            ({"title": "settee", "category": "sofas", "mode": "all"}, False),
            ({"text": "corner.*seats"}, True),
            ({"title": "sofa", "exclude": "corner"}, False),
            ({"title": "sofa", "max_price": 49}, False),
            ({"title": "sofa", "min_price": 50, "max_price": 50}, True),
        ],
    )
    def test_an_advert_is_right_when_title_text_or_category_match(self, tmp_path, fields, is_right):
        assert rule(tmp_path, **fields).is_right(SOFA) == is_right

    def test_precision_counts_among_as_many_as_there_could_be(self, tmp_path):
        intent = rule(tmp_path, title="sofa")
        other = Advert("Lamp", "Home / Lamps", 5, "")
        assert intent.precision([SOFA, other], right_count=2, has_hint=False) == 0.5
        assert intent.precision([SOFA] * 10, right_count=200, has_hint=False) == 1

    @pytest.mark.parametrize(
        ("found_count", "has_hint", "precision"), [(3, False, 1), (4, False, 0), (4, True, 1)]
    )
    def test_where_nothing_is_on_sale_few_items_or_a_hint_are_right(
        self, tmp_path, found_count, has_hint, precision
    ):
        intent = rule(tmp_path, none=True)
        assert intent.precision([SOFA] * found_count, right_count=0, has_hint=has_hint) == precision

    @pytest.mark.parametrize(
        "content", ["{", '[{"title": "x"}]', '[{"q": "x", "titel": "x"}]', '[{"q": "x", "title": "("}]']
    )
    def test_a_file_without_intents_is_refused(self, tmp_path, content):
        (tmp_path / "intents.json").write_text(content)
        with pytest.raises(BadData):
            read_intents(tmp_path / "intents.json")

    def test_the_intents_that_come_along_can_be_read(self):
        assert len(read_intents(__main__.OWN)) == 50


def test_the_search_benchmark_judges_the_pages_that_a_real_search_answers(
    transactional_db, weights_file, tmp_path, monkeypatch
):
    (tmp_path / "images").mkdir()
    names = [f"{kind}-{number}" for kind in ("sofa", "bicycle") for number in range(3)]
    write_adverts(tmp_path, SimpleNamespace(lives=dict.fromkeys(names)))
    monkeypatch.setattr(stored_adverts, "BACKBONE", "shufflenet_v2_x0_5")
    monkeypatch.setattr(installation, "servers", nullcontext)
    intents = read_intents(
        written(tmp_path, {"q": "bicycle", "title": "bicycle"}, {"q": "sofa", "title": "bicycle"})
    )
    figures = __main__.benchmark(tmp_path, intents, weights_file, trained=False, cache=None)
    assert (figures["intents"], figures["precision10"], figures["below_half"]) == (2, 0.5, 1)
