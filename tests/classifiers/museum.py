"""A small made-up museum whose values hang together, for the tests of classifiers."""

from __future__ import annotations

import numpy as np

from enrich.classifiers.data import Dataset, Picture, Property, Record

BASE = "https://museum.example/"
PLACES = tuple(BASE + f"place/{p}" for p in ("fr", "it", "jp"))
CENTURIES = tuple(BASE + f"century/{c}" for c in ("18", "19"))
MATERIALS = tuple(BASE + f"material/{m}" for m in ("silk", "wool", "gold"))
PROPERTIES = (
    Property("place", PLACES),
    Property("time", CENTURIES),
    Property("material", MATERIALS, many=True),
)


def museum(n: int = 400, seed: int = 0, missing: float = 0.3) -> list[Record]:
    """Places follow the museum, centuries the place, and materials both; a share of values is missing."""
    rng = np.random.default_rng(seed)
    records = []
    for i in range(n):
        house = int(rng.integers(0, 3))
        place = house if rng.uniform() < 0.8 else int(rng.integers(0, 3))
        time = int(rng.uniform() < (0.2, 0.8, 0.5)[place])
        materials = {MATERIALS[int(rng.integers(0, 2))], *([MATERIALS[2]] if place == 1 else [])}
        known = {"place": (PLACES[place],), "time": (CENTURIES[time],), "material": tuple(sorted(materials))}
        records.append(
            Record(
                f"{BASE}object/{seed}-{i}",
                {k: v for k, v in known.items() if rng.uniform() > missing},
                {"museum": (f"{BASE}museum/{house}",)},
                pictures=(Picture(f"{BASE}image/T{1000 * place + i % 1000:06d}_a.jpg"),) if i % 2 else (),
            )
        )
    return records


def dataset(n: int = 400, seed: int = 0) -> Dataset:
    """The museum as a dataset of three properties, the last with many values."""
    return Dataset(museum(n, seed), PROPERTIES)
