"""Report of an experiment: sentences, tables, and a chart."""

from collections.abc import Iterator, Mapping
from math import isnan
from pathlib import Path

from django.conf import settings

from ml.evaluation.estimate import IntervalEstimate
from ml.evaluation.ratios import CAPPED
from recommendations.analysis.experiment_arms import LEAST_ACTORS_WITH_EVENT, OUTCOMES, Arm
from recommendations.analysis.experiment_differences import PRIMARY
from recommendations.analysis.experiment_outcomes import FOLLOWS_WITHIN, ExperimentOutcome
from recommendations.analysis.rendering import (
    ReportTable,
    chart,
    format_interval,
    format_time,
    style_panel,
    whiskers,
)
from recommendations.models.experiments import CONTROL

TITLES = {"view": "view", "click": "click", "favourite": "favourite", "purchase": "purchase"}
BASES = {
    "of_actors": "Of actors: the share who did it at least once (intervals of Wilson and Newcombe)",
    "of_served": "Of served listings: the share with which it was done (intervals of Student and Welch, over "
    "actors)",
}
SHORT = {"of_actors": "share of actors", "of_served": "share of served listings"}
HOW_TO_READ = (
    f"The experiment is decided by one primary measure: {SHORT[PRIMARY[0]]} with a {PRIMARY[1]}. Differences "
    "in all other measures are adjusted for their number by Holm's procedure, so that any of them excludes 0 "
    f"by chance in 5 % of experiments at most. The {CAPPED:.0%} of actors who were served most count with "
    "as many listings as the next one, at their own rate."
)
CONTROL_COLOUR, VARIANT_COLOUR = "#6b6b6b", "#1f4e79"


def warnings_of(outcome: ExperimentOutcome) -> list[str]:
    """Reasons not to draw a conclusion, or to draw it with care. The most serious comes first."""
    warnings = []
    if outcome.is_uneven:
        warnings.append(
            f"SAMPLE RATIO MISMATCH (p = {outcome.sample_ratio_p:.2g}): actors are not divided as the "
            "weights say. Something else than chance decides who is counted; do not compare the variants."
        )
    if outcome.simulated_count:
        share = outcome.simulated_count / outcome.event_count
        warnings.append(f"{share:.0%} of the events are SIMULATED: they say nothing of people.")
    if not outcome.is_complete:
        warnings.append(f"Not complete: some pages were served less than {FOLLOWS_WITHIN.days} days ago.")
    return warnings


def sentences(outcome: ExperimentOutcome) -> list[str]:
    """The data behind the figures and the warnings, to be read before the figures."""
    counted = sum(arm.actor_count for arm in outcome.arms)
    lines = [
        f"{outcome.name}, {outcome.status}: {format_time(outcome.starts_at)} to "
        f"{format_time(outcome.ends_at)}, as known on {format_time(outcome.asked_at)}.",
        f"{counted:,} actors were served pages of one variant. What they did with a listing within "
        f"{FOLLOWS_WITHIN.days} days after a slate had served it to them counts for the last such slate.",
    ]
    if outcome.mixed_count:
        lines.append(f"{outcome.mixed_count:,} actors saw more than one variant and are left out.")
    if not counted:
        lines.append(
            f"Slates are kept for {settings.ENVIRONMENT.slate_days} days: older ones are not counted."
        )
    elif not outcome.is_uneven:
        lines.append(f"The division is as the weights say (chi-square, p = {outcome.sample_ratio_p:.2g}).")
    return [*lines, HOW_TO_READ, *warnings_of(outcome)]


def tables(outcome: ExperimentOutcome) -> Iterator[ReportTable]:
    """The counts of each variant; then a table for each base, with differences from the control."""
    counts = ReportTable("Counted", ["variant", "weight", "actors", "slates", "served listings"])
    for arm in outcome.arms:
        numbers = (arm.actor_count, arm.slate_count, arm.served_count)
        counts.add(arm.name, f"{arm.weight:g}", *(f"{number:,}" for number in numbers))
    yield counts
    for base, title in BASES.items():
        table = ReportTable(title, ["variant", *TITLES.values()])
        for arm in outcome.arms:
            table.add(arm.name, *_cells(getattr(arm, base)))
        for arm in outcome.arms:
            if differences := getattr(arm, f"{base}_over_control"):
                table.add(f"{arm.name} − {CONTROL}", *_cells(differences, "+"), is_bold=True)
        yield table


def _cells(figures: Mapping[str, IntervalEstimate], sign: str = "") -> list[str]:
    return [format_interval(figures[kind], sign=sign, as_percent=True) for kind in OUTCOMES]


def footnote() -> str:
    return (
        "In brackets: 95 % intervals; of differences in other than the primary measure, adjusted ones. "
        f"? where fewer than {LEAST_ACTORS_WITH_EVENT} actors did it."
    )


def draw(outcome: ExperimentOutcome, path: Path) -> None:
    """Write a PNG: a column for each kind of event, a row for each base, a dot with whiskers per variant."""
    size = (13, 2.2 + 0.7 * max(len(outcome.arms), 2))
    title = _headline(outcome)
    with chart(path, title=title, size=size, column_count=len(OUTCOMES), row_count=len(BASES)) as (_, panels):
        for row, base in zip(panels, BASES, strict=True):
            for panel, kind in zip(row, OUTCOMES, strict=True):
                _draw_panel(panel, outcome.arms, base, kind)
        for row in panels:
            row[0].set_yticks(range(len(outcome.arms)), [arm.name for arm in outcome.arms])
        panels[0][0].set_ylim(max(len(outcome.arms), 1) - 0.5, -0.5)


def _draw_panel(panel, arms: list[Arm], base: str, kind: str) -> None:
    for place, arm in enumerate(arms):
        figure = getattr(arm, base)[kind]
        if isnan(figure.value):
            continue
        panel.errorbar(
            [100 * figure.value],
            [place],
            xerr=None if isnan(figure.low) else whiskers([figure], scale=100),
            fmt="o",
            markersize=6,
            capsize=4,
            color=CONTROL_COLOUR if arm.name == CONTROL else VARIANT_COLOUR,
        )
    panel.set_xlabel(f"{SHORT[base]}, %", fontsize=9)
    style_panel(panel, TITLES[kind])


def _headline(outcome: ExperimentOutcome) -> str:
    counted = sum(arm.actor_count for arm in outcome.arms)
    first = f"Experiment {outcome.name}: {counted:,} actors, as known on {format_time(outcome.asked_at)}"
    return "\n".join([first, *warnings_of(outcome), "Whiskers: 95 % intervals."])
