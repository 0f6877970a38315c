"""Kinds of arrays: stored images, and what is computed of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
Mask = NDArray[np.bool_]
Array = NDArray[np.float64]
