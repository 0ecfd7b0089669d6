"""Reads pictures ahead of the records being looked at, so that the model does not wait for the network."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from enrich.classifiers.data import Picture
from enrich.graph.records import Subject
from enrich.media.pictures import PictureSource

Pending = tuple[Subject, list[Future[Picture]]]


def prefetch(subjects: Iterable[Subject], source: PictureSource) -> Iterator[Subject]:
    """The same records in the same order, each picture with its file or the reason why there is none.

    At most `ahead` pictures beyond the record given are fetched or waiting (and as many records), whatever
    the length of the stream, and `per_record` of one record: the rest are noted as left out. `subjects` is
    read in the caller's thread. Leaving the iteration early stops what has not begun.
    """
    settings = source.settings
    waiting: deque[Pending] = deque()
    pictures = 0
    pool = ThreadPoolExecutor(settings.parallel, thread_name_prefix="pictures")
    try:
        for subject in subjects:
            chosen = subject.record.pictures[: settings.per_record]
            waiting.append((subject, [pool.submit(source.get, picture) for picture in chosen]))
            pictures += len(chosen)
            while waiting and (pictures > settings.ahead or len(waiting) > settings.ahead):
                pictures -= len(waiting[0][1])
                yield _filled(*waiting.popleft(), limit=settings.per_record)
        while waiting:
            yield _filled(*waiting.popleft(), limit=settings.per_record)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _filled(subject: Subject, futures: list[Future[Picture]], *, limit: int) -> Subject:
    if not subject.record.pictures:
        return subject
    reason = f"left out: the first {limit} pictures of a record are looked at"
    rest = (replace(picture, failure=reason) for picture in subject.record.pictures[limit:])
    pictures = (*(future.result() for future in futures), *rest)
    return replace(subject, record=replace(subject.record, pictures=pictures))
