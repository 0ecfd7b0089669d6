"""Threads of a worker: none but one until it has forked, then each child's share of the cores."""

import os

from threadpoolctl import threadpool_limits

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def stay_single_threaded(concurrency: int, cores: int | None = None) -> int:
    """Keep this process to one thread until it has forked; before xgboost and torch are imported.

    OpenMP threads do not survive a fork: a child whose parent had any waits for them for ever. Returns the
    threads that each of so many children may use: its share of the cores, or what the operator has set.
    """
    share = max(1, (cores or os.cpu_count() or 1) // max(1, concurrency))
    said = os.environ.get(THREAD_VARIABLES[0], "").partition(",")[0].strip()
    threads = int(said) if said.isdecimal() and int(said) else share
    _set_variables(1)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    return threads


def use_threads(threads: int) -> None:
    """Let a child process, after the fork, use so many threads: in what it has imported and in what it will."""
    _set_variables(threads)
    threadpool_limits(threads)


def _set_variables(threads: int) -> None:
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
