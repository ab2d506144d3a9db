"""Number of OpenMP and BLAS threads of this process.

Web processes use one thread for each request. The libraries read these variables when they are first
imported.
"""

import os

COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def set_native_threads(count: int) -> None:
    """Set the limit, unless the environment has one. Call it before numpy, torch or faiss is imported.

    Waiting threads sleep. By default they spin, which makes torch several times slower on a busy host.
    """
    for variable in COUNTS:
        os.environ.setdefault(variable, str(count))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
