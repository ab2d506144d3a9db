"""Benchmarks whose figures the documentation quotes: `python -m benchmarks.NAME --data PATH --json`."""

import os

for _variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # implicit starts one thread a core itself
    os.environ.setdefault(_variable, "1")
