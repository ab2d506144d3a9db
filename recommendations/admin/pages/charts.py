"""Small charts, drawn as SVG on the server: bars over days, and intervals around values."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, HEIGHT, GAP = 600, 120, 2
LEAST_DAYS = 7  # a single bar would fill the chart
LEFT, ROW = 150, 28  # of a chart of intervals


@dataclass(frozen=True)
class Interval:
    """A value between its bounds, with a label. is_reference: what the others are compared with."""

    label: str
    value: float
    low: float
    high: float
    is_reference: bool = False


def bars(values: Sequence[tuple[date, int]], *, title: str) -> SafeString:
    """An SVG of one bar for each day, the first day left; the number shows on hover.   "" without values."""
    if not values:
        return SafeString()
    days = _without_gaps(values)
    highest = max(count for _, count in days) or 1
    step = WIDTH / len(days)
    drawn = format_html_join(
        "",
        '<rect x="{}" y="{}" width="{}" height="{}"><title>{}: {}</title></rect>',
        (
            (
                f"{place * step:.1f}",
                f"{HEIGHT - HEIGHT * count / highest:.1f}",
                f"{max(step - GAP, 1):.1f}",
                f"{HEIGHT * count / highest:.1f}",
                day.isoformat(),
                f"{count:,}",
            )
            for place, (day, count) in enumerate(days)
        ),
    )
    return format_html(
        '<figure class="staff-chart"><figcaption>{} <b>{}</b></figcaption>'
        '<svg viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
        "<small><span>{}</span><span>most in a day: {}</span><span>{}</span></small></figure>",
        *(title, f"{sum(count for _, count in days):,}", WIDTH, HEIGHT, title, drawn),
        *(f"{days[0][0]:%-d %b}", f"{highest:,}", f"{days[-1][0]:%-d %b}"),
    )


def _without_gaps(values: Sequence[tuple[date, int]]) -> list[tuple[date, int]]:
    """Every day from the first to the last, LEAST_DAYS or more, with 0 where none is given."""
    counts = dict(values)
    last = max(counts)
    first = min(*counts, last - timedelta(days=LEAST_DAYS - 1))
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [(day, counts.get(day, 0)) for day in days]


def intervals(rows: Sequence[Interval], *, title: str, zero: bool = False) -> SafeString:
    """An SVG of a dot with whiskers for each row. zero: draw a line at 0.   "" without rows."""
    if not rows:
        return SafeString()
    ends = [*(row.low for row in rows), *(row.high for row in rows), *([0.0] if zero else [])]
    low, span = min(ends), (max(ends) - min(ends)) or 1.0

    def across(value: float) -> str:
        return f"{LEFT + 10 + (WIDTH - LEFT - 20) * (value - low) / span:.1f}"

    drawn = format_html_join(
        "",
        '<g class="{}"><text x="0" y="{}">{}</text><line x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<circle cx="{}" cy="{}" r="5"><title>{}</title></circle></g>',
        (
            (
                "reference" if row.is_reference else "",
                *(place * ROW + ROW / 2 + 5, row.label, across(row.low), across(row.high)),
                *(place * ROW + ROW / 2,) * 2,
                *(across(row.value), place * ROW + ROW / 2),
                f"{row.value:.3%} ({row.low:.3%} to {row.high:.3%})",
            )
            for place, row in enumerate(rows)
        ),
    )
    height = ROW * len(rows)
    line = format_html('<line class="zero" x1="{0}" x2="{0}" y1="0" y2="{1}"/>', across(0.0), height)
    return format_html(
        '<figure class="staff-chart staff-intervals"><figcaption>{}</figcaption>'
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg></figure>',
        *(title, WIDTH, height, title, line if zero else "", drawn),
    )
