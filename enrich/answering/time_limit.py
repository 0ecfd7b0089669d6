"""The time that a batch may take, in a process of its own as under Celery.

`TimeUp` is no Exception: what catches whatever a model's library raises does not swallow it.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SOFT = 0.9
"""The share of the time limit after which a batch is asked to stop, before its process is killed."""


class TimeUp(BaseException):
    """The time of a batch is up."""


def _raise(_signum: int, _frame: FrameType | None) -> None:
    raise TimeUp


@contextmanager
def time_up_on(signum: int) -> Iterator[None]:
    """Raise TimeUp when this signal arrives; only in the main thread, elsewhere nothing is changed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signum, _raise)
    try:
        yield
    finally:
        signal.signal(signum, before)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeUp after so many seconds; only in the main thread, elsewhere there is no limit."""
    with time_up_on(signal.SIGALRM):
        timed = threading.current_thread() is threading.main_thread()
        if timed:
            signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            if timed:
                signal.setitimer(signal.ITIMER_REAL, 0)
