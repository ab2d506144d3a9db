"""Report of an evaluation: sentences, tables on the screen and in Markdown, and a chart."""

from collections.abc import Callable, Iterator
from pathlib import Path

from ml.evaluation.estimate import IntervalEstimate
from recommendations.analysis.backtest import Backtest
from recommendations.analysis.rendering import (
    ReportTable,
    chart,
    format_half_width,
    format_interval,
    format_time,
    style_panel,
    whiskers,
)
from recommendations.evaluation.comparison import (
    COLD_ACTORS,
    COLD_LISTINGS,
    EVERYONE,
    EvaluationResult,
    SliceResult,
)

METHODS = {
    "popularity": "popularity",
    "newest": "newest",
    "content": "content",
    "rp3beta": "RP3beta",
    "cosine": "item-item cosine",
    "covisitation": "co-visitation",
    "als": "ALS",
    "affinity": "affinity",
    "blend": "the feed",
}
EXPLAINED = {
    EVERYONE: "every actor",
    COLD_LISTINGS: "listings that nobody had touched before, ranked among all",
    COLD_ACTORS: "actors of whom nothing was known",
}
SHORT = {EVERYONE: "all", COLD_LISTINGS: "untouched listings", COLD_ACTORS: "unknown actors"}
COLOURS = {EVERYONE: "#1f4e79", COLD_LISTINGS: "#d9822b", COLD_ACTORS: "#6f9e6f"}
CHARTED = ("recall", "ndcg", "map")
NO_CASE = "no case"  # in a slice without actors
INTERVALS = "95 % bootstrap intervals over actors"


def title_of(measure: str, k: int) -> str:
    """The heading of a measure, such as NDCG@20."""
    at_k = {"recall": "Recall", "ndcg": "NDCG", "map": "MAP"}
    return f"{at_k[measure]}@{k}" if measure in at_k else {"novelty": "novelty (bits)"}.get(measure, measure)


def sentences(result: Backtest) -> list[str]:
    """The data behind the figures, to be read before them."""
    measured = result.measured
    sampled = measured.actor_count < measured.eligible_count
    drawn = f" (drawn from {measured.eligible_count:,})" if sampled else ""
    return [
        f"Known: {result.event_count:,} events of {result.actor_count:,} actors, "
        f"up to {format_time(result.moment)}.",
        f"Asked for: what {measured.actor_count:,} actors{drawn} newly touched in the "
        f"{result.answer_count:,} events from then to {format_time(result.end)}.",
        f"Ranked: {measured.listing_count:,} listings; {measured.cold_listing_count:,} of them nobody had "
        "touched.",
        "Lead: by how much the NDCG of the feed exceeds that of a method, for the same actors.",
        *_warnings(result),
    ]


def _warnings(result: Backtest) -> list[str]:
    share = result.simulated_count / max(result.event_count + result.answer_count, 1)
    return [f"{share:.0%} of the events are SIMULATED: they say nothing of people."] if share else []


def tables(
    result: Backtest, format_cell: Callable[[IntervalEstimate], str] = format_half_width
) -> Iterator[ReportTable]:
    """A table for each slice of the actors, with a row for each method. The feed is bold."""
    for part in result.measured.slices:
        measures = list(next(iter(part.figures.values())))
        titles = [title_of(measure, result.measured.k) for measure in measures]
        table = ReportTable(_caption(part), ["method", *titles])
        for method, figures in part.figures.items():
            cells = [_cell(figures[measure], part, format_cell) for measure in measures]
            table.add(METHODS[method], *cells, is_bold=method == "blend")
        yield table


def _cell(figure: IntervalEstimate, part: SliceResult, format_cell: Callable[[IntervalEstimate], str]) -> str:
    return format_cell(figure) if part.actor_count else NO_CASE


def markdown(result: Backtest) -> str:
    """The report as a document. Cells hold both ends of each interval."""
    lines = ["# Evaluation", "", *sentences(result), f"In brackets: {INTERVALS}.", ""]
    for table in tables(result, format_interval):
        lines += table.to_markdown()
    return "\n".join(lines)


def draw(result: Backtest, path: Path) -> None:
    """Write a PNG: a panel for each measure, a line for each method, a dot with whiskers for each slice."""
    measured = result.measured
    methods = list(measured.slices[0].figures)
    size = (12, 1.9 + 0.55 * len(methods))
    with chart(path, title=_headline(result), size=size, column_count=len(CHARTED)) as (figure, [panels]):
        for panel, measure in zip(panels, CHARTED, strict=True):
            _draw_panel(panel, measured, methods, measure)
        panels[0].set_yticks(range(len(methods)), [METHODS[method] for method in methods])
        panels[0].set_ylim(len(methods) - 0.5, -0.5)
        legend = panels[0].get_legend_handles_labels()
        figure.legend(*legend, loc="outside lower center", ncols=3, frameon=False)


def _draw_panel(panel, measured: EvaluationResult, methods: list[str], measure: str) -> None:
    for place, part in enumerate(measured.slices):
        heights = [row + 0.22 * (place - (len(measured.slices) - 1) / 2) for row in range(len(methods))]
        figures = [part.figures[method][measure] for method in methods]
        panel.errorbar(
            [figure.value for figure in figures],
            heights,
            xerr=whiskers(figures),
            fmt="o",
            markersize=5,
            capsize=3,
            color=COLOURS[part.name],
            clip_on=False,
            label=f"{SHORT[part.name]} ({part.actor_count:,} actors)",
        )
    for row in range(1, len(methods)):
        panel.axhline(row - 0.5, color="#dddddd", linewidth=0.8)
    style_panel(panel, title_of(measure, measured.k))


def _headline(result: Backtest) -> str:
    measured = result.measured
    return (
        f"What {measured.actor_count:,} actors newly touched after {format_time(result.moment)}, "
        f"found among {measured.listing_count:,} listings\n"
        + " ".join([*_warnings(result), f"Whiskers: {INTERVALS}."])
    )


def _caption(part: SliceResult) -> str:
    return f"{SHORT[part.name].capitalize()}: {EXPLAINED[part.name]} ({part.actor_count:,} actors)"
