"""Report of a replay (an off-policy evaluation): sentences to be read first, and a table."""

from collections.abc import Iterator
from math import isnan

from recommendations.analysis.off_policy import PolicyEvaluation, PolicyReward
from recommendations.analysis.rendering import ReportTable, format_interval, format_time

LEAST_EFFECTIVE = 50.0  # slots of effective sample size; below it the intervals are unreliable too
MUCH_CLIPPED = 0.05  # of the slots that agree
MEAN_WEIGHTS = 0.8, 1.25  # bounds of a mean weight that is about 1
UNITS = {
    "graded": "a click 1, a favourite 3, a message 4, an offer 5, a purchase 7, a hide or report -1",
    "click": "1 where anything followed, a click or more",
}


def warnings_of(result: PolicyEvaluation) -> Iterator[str]:
    """Reasons not to draw a conclusion, or to draw it with care."""
    for name, earned in (("the policy", result.asked), ("the order that served", result.served)):
        effective = earned.self_normalised.effective_sample_size
        if effective < LEAST_EFFECTIVE:
            yield (
                f"TOO FEW SLOTS: chance agreed with {name} in {earned.same_count:,} slots, worth "
                f"{effective:.0f} of equal weight; below {LEAST_EFFECTIVE:.0f} conclude nothing."
            )
        yield from _warnings_of_weights(name, earned)
    if result.simulated_count:
        share = result.simulated_count / result.slate_count
        yield f"{share:.0%} of the slates were followed by SIMULATED events: they say nothing of people."
    if result.untold_count:
        yield (
            f"{result.untold_count:,} slates are left out: they do not tell what the policy would have done."
        )


def _warnings_of_weights(name: str, earned: PolicyReward) -> Iterator[str]:
    clipped, weight = earned.doubly_robust.clipped_share, earned.doubly_robust.mean_weight
    if clipped > MUCH_CLIPPED:
        yield f"{clipped:.0%} of the weights of {name} were clipped. {_bias(earned)}"
    elif weight < MEAN_WEIGHTS[0]:
        yield (
            f"MEAN WEIGHT {weight:.2f} for {name}, not about 1: chance hardly ever puts some of its listings "
            f"there. {_bias(earned)}"
        )
    elif weight > MEAN_WEIGHTS[1]:
        yield (
            f"MEAN WEIGHT {weight:.2f} for {name}, not about 1: too few slots, or wrong propensities. The "
            "doubly robust estimate corrects its model too much."
        )


def _bias(earned: PolicyReward) -> str:
    """The direction in which weights that fall short move the doubly robust estimate: towards the model."""
    estimate = earned.doubly_robust.value
    if isnan(estimate) or estimate == earned.modelled:
        return "The estimates lean towards what is shown more often, and to the reward model."
    direction = "high" if estimate < earned.modelled else "low"
    return (
        f"The doubly robust estimate leans towards the reward model, which expects {earned.modelled:.4f}: "
        f"it is too {direction}."
    )


def sentences(result: PolicyEvaluation) -> list[str]:
    """The data behind the figures and the warnings, to be read before the figures."""
    return [
        f"{result.slot_count:,} places that were filled by chance, in {result.slate_count:,} slates of "
        f"{result.actor_count:,} actors, {format_time(result.first_at)} to {format_time(result.last_at)}.",
        f"Reward a place: {UNITS[result.reward]}.",
        *warnings_of(result),
    ]


def table(result: PolicyEvaluation) -> ReportTable:
    """A row for each policy, and one for the gain over the order that served."""
    columns = (
        *("filled by", "same", "self-normalised", "doubly robust"),
        *("effective", "mean weight", "clipped"),
    )
    rewards = ReportTable("Reward a place", columns)
    drawn = format_interval(result.drawn)
    rewards.add("chance, as it was", f"{result.slot_count:,}", drawn, "", "", "", "")
    rewards.add("the order that served", *_cells(result.served))
    rewards.add("the policy", *_cells(result.asked), is_bold=True)
    gain = format_interval(result.gain, sign="+")
    rewards.add("policy − served", "", "", gain, "", "", "", is_bold=True)
    return rewards


def footnote() -> str:
    return (
        "In brackets: 95 % intervals by bootstrap over actors. same: places in which chance put what this "
        "order would have; ? where they are too few. clipped: of these. Only listings of the pools "
        "are judged, and only one by one."
    )


def _cells(earned: PolicyReward) -> list[str]:
    normalised = earned.self_normalised
    return [
        f"{earned.same_count:,}",
        format_interval(normalised),
        format_interval(earned.doubly_robust),
        f"{normalised.effective_sample_size:.0f}",
        f"{normalised.mean_weight:.2f}",
        "" if isnan(normalised.clipped_share) else f"{normalised.clipped_share:.1%}",
    ]
