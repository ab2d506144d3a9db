"""What a replay found, for people: sentences to be read first, and a table."""

from collections.abc import Iterator

from rich import box
from rich.table import Table

from ml.counterfactual import GREATEST_WEIGHT
from ml.figure import Figure
from recommendations.rehearsal import shown
from recommendations.replay import Earned, Replay

LEAST_EFFECTIVE = 50.0  # slots; below it intervals themselves are not to be trusted
MUCH_CLIPPED = 0.05
UNITS = {
    "graded": "a click 1, a favourite 3, a message 4, an offer 5, a purchase 7, a hide or report -1",
    "click": "1 where anything followed, a click or more",
}


def warnings_of(found: Replay) -> Iterator[str]:
    """What forbids or limits a conclusion."""
    for name, earned in (("the policy", found.asked), ("the order that served", found.served)):
        effective = earned.self_normalised.effective_sample_size
        if effective < LEAST_EFFECTIVE:
            yield (
                f"TOO FEW SLOTS: chance agreed with {name} in {earned.same_count:,} slots, worth "
                f"{effective:.0f} of equal weight; below {LEAST_EFFECTIVE:.0f} conclude nothing."
            )
    if (clipped := found.asked.self_normalised.clipped_share) > MUCH_CLIPPED:
        yield f"{clipped:.0%} of the weights were clipped at {GREATEST_WEIGHT:g}: the estimates are too low."
    if found.simulated_count:
        share = found.simulated_count / found.slate_count
        yield f"{share:.0%} of the slates were followed by SIMULATED events: they say nothing of people."
    if found.untold_count:
        yield (
            f"{found.untold_count:,} slates are left out: they do not tell what the policy would have done."
        )


def sentences(found: Replay) -> list[str]:
    """What was asked: to be read before the figures."""
    return [
        f"{found.slot_count:,} places that were filled by chance, in {found.slate_count:,} slates of "
        f"{found.actor_count:,} actors, {shown(found.first_at)} to {shown(found.last_at)}.",
        f"Reward a place: {UNITS[found.reward]}.",
        *warnings_of(found),
    ]


def table(found: Replay) -> Table:
    """A row for each way to fill the places."""
    made = Table(title="Reward a place", title_justify="left", box=box.SIMPLE_HEAD)
    made.add_column("filled by", no_wrap=True)
    for name in ("same", "self-normalised", "doubly robust", "effective", "clipped"):
        made.add_column(name, justify="right")
    made.add_row("chance, as it was", f"{found.slot_count:,}", _interval(found.drawn), "", "", "")
    made.add_row("the order that served", *_cells(found.served))
    made.add_row("the policy", *_cells(found.asked), style="bold")
    made.add_row("policy − served", "", "", _interval(found.gain, "+"), "", "", style="bold")
    return made


def footnote() -> str:
    return (
        "In brackets: 95 % intervals by bootstrap over actors. same: places in which chance put what this "
        "order would have. Only listings of the pools are judged, and only one by one."
    )


def _cells(earned: Earned) -> list[str]:
    normalised = earned.self_normalised
    return [
        f"{earned.same_count:,}",
        _interval(normalised),
        _interval(earned.doubly_robust),
        f"{normalised.effective_sample_size:.0f}",
        f"{normalised.clipped_share:.1%}",
    ]


def _interval(figure: Figure, sign: str = "") -> str:
    if figure.value != figure.value:
        return "-"
    value = f"{figure.value:{sign}.4f}"
    if figure.low != figure.low:
        return f"{value} (?)"
    return f"{value} ({figure.low:{sign}.4f} to {figure.high:{sign}.4f})"
