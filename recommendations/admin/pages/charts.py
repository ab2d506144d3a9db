"""Small charts, drawn as SVG on the server."""

from collections.abc import Sequence
from datetime import date, timedelta

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, HEIGHT, GAP = 600, 120, 2


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
    """Every day from the first to the last, with 0 where none is given."""
    counts = dict(values)
    first, last = min(counts), max(counts)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [(day, counts.get(day, 0)) for day in days]
