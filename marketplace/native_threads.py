"""How many threads OpenMP and BLAS may use in this process, and how they wait.

Web processes use one for each request. The libraries read these variables when they are first imported.
"""

import os

COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def set_native_threads(count: int) -> None:
    """Set the limit before numpy, torch or faiss is imported; what the environment says already stays.

    Threads that wait for each other sleep. By default they spin, which on a host that does anything else
    besides makes torch several times slower, not faster.
    """
    for variable in COUNTS:
        os.environ.setdefault(variable, str(count))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
