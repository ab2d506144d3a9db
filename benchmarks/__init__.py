"""The figures of docs/benchmarks.md: each module is run as `python -m benchmarks.NAME --data PATH --json`."""

import os

for _variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # implicit runs a thread a core by itself
    os.environ.setdefault(_variable, "1")
