"""How many threads OpenMP and BLAS may use in this process.

Web processes use one for each request. The libraries read these variables when they are first imported.
"""

import os

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def set_native_threads(count: int) -> None:
    """Set the limit before numpy, torch or faiss is imported; what the environment says already stays."""
    for variable in VARIABLES:
        os.environ.setdefault(variable, str(count))
