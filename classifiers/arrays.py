"""Arrays of a model folder, as safetensors."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from enrich.classifiers.base import ClassifierError


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file by name. Raises ClassifierError when it cannot be read or holds NaN or infinity."""
    try:
        arrays: dict[str, NDArray[Any]] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ClassifierError(f"{path} cannot be read: {error}") from error
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ClassifierError(f"{path}: {name} has weights that are not numbers")
    return arrays
