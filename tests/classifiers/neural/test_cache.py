"""Kept arrays: bounded, the least recently used go first, and nobody writes to them."""

from __future__ import annotations

import numpy as np
import pytest

from enrich.classifiers.neural.cache import ArrayCache


def test_the_least_recently_used_goes_first() -> None:
    cache = ArrayCache(max_bytes=3 * 16)
    for i in range(4):
        cache.put(i, np.zeros(4, dtype=np.float32))
        cache.get(0)
    assert cache.get(0) is not None
    assert cache.get(1) is None
    assert (len(cache), cache.used) == (3, 48)


def test_what_is_larger_than_the_cache_is_given_back_and_not_kept() -> None:
    cache = ArrayCache(max_bytes=8)
    array = np.ones(4)
    assert cache.put("a", array) is array
    assert (len(cache), cache.used) == (0, 0)


def test_nobody_writes_to_what_others_read() -> None:
    cache = ArrayCache(max_bytes=100)
    with pytest.raises(ValueError, match="read-only"):
        cache.put("a", np.zeros(4))[0] = 1.0
