"""Settings of fuzzing: many examples, the same in each run."""

from hypothesis import HealthCheck, Phase, settings


def fuzz(example_count: int) -> settings:
    """Settings for a number of examples, the same in each run."""
    return settings(
        max_examples=example_count,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),  # examples share fixtures
        phases=[Phase.generate],
    )
