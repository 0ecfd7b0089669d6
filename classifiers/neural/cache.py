"""Arrays that are kept in memory while they fit: decoded pictures, and features of texts."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

from numpy.typing import NDArray


class ArrayCache:
    """Arrays by key, bounded to `max_bytes`, least recently used first out; safe between threads.

    The arrays are shared and cannot be written to.
    """

    def __init__(self, max_bytes: int = 64 * 1024 * 1024) -> None:
        self.max_bytes, self.used = max_bytes, 0
        self._arrays: OrderedDict[Hashable, NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._arrays)

    def get(self, key: Hashable) -> NDArray[Any] | None:
        """The array under this key; None when there is none."""
        with self._lock:
            if key in self._arrays:
                self._arrays.move_to_end(key)
            return self._arrays.get(key)

    def put(self, key: Hashable, array: NDArray[Any]) -> NDArray[Any]:
        """Keep an array, and let go of the oldest when there is no more room; returns it."""
        array.flags.writeable = False
        with self._lock:
            if key not in self._arrays and array.nbytes <= self.max_bytes:
                self._arrays[key] = array
                self.used += array.nbytes
            while self.used > self.max_bytes:
                self.used -= self._arrays.popitem(last=False)[1].nbytes
        return array
