"""Paths of categories as people write them: `Home &amp; Garden > Beds` is `Home & Garden / Beds`."""

import html
import re

from listings.models import Category

# A slash without blanks around it is part of a name, as in `Ham/Amateur Radios`.
BETWEEN = re.compile(r"\s*[>›»→]\s*|\s+/\s+")
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


def clean_path(text: str) -> str:
    """The path with ` / ` between its names, without empty names, entities of HTML and surplus blanks."""
    return Category.SEPARATOR.join(filter(None, names_in(text)))


def names_in(text: str) -> list[str]:
    """The names of a path from the root on, of which some may be empty."""
    text = html.unescape(html.unescape(UNPRINTABLE.sub(" ", text)))
    return [" ".join(name.split()) for name in BETWEEN.split(f" {text} ")]
