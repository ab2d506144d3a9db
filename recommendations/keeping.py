"""Whether what a request is shown is kept as a slate."""

from rest_framework.request import Request

from recommendations.crawlers import is_crawler


def is_noted(request: Request) -> bool:
    """Whether it is noted that a later page of a kept slate was served: an event may name it."""
    return not is_crawler(request.headers.get("User-Agent", ""))


def is_kept(request: Request) -> bool:
    """Not for crawlers, nor for strangers who read more than the rate limits let be kept."""
    return request.caller.is_kept and is_noted(request)
