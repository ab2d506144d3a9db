"""The checks of a torture run find every kind of violation that is added to a correct history."""

from dataclasses import replace

import pytest

from tests.faults.history import Entry, violations

GOOD = [
    Entry(0, 1, "publish", "sofa"),
    Entry(0, 1, "publish", "lamp"),
    Entry(1, 2, "look", "feed", shown=frozenset({"sofa", "lamp"})),
    Entry(1, 2, "edit", "lamp", title="Lamp"),
    Entry(2, 3, "reserve", "lamp"),
    Entry(3.2, 3.8, "look", "feed", shown=frozenset({"sofa"})),
    Entry(4, 5, "release", "lamp"),
    Entry(6, 7, "sell", "sofa"),
    Entry(6.5, 7.5, "look", "feed", shown=frozenset({"sofa", "lamp"})),
    Entry(8, 9, "look", "feed", shown=frozenset({"lamp"})),
    Entry(8, 9, "edit", "lamp", title="Red lamp"),
    Entry(9, 9.5, "edit", "lamp", is_done=False, title="Green lamp"),
    Entry(8, 9, "send", "view-1"),
    Entry(8, 9, "send", "view-2", is_done=False),
]
STATUSES = {"sofa": "sold", "lamp": "active"}
TITLES = {"sofa": "Sofa", "lamp": "Red lamp"}


def violations_in(history=GOOD, statuses=STATUSES, titles=TITLES, event_ids=("view-1",)) -> list[str]:
    return violations(list(history), statuses=statuses, titles=titles, event_ids=list(event_ids))


class TestTheCheckOfAStorm:
    def test_a_correct_history_has_no_violation(self):
        assert violations_in() == []
        assert violations_in(event_ids=["view-1", "view-2"]) == [], "what nobody heard of may have been done"
        assert violations_in(titles=TITLES | {"lamp": "Green lamp"}) == [], "nor of this edit"

    @pytest.mark.parametrize(("place", "listing"), [(5, "lamp"), (9, "sofa")])
    def test_a_listing_shown_while_sold_or_reserved_is_a_violation(self, place, listing):
        history = list(GOOD)
        history[place] = replace(history[place], shown=frozenset({listing}))
        assert violations_in(history) == [f"feed showed {listing}, which was sold or reserved"]

    @pytest.mark.parametrize(
        ("change", "violation"),
        [
            ({"statuses": {"sofa": "sold"}}, "the listing lamp is lost"),
            ({"statuses": {"sofa": "active", "lamp": "active"}}, "the sale of sofa is lost"),
            ({"statuses": {"sofa": "sold", "lamp": "sold"}}, "lamp was sold, which nobody asked for"),
            ({"history": [*GOOD, Entry(6, 7, "sell", "sofa")]}, "sofa was sold 2 times"),
            ({"titles": TITLES | {"lamp": "Lamp"}}, "the edit of lamp is lost"),
            ({"event_ids": []}, "the event view-1 is lost"),
            ({"event_ids": ["view-1", "view-1"]}, "the event view-1 is there 2 times"),
            ({"event_ids": ["view-1", "view-9"]}, "nobody sent the event view-9"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_lost_repeated_and_invented_writes_are_violations(self, change, violation):
        assert violations_in(**change) == [violation]
