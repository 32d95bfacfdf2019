from __future__ import annotations

import numpy as np
import pytest
from part_synth.geometry import H36M17


def make_poses(num: int, seed: int, noise: float = 0.25) -> np.ndarray:
    """Upright people (num, 17, 3) in metres, y down, facing the camera, limbs thrown about."""
    rng = np.random.default_rng(seed)
    offsets = np.zeros((17, 3))
    for joint, (x, y) in {
        1: (-0.13, 0.0), 2: (0.0, 0.44), 3: (0.0, 0.42), 4: (0.13, 0.0), 5: (0.0, 0.44),
        6: (0.0, 0.42), 7: (0.0, -0.24), 8: (0.0, -0.25), 9: (0.0, -0.11), 10: (0.0, -0.12),
        11: (0.15, 0.03), 12: (0.05, 0.27), 13: (0.02, 0.25), 14: (-0.15, 0.03),
        15: (-0.05, 0.27), 16: (-0.02, 0.25),
    }.items():  # fmt: skip
        offsets[joint, :2] = x, y
    poses = np.zeros((num, 17, 3))
    for parent, child in H36M17.limbs:
        step = offsets[child] + noise * rng.normal(size=(num, 3)) * np.linalg.norm(offsets[child])
        poses[:, child] = poses[:, parent] + step
    return poses


@pytest.fixture
def poses():
    return make_poses


@pytest.fixture
def pair():
    """Predicted and true poses of one camera, predictions off by a turn, a size and noise."""
    gt = make_poses(12, 0)
    angle = 0.4
    turn = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )
    pred = 0.8 * make_poses(12, 0) @ turn.T
    pred += 0.05 * np.random.default_rng(1).normal(size=pred.shape)
    return pred, gt + np.array([0.3, -0.2, 4.0])
