from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def standing():
    """A standing person (17, 3), metres, facing the camera: its left is at image right."""
    x = [0, -0.13, -0.13, -0.13, 0.13, 0.13, 0.13, 0, 0, 0, 0, 0.2, 0.4, 0.6, -0.2, -0.4, -0.6]
    y = [0, 0, 0.45, 0.9, 0, 0.45, 0.9, -0.25, -0.5, -0.6, -0.7, *[-0.48] * 6]
    return np.stack([x, y, np.zeros(17)], -1)
