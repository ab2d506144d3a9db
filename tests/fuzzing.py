"""Settings of fuzzing: many examples, the same in each run, or others in each run of `make fuzz`."""

import os

from hypothesis import HealthCheck, Phase, settings


def fuzz(example_count: int) -> settings:
    """Settings for a number of examples: the same in each run, unless `make fuzz` gives a seed."""
    return settings(
        max_examples=example_count,
        derandomize="FUZZ_SEED" not in os.environ,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),  # examples share fixtures
        phases=[Phase.generate],
    )
