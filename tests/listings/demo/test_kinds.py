"""Kinds of things that are drawn."""

from listings.demo.kinds import KINDS
from listings.demo.palette import COLOURS
from listings.models import Category


class TestKinds:
    def test_drawn_kinds_lie_in_thirteen_root_categories(self):
        assert len({kind.category.split(Category.SEPARATOR)[0] for kind in KINDS.values()}) == 13
        assert all(set(kind.colours) <= set(COLOURS) for kind in KINDS.values())
