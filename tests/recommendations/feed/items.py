"""Kinds of listings in a catalogue of the feed, and items of an answered feed by id, category and score."""

OFFICE = "Home & Garden / Office Furniture & Equipment"

KINDS = [
    ("Blue three seater sofa", "Home & Garden / Sofas"),
    ("Mountain bike with gears", "Sports / Bicycles"),
    ("Winter coat for women", "Clothing / Coats"),
    ("Smart phone unlocked", "Electronics / Phones"),
    ("Swivel office chair adjustable", OFFICE),
    ("Office desk with drawers", OFFICE),
]


def of_category(items, path) -> int:
    return sum(item["listing"]["category"] == path for item in items)


def ids(items) -> list[str]:
    return [item["listing"]["id"] for item in items]


def scores_of(items, source) -> dict[str, float | None]:
    return {item["listing"]["id"]: item["scores"][source] for item in items}


def titles(page: dict) -> list[str]:
    return [item["listing"]["title"] for item in page["items"]]
