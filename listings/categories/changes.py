"""Verbs that change the tree of categories."""

from django.db.models import ProtectedError
from django.utils import timezone

from listings.announcing import catalogue_transaction
from listings.categories.paths import clean_path
from listings.categories.tree import LONGEST_PATH, categories_called, ensure_category
from listings.errors import Conflict, Invalid
from listings.models import Category, Listing


def move_category(*, category: Category, path: str) -> Category:
    """Rename a category with all below it, or merge it into the one that has this path. Returns that one.

    New parents are made. Listings go along. Raises Invalid for a path that is none, or below the category.
    """
    path = clean_path(path)
    if path.lower().startswith(f"{category.path}{Category.SEPARATOR}".lower()):
        raise Invalid("A category cannot be moved below itself.", field="to")
    with catalogue_transaction() as changes:
        subtree = list(_subtree(category))
        changes.listing_ids.update(_listing_ids(subtree))
        return _move(Category.objects.get(pk=category.pk), path)


def remove_category(*, category: Category) -> None:
    """Delete a category that holds nothing. Raises Conflict while listings or categories are in it."""
    try:
        category.delete()
    except ProtectedError:
        raise Conflict(
            f"{category.path} holds listings or categories. Merge it into another category instead.",
            field="path",
        ) from None


def _subtree(category: Category) -> list[Category]:
    """The category and all below it, locked in one order."""
    locked = Category.objects.select_for_update(no_key=True).order_by("path")
    below = f"{category.path}{Category.SEPARATOR}"
    return [found for found in locked if found.pk == category.pk or found.path.startswith(below)]


def _listing_ids(categories: list[Category]) -> list[int]:
    return list(Listing.objects.filter(category__in=categories).values_list("pk", flat=True))


def _move(category: Category, path: str) -> Category:
    """Move one category and then those below it, each of which may exist at its new place already."""
    target = categories_called([path]).get(path)
    if target is not None and target.pk != category.pk:
        for child in category.children.all():
            _move(child, f"{target.path}{Category.SEPARATOR}{child.name}")
        _refer_to(target, instead_of=category)
        category.delete()
        return target
    above, _, name = path.rpartition(Category.SEPARATOR)
    category.parent = ensure_category(above) if above else None
    category.root = (category.parent.root or category.parent) if category.parent else None
    path = f"{category.parent.path}{Category.SEPARATOR}{name}" if category.parent else name
    if len(path) > LONGEST_PATH:
        raise Invalid(f"A path has at most {LONGEST_PATH} characters.", field="to")
    category.path = path
    category.save()
    for child in category.children.all():
        _move(child, f"{path}{Category.SEPARATOR}{child.name}")
    return category


def _refer_to(target: Category, *, instead_of: Category) -> None:
    """Point everything that names one category to another, such as its listings and boosts."""
    for relation in Category._meta.related_objects:
        model, field = relation.related_model, relation.field.name
        if model is not Category:
            model._default_manager.filter(**{field: instead_of}).update(**{field: target})
    Listing.objects.filter(category=target).update(updated_at=timezone.now())
