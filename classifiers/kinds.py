"""Kinds of arrays, as signatures call them."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Rows = NDArray[np.intp]
"""Numbers of records, or of what else stands in rows."""
Indices = NDArray[np.intp]
"""Numbers of classes."""
Flags = NDArray[np.bool_]
