"""Settings of the tabular classifier."""

from __future__ import annotations

from pydantic import Field

from enrich.classifiers.settings import ClassifierSettings, Count, Gamma, Share


class TabularSettings(ClassifierSettings):
    """Gradient-boosted trees over known values and context."""

    rounds: Count = 400
    """Trees of a class, at most."""
    patience: Count = 25
    """Rounds without gain on the held-out records after which growing stops."""
    eta: float = Field(default=0.15, gt=0, le=1)
    """Learning rate of the trees."""
    depth: Count = 8
    """Depth of a tree, at most."""
    min_child_weight: float = Field(default=1.0, ge=0)
    """Smallest sum of second derivatives in a leaf."""
    l2: float = Field(default=1.0, ge=0)
    """L2 penalty on the leaves."""
    subsample: float = Field(default=0.8, gt=0, le=1)
    """Share of the rows that a tree sees."""
    columns: float = Field(default=0.8, gt=0, le=1)
    """Share of the columns that a tree sees."""
    bins: int = Field(default=2048, ge=2)
    """Bins that a numeric column is cut into, at most."""
    gamma: Gamma = 0.0
    """Focusing parameter of the focal loss; 0 is cross-entropy. `train.gamma` does not reach it."""
    weight_power: float = Field(default=0.0, ge=0)
    """Class weights of count^−power: 0 for none, 1 for 'balanced'."""
    hide_known: Share = 0.3
    """Share of the other properties' values hidden in the second copy of the training records; a third of it
    is the share of records that lose their numerals there, and of those that lose their context. Not given,
    it is `train.hide_known`."""
    museum: str | None = "museum"
    """The context that numerals belong to; not given, the profile's. Without one numerals are not read."""
    numerals: bool = True
    """Whether to read the numerals of a record's identifier and of its first picture's file name."""
    refit: bool = True
    """Whether to grow the trees once more on all records, held-out ones included."""
