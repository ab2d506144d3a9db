"""Requests that say of themselves that a machine walks the pages. Nobody reads what it was offered."""

import re
from functools import cache, lru_cache

LONGEST_READ = 500
# What somebody's own crawler calls itself: a word that ends in bot, crawler, spider ... Cubot makes phones.
_SAYS_SO = re.compile(r"(?<!cu)(?:bot|crawler|spider|scraper|scrapy)\b", re.IGNORECASE)
# As many at once as the search for them is quick: one expression of all of them takes ten times as long.
_AT_ONCE = 25
_LIBRARY = "http-library"


@lru_cache(maxsize=4096)
def is_crawler(user_agent: str) -> bool:
    """Whether a User-Agent is that of a crawler, a preview or a monitor, by the list of crawler-user-agents.

    Those of HTTP libraries are not: the backend of a shop calls with one, and so does an app (okhttp).
    """
    shown = user_agent[:LONGEST_READ]
    return bool(_SAYS_SO.search(shown)) or any(pattern.search(shown) for pattern in _patterns())


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    from crawleruseragents import CRAWLER_USER_AGENTS_DATA  # read when the first page is served

    known = [entry["pattern"] for entry in CRAWLER_USER_AGENTS_DATA if _LIBRARY not in entry.get("tags", ())]
    return tuple(
        re.compile("|".join(known[start : start + _AT_ONCE])) for start in range(0, len(known), _AT_ONCE)
    )
