"""The front page of the staff site: what went on lately, how often it was liked, and what needs a person."""

from datetime import datetime
from typing import Any

from listings.callers import VIEW_OPERATIONS
from marketplace.monitoring import checks
from marketplace.monitoring.results import OVER, CheckResult, readiness_of
from recommendations.admin.pages import charts
from recommendations.analysis.activity import Rate, recent_activity
from recommendations.slates.results import SENTENCES, ReasonCode

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400


def dashboard_of(user: Any, now: datetime) -> dict[str, Any]:
    """What the template shows; nothing for staff without the permission to look at operations."""
    if not user.has_perm(VIEW_OPERATIONS):
        return {}
    activity = recent_activity(now)
    lines = checks.cached_checks()
    drawn = (
        charts.bars(activity.listings, title="New listings"),
        charts.bars(activity.events, title="Events"),
        charts.bars(activity.feeds, title="Feed requests"),
    )
    return {
        "readiness": readiness_of(lines),
        "troubles": [told for told in _told(lines) if told[0].status == OVER],
        "health": _told(lines),
        "charts": [chart for chart in drawn if chart],
        "rates": [_row_of(rate) for rate in activity.rates],
    }


def _told(lines: list[CheckResult]) -> list[tuple[CheckResult, str, str]]:
    """Each health line with its figure, and with what it is about where several lines say the same."""
    return [(line, figure_of(line), ", ".join(line.labels.values())) for line in lines]


def figure_of(line: CheckResult) -> str:
    """The value of a health line for people: durations in their largest unit, shares in per cent."""
    if line.value is None:
        return "unknown"
    if line.unit == "share":
        return f"{line.value:.0%}"
    if line.unit != "seconds":
        return f"{line.value:,.0f} {line.unit}"
    for size, name in ((DAY_S, "days"), (HOUR_S, "hours"), (MINUTE_S, "minutes")):
        if line.value >= 2 * size:
            return f"{line.value / size:.0f} {name}"
    return f"{line.value:.1f} seconds" if line.value >= 1 else f"{1000 * line.value:.0f} ms"


def _row_of(rate: Rate) -> tuple[str, str, str, str]:
    reason = SENTENCES[ReasonCode(rate.reason)] if rate.reason in SENTENCES else rate.reason or "not stored"
    opened, kept = rate.opened_count / rate.served_count, rate.kept_count / rate.served_count
    return reason, f"{rate.served_count:,}", f"{opened:.1%}", f"{kept:.1%}"
