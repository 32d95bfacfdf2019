"""Types and units shared by the pure functions of this package."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from torch import Tensor

ArrayLike: TypeAlias = Tensor | np.ndarray

METRES_TO_MM = 1000.0
