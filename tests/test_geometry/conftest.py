import pytest
import torch
from part_synth.geometry import REST_DIRECTIONS, forward_kinematics

# Metres by child joint: hip, thigh, shank (right, left), spine, thorax, neck, head, arms.
LENGTHS = (
    [0.09, 0.43, 0.42] * 2 + [0.22, 0.27, 0.13, 0.11] + [0.18, 0.28, 0.24] + [0.19, 0.27, 0.25]
)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def lengths():
    return torch.tensor(LENGTHS, dtype=torch.float64)


@pytest.fixture
def poses(generator, lengths):
    """(20, 17, 3) varied but human poses in a gravity-aligned body frame, metres, float64."""
    noise = torch.randn(20, 16, 3, generator=generator, dtype=torch.float64)
    directions = torch.nn.functional.normalize(REST_DIRECTIONS + 0.5 * noise, dim=-1)
    # Hips opposite each other and the hip line across the depth axis, as in the body frame.
    left = directions[:, 3] * torch.tensor([1.0, 0.5, 0.0])
    left[:, 0] = left[:, 0].abs()
    left = torch.nn.functional.normalize(left, dim=-1)
    directions[:, 3], directions[:, 0] = left, -left
    return forward_kinematics(directions, lengths)
