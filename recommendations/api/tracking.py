"""Decisions about which requests are logged as slates and impressions. Those of crawlers are not."""

import re
from functools import cache, lru_cache

from rest_framework.request import Request

from listings.callers import CallerRequest

USER_AGENT_READ = 500  # characters
# A crawler of somebody's own ends a word in bot, crawler, spider ... Cubot makes phones.
_NAMED_CRAWLER = re.compile(r"(?<!cu)(?:bot|crawler|spider|scraper|scrapy)\b", re.IGNORECASE)
_PATTERNS_AT_ONCE = 25  # one expression of all patterns takes ten times as long to search for
_LIBRARY = "http-library"


def logs_impressions(request: Request) -> bool:
    """Whether an impression is logged for a later page of a stored slate, so that events may name it."""
    return not is_crawler(request.headers.get("User-Agent", ""))


def logs_slate(request: CallerRequest) -> bool:
    """Whether the answer is stored as a slate.

    False for crawlers, and for anonymous callers above the rate limit up to which slates are stored.
    """
    return request.caller.is_kept and logs_impressions(request)


@lru_cache(maxsize=4096)
def is_crawler(user_agent: str) -> bool:
    """Whether a User-Agent is that of a crawler, a link preview or a monitor, by crawler-user-agents.

    HTTP libraries are not counted: the backend of a shop calls with one, and so does an app (okhttp).
    """
    start = user_agent[:USER_AGENT_READ]
    return bool(_NAMED_CRAWLER.search(start)) or any(pattern.search(start) for pattern in _patterns())


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    from crawleruseragents import CRAWLER_USER_AGENTS_DATA  # large: read when the first page is served

    known = [entry["pattern"] for entry in CRAWLER_USER_AGENTS_DATA if _LIBRARY not in entry.get("tags", ())]
    return tuple(
        re.compile("|".join(known[start : start + _PATTERNS_AT_ONCE]))
        for start in range(0, len(known), _PATTERNS_AT_ONCE)
    )
