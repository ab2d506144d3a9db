"""What came of an experiment, for people: sentences, tables, and a chart."""

import logging
from collections.abc import Iterator
from math import isnan
from pathlib import Path

from django.conf import settings
from rich import box
from rich.table import Table

from ml.figure import Figure
from recommendations.experiment_outcomes import FEWEST, FOLLOWS_WITHIN, OUTCOMES, Arm, Outcome
from recommendations.rehearsal import shown
from recommendations.rule_models import CONTROL

TITLES = {"view": "view", "click": "click", "favourite": "favourite", "purchase": "purchase"}
BASES = {
    "of_actors": "Of actors: the share who did it at least once (intervals of Wilson and Newcombe)",
    "of_served": "Of served listings: the share with which it was done (intervals by bootstrap over actors)",
}
SHORT = {"of_actors": "share of actors", "of_served": "share of served listings"}
COLOURS = {True: "#6b6b6b", False: "#1f4e79"}  # of the control, and of what is held against it


def warnings_of(found: Outcome) -> list[str]:
    """What forbids or limits a conclusion, the gravest first."""
    told = []
    if found.is_uneven:
        told.append(
            f"SAMPLE RATIO MISMATCH (p = {found.sample_ratio_p:.2g}): actors are not divided as the weights "
            "say. Something else than chance decides who is counted; do not compare the variants."
        )
    if found.simulated_count:
        share = found.simulated_count / found.event_count
        told.append(f"{share:.0%} of the events are SIMULATED: they say nothing of people.")
    if not found.is_complete:
        told.append(f"Not complete: some pages were served less than {FOLLOWS_WITHIN.days} days ago.")
    return told


def sentences(found: Outcome) -> list[str]:
    """What was asked: to be read before the figures."""
    counted = sum(arm.actor_count for arm in found.arms)
    told = [
        f"{found.name}, {found.status}: {shown(found.starts_at)} to {shown(found.ends_at)}, "
        f"as known on {shown(found.asked_at)}.",
        f"{counted:,} actors were served pages of one variant. What they did with a listing within "
        f"{FOLLOWS_WITHIN.days} days after a slate had served it to them counts for the last such slate.",
    ]
    if found.mixed_count:
        told.append(f"{found.mixed_count:,} actors saw more than one variant and are left out.")
    if not counted:
        told.append(
            f"Slates are kept for {settings.ENVIRONMENT.slate_days} days: older ones are not counted."
        )
    elif not found.is_uneven:
        told.append(f"The division is as the weights say (chi-square, p = {found.sample_ratio_p:.2g}).")
    return [*told, *warnings_of(found)]


def tables(found: Outcome) -> Iterator[Table]:
    """Who was counted; then a table for each base, with differences to the control."""
    counted = _table("Counted", ["variant", "weight", "actors", "slates", "served listings"])
    for arm in found.arms:
        counts = (arm.actor_count, arm.slate_count, arm.served_count)
        counted.add_row(arm.name, f"{arm.weight:g}", *(f"{count:,}" for count in counts))
    yield counted
    for base, title in BASES.items():
        table = _table(title, ["variant", *TITLES.values()])
        for arm in found.arms:
            table.add_row(arm.name, *_cells(getattr(arm, base)))
        for arm in found.arms:
            if differences := getattr(arm, f"{base}_over_control"):
                table.add_row(f"{arm.name} − {CONTROL}", *_cells(differences, "+"), style="bold")
        yield table


def _table(title: str, columns: list[str]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column(columns[0], no_wrap=True)
    for name in columns[1:]:
        table.add_column(name, justify="right")
    return table


def _cells(figures: dict[str, Figure], sign: str = "") -> list[str]:
    return [_percent(figures[kind], sign) for kind in OUTCOMES]


def _percent(figure: Figure, sign: str) -> str:
    if isnan(figure.value):
        return "-"
    value = f"{100 * figure.value:{sign}.2f} %"
    if isnan(figure.low):
        return f"{value} (?)"
    return f"{value} ({100 * figure.low:{sign}.2f} to {100 * figure.high:{sign}.2f})"


def footnote() -> str:
    return f"In brackets: 95 % intervals; ? where fewer than {FEWEST} actors did it."


def draw(found: Outcome, path: Path) -> None:
    """A PNG: a column for each outcome, a row for each base, a dot with whiskers for each variant."""
    import matplotlib

    logging.getLogger("matplotlib").setLevel(logging.WARNING)  # it tells of fonts
    matplotlib.use("Agg")
    from matplotlib import pyplot

    height = 2.2 + 0.7 * max(len(found.arms), 2)
    figure, panels = pyplot.subplots(
        len(BASES), len(OUTCOMES), figsize=(13, height), sharey=True, layout="constrained"
    )
    for row, base in zip(panels, BASES, strict=True):
        for panel, kind in zip(row, OUTCOMES, strict=True):
            _draw_panel(panel, found.arms, base, kind)
    for row in panels:
        row[0].set_yticks(range(len(found.arms)), [arm.name for arm in found.arms])
    panels[0][0].set_ylim(max(len(found.arms), 1) - 0.5, -0.5)
    figure.suptitle(_headline(found), fontsize=11)
    try:
        figure.savefig(path, format="png", dpi=150)
    finally:
        pyplot.close(figure)


def _draw_panel(panel, arms: list[Arm], base: str, kind: str) -> None:
    for place, arm in enumerate(arms):
        figure = getattr(arm, base)[kind]
        value, low, high = (100 * end for end in (figure.value, figure.low, figure.high))
        if isnan(value):
            continue
        whiskers = None if isnan(low) else [[max(value - low, 0)], [max(high - value, 0)]]
        colour = COLOURS[arm.name == CONTROL]
        panel.errorbar([value], [place], xerr=whiskers, fmt="o", markersize=6, capsize=4, color=colour)
    panel.set_title(TITLES[kind], fontsize=11)
    panel.set_xlabel(f"{SHORT[base]}, %", fontsize=9)
    panel.set_xlim(left=0)
    panel.locator_params(axis="x", nbins=5)
    panel.grid(axis="x", color="#eeeeee")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def _headline(found: Outcome) -> str:
    counted = sum(arm.actor_count for arm in found.arms)
    first = f"Experiment {found.name}: {counted:,} actors, as known on {shown(found.asked_at)}"
    return "\n".join([first, *warnings_of(found), "Whiskers: 95 % intervals."])
