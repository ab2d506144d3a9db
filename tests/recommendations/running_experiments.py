"""Experiments around now, with a control and bolder variants."""

from datetime import datetime, timedelta

from recommendations.models.experiments import Experiment, Variant

DAY = timedelta(days=1)
BOLDER = {"explore_share": 0.3, "source_weights": {"fresh": 2}}


def make_experiment(
    now: datetime,
    name: str = "bolder",
    *,
    days: tuple[float, float] = (-1, 1),
    variants: dict[str, float] | None = None,
    status: str = "running",
    share: float = 1.0,
    **changed,
) -> Experiment:
    """An experiment from and until these days from now, stored. variants: a weight each."""
    start, end = (now + number * DAY for number in days)
    made = Experiment(
        name=name, share=share, status=status, starts_at=start, ends_at=end, **({"salt": "s"} | changed)
    )
    made.save()
    weights = variants or {"control": 1, "bold": 1}
    Variant.objects.bulk_create(
        Variant(experiment=made, name=each, weight=weight, parameters={} if each == "control" else BOLDER)
        for each, weight in weights.items()
    )
    return made
