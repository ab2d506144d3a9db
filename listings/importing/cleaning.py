"""Cleaning of exported adverts: titles, descriptions and categories. Pure functions on text."""

import hashlib
import re

from listings.categories.paths import clean_path
from listings.models import Category

BLANK = frozenset({"", "-", "n/a", "na", "#n/a", "nan", "null", "none"})
TITLE_TAIL = re.compile(r"\s*\|\s*in\s[^|]*\|\s*Gumtree\s*$|\s*\|\s*Gumtree\s*$")
LAST_PIPE = re.compile(r"\s*\|\s*(?P<tail>in\b[^|]*(?:\|[^|]*)?)$")
MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
DATE = rf"(?:\d{{1,2}}\.? {MONTH},? \d{{4}}|{MONTH} \d{{1,2}},? \d{{4}})"
POSTED = r"\s*\bPosted by (?:(?!Posted by )[^\r\n])"
DATED = re.compile(rf"{POSTED}{{1,250}}?\. ?{DATE}")
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def clean_cell(text: str) -> str:
    """One line of text with single spaces. Empty for cells that mean "no value", such as N/A."""
    text = " ".join(UNPRINTABLE.sub(" ", text).split())
    return "" if text.casefold() in BLANK else text


def clean_id(text: str) -> str:
    """An id as it was written, without blanks around it. Empty for cells that mean "no value"."""
    text = text.strip()
    return "" if text.casefold() in BLANK else text


def clean_text(text: str) -> str:
    """Text with \n line ends and without control characters. Empty for cells that mean "no value"."""
    text = UNPRINTABLE.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    return "" if text.casefold() in BLANK else text


def clean_category(text: str) -> str:
    """The path with ` / ` between its names. Empty for cells that mean "no value"."""
    return clean_path(clean_cell(text))


def clean_title(text: str, location: str) -> str:
    """The title without the site's suffix `| in TOWN, COUNTY | Gumtree`, whole or truncated."""
    title = clean_cell(text)
    shortened = TITLE_TAIL.sub("", title)
    suffix = LAST_PIPE.search(shortened)
    if suffix and f"in {location} | Gumtree".startswith(suffix["tail"].rstrip(" .…")):
        shortened = shortened[: suffix.start()]
    return clean_cell(shortened)


def clean_description(text: str, category: str, location: str) -> str:
    """The description without `Posted by NAME in CATEGORY in TOWN. DATE`, which would leak the category."""
    text = DATED.sub(" ", text)
    return clean_text(_undated_pattern(category, location).sub(" ", text))


def _undated_pattern(category: str, location: str) -> re.Pattern[str]:
    """A pattern for the same sentence without a date. It must contain the advert's own category or town."""
    town = re.escape(location.split(",")[0])
    names = "|".join(re.escape(name) for name in category.split(Category.SEPARATOR))
    of_category = rf"{POSTED}{{1,80}}? in (?:{names})\b[^\r\n]{{0,160}}?(?:\bin {town}\b\.?|$)"
    of_town = rf"{POSTED}{{1,80}}?(?:,? in |\.){town}\.?\s*$"
    return re.compile(f"{of_category}|{of_town}" if names and town else r"(?!)")


def seller_of(listing_id: str, seller_count: int) -> str:
    """A synthetic seller for an advert without one: chosen by a hash of the id, evenly spread."""
    number = int.from_bytes(hashlib.sha256(listing_id.encode()).digest()[:8]) % seller_count
    return f"seller-{number + 1:04d}"
