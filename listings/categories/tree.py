"""Categories by their paths, in any spelling, made where they are missing."""

from collections.abc import Iterable

from django.db.models.functions import Lower

from listings.categories.paths import clean_path, names_in
from listings.errors import DomainError, Invalid
from listings.models import Category

LONGEST_PATH = Category._meta.get_field("path").max_length or 0


class NoSuchCategory(Invalid):
    """The category does not exist. Only services and the importer create categories by naming them."""

    def __init__(self, path: str):
        super().__init__(f"There is no category {path!r}.", field="category")


def find_category(path: str) -> Category:
    """The category with this path, in any spelling. Raises NoSuchCategory."""
    if (category := categories_called([path]).get(path)) is None:
        raise NoSuchCategory(path)
    return category


def categories_called(paths: Iterable[str]) -> dict[str, Category]:
    """The stored category of each of these paths that has one. One query.

    Capitals, blanks, entities and the sign between names do not matter. Of two categories that differ in
    capitals alone, the one that is written alike is meant.
    """
    cleaned = {path: clean_path(path) for path in paths}
    folded = {path.lower() for path in cleaned.values()}
    stored = Category.objects.alias(folded=Lower("path")).filter(folded__in=folded).order_by("-pk")
    by_folded = {category.path.lower(): category for category in stored}
    by_path = {category.path: category for category in stored}
    found = {path: by_path.get(clean) or by_folded.get(clean.lower()) for path, clean in cleaned.items()}
    return {path: category for path, category in found.items() if category is not None}


def ensure_category(path: str) -> Category:
    """The category with this path, created with its parents when it is new. Raises Invalid."""
    names = names_in(path)
    if not all(names) or len(clean_path(path)) > LONGEST_PATH:
        raise Invalid(f"{path[:100]!r} is not a category path such as 'Home / Garden'.", field="category")
    paths = [Category.SEPARATOR.join(names[:depth]) for depth in range(1, len(names) + 1)]
    stored = categories_called(paths)
    category: Category | None = None
    for name, below in zip(names, paths, strict=True):
        category = stored.get(below) or _ensure_below(category, name)
    assert category is not None  # there is at least one name
    return category


def _ensure_below(parent: Category | None, name: str) -> Category:
    path = f"{parent.path}{Category.SEPARATOR}{name}" if parent else name
    defaults = {"parent": parent, "root": (parent.root or parent) if parent else None}
    category, _ = Category.objects.get_or_create(path=path, defaults=defaults)
    return category


def ensure_categories(paths: set[str]) -> dict[str, Category | DomainError]:
    """The category of each path, made where it is new, or why it cannot be. Existing ones take one query."""
    stored = categories_called(paths)
    return {path: stored.get(path) or _category_or_error(path) for path in sorted(paths)}


def _category_or_error(path: str) -> Category | DomainError:
    try:
        return ensure_category(path)
    except DomainError as error:
        return error
