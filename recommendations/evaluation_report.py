"""What an evaluation found, for people: tables on the screen and in Markdown, and a chart."""

import logging
from collections.abc import Iterator
from math import isnan
from pathlib import Path

from rich import box
from rich.table import Table

from ml.figure import Figure
from recommendations.evaluation import COLD_ACTORS, COLD_LISTINGS, EVERYONE, Measured, Slice
from recommendations.rehearsal import Rehearsal, shown

METHODS = {
    "popularity": "popularity",
    "newest": "newest",
    "content": "content",
    "rp3beta": "RP3beta",
    "cosine": "item-item cosine",
    "covisitation": "co-visitation",
    "als": "ALS",
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
LIKELY = "95 % bootstrap intervals over actors"


def title_of(measure: str, k: int) -> str:
    """Such as NDCG@20."""
    at_k = {"recall": "Recall", "ndcg": "NDCG", "map": "MAP"}
    return f"{at_k[measure]}@{k}" if measure in at_k else {"novelty": "novelty (bits)"}.get(measure, measure)


def sentences(found: Rehearsal) -> list[str]:
    """What was asked of whom: to be read before the figures."""
    measured = found.measured
    sampled = measured.actor_count < measured.eligible_count
    drawn = f" (drawn from {measured.eligible_count:,})" if sampled else ""
    return [
        f"Known: {found.event_count:,} events of {found.actor_count:,} actors, up to {shown(found.moment)}.",
        f"Asked for: what {measured.actor_count:,} actors{drawn} newly touched in the "
        f"{found.answer_count:,} events from then to {shown(found.end)}.",
        f"Ranked: {measured.listing_count:,} listings; {measured.cold_listing_count:,} of them nobody had "
        "touched.",
        *_warning(found),
    ]


def _warning(found: Rehearsal) -> list[str]:
    share = found.simulated_count / max(found.event_count + found.answer_count, 1)
    return [f"{share:.0%} of the events are SIMULATED: they say nothing of people."] if share else []


def tables(found: Rehearsal) -> Iterator[Table]:
    """One for each slice; plus or minus is half the interval."""
    for part in found.measured.slices:
        measures = _measures(part)
        table = Table(title=_caption(part), title_justify="left", box=box.SIMPLE_HEAD)
        table.add_column("method", no_wrap=True)
        for measure in measures:
            table.add_column(title_of(measure, found.measured.k), justify="right")
        for method, figures in part.figures.items():
            cells = [_short(figures[measure]) for measure in measures]
            table.add_row(METHODS[method], *cells, style="bold" if method == "blend" else None)
        yield table


def markdown(found: Rehearsal) -> str:
    """The same as a document, with the ends of each interval."""
    lines = ["# Evaluation", "", *sentences(found), f"In brackets: {LIKELY}.", ""]
    for part in found.measured.slices:
        measures = _measures(part)
        lines += [f"## {_caption(part)}", ""]
        lines += ["| method | " + " | ".join(title_of(m, found.measured.k) for m in measures) + " |"]
        lines += ["| --- |" + " ---: |" * len(measures)]
        for method, figures in part.figures.items():
            lines += [f"| {METHODS[method]} | " + " | ".join(_whole(figures[m]) for m in measures) + " |"]
        lines += [""]
    return "\n".join(lines)


def draw(found: Rehearsal, path: Path) -> None:
    """A PNG: a panel for each measure, a line for each method, a dot with whiskers for each slice."""
    import matplotlib

    logging.getLogger("matplotlib").setLevel(logging.WARNING)  # it tells of fonts
    matplotlib.use("Agg")
    from matplotlib import pyplot

    measured = found.measured
    methods = list(measured.slices[0].figures)
    figure, panels = pyplot.subplots(
        1, len(CHARTED), figsize=(12, 1.9 + 0.55 * len(methods)), sharey=True, layout="constrained"
    )
    for panel, measure in zip(panels, CHARTED, strict=True):
        _draw_panel(panel, measured, methods, measure)
    panels[0].set_yticks(range(len(methods)), [METHODS[method] for method in methods])
    panels[0].set_ylim(len(methods) - 0.5, -0.5)
    figure.suptitle(_headline(found), fontsize=11)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    try:
        figure.savefig(path, format="png", dpi=150)
    finally:
        pyplot.close(figure)


def _draw_panel(panel, measured: Measured, methods: list[str], measure: str) -> None:
    for place, part in enumerate(measured.slices):
        heights = [row + 0.22 * (place - (len(measured.slices) - 1) / 2) for row in range(len(methods))]
        found = [part.figures[method][measure] for method in methods]
        panel.errorbar(
            [figure.value for figure in found],
            heights,
            xerr=[
                [max(figure.value - figure.low, 0) for figure in found],
                [max(figure.high - figure.value, 0) for figure in found],
            ],
            fmt="o",
            markersize=5,
            capsize=3,
            color=COLOURS[part.name],
            clip_on=False,
            label=f"{SHORT[part.name]} ({part.actor_count:,} actors)",
        )
    for row in range(1, len(methods)):
        panel.axhline(row - 0.5, color="#dddddd", linewidth=0.8)
    panel.set_title(title_of(measure, measured.k), fontsize=11)
    panel.set_xlim(left=0)
    panel.locator_params(axis="x", nbins=5)
    panel.grid(axis="x", color="#eeeeee")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def _headline(found: Rehearsal) -> str:
    measured = found.measured
    return (
        f"What {measured.actor_count:,} actors newly touched after {shown(found.moment)}, "
        f"found among {measured.listing_count:,} listings\n"
        + " ".join([*_warning(found), f"Whiskers: {LIKELY}."])
    )


def _caption(part: Slice) -> str:
    return f"{SHORT[part.name].capitalize()}: {EXPLAINED[part.name]} ({part.actor_count:,} actors)"


def _measures(part: Slice) -> list[str]:
    return list(next(iter(part.figures.values())))


def _short(figure: Figure) -> str:
    if isnan(figure.value):
        return "-"
    return f"{figure.value:.4f} ±{(figure.high - figure.low) / 2:.4f}"


def _whole(figure: Figure) -> str:
    if isnan(figure.value):
        return "-"
    return f"{figure.value:.4f} ({figure.low:.4f} to {figure.high:.4f})"
