import math

import pytest
import torch
from part_synth.geometry import view_angles, view_rotation
from part_synth.models import LearnedElevationViews, UniformViews


def test_uniform_views_cover_their_range():
    rotation = UniformViews(max_elevation=20)(torch.zeros(4000, 1, 17, 2))
    azimuth, elevation, roll = view_angles(rotation)
    assert float(azimuth.min()) < -3.1
    assert float(azimuth.max()) > 3.1
    limit = math.radians(20)
    assert -limit - 1e-5 <= float(elevation.min()) < -0.95 * limit
    assert 0.95 * limit < float(elevation.max()) <= limit + 1e-5
    assert float(roll.abs().max()) < 1e-4


def test_learned_views_turn_about_the_vertical_they_predict(monkeypatch):
    """With the true elevation the new camera is again one without roll, at a drawn elevation."""
    views = LearnedElevationViews(width=8, num_blocks=1)
    seen = torch.linspace(0.1, 0.4, 200)
    monkeypatch.setattr(views, "predict", lambda points: seen)
    body_to_camera = view_rotation(torch.linspace(-3, 3, 200), seen)
    new = views(torch.zeros(200, 1, 17, 2)) @ body_to_camera
    azimuth, elevation, roll = view_angles(new)
    assert float(roll.abs().max()) < 1e-5
    assert float(azimuth.std()) > 1.5
    assert float(elevation.mean()) == pytest.approx(float(seen.mean()), abs=0.03)
    assert float(elevation.std()) == pytest.approx(float(seen.std()), rel=0.2)


def test_elevation_learns_from_the_views_loss():
    views = LearnedElevationViews(width=8, num_blocks=1)
    views(torch.randn(6, 2, 17, 2)).square().sum().backward()
    grads = [p.grad for p in views.parameters()]
    # Squares of a rotation sum to 3 whatever the angle: no direction, but a path for gradients.
    assert all(g is not None and torch.isfinite(g).all() for g in grads)
    views.zero_grad()
    (views(torch.randn(6, 2, 17, 2))[:, 1, 1]).sum().backward()
    assert any(float(p.grad.abs().sum()) > 0 for p in views.parameters())


def test_predictions_stay_within_bounds():
    views = LearnedElevationViews(width=8, num_blocks=1, max_elevation=30)
    angles = views.predict(torch.randn(50, 1, 17, 2) * 100)
    assert float(angles.abs().max()) <= math.radians(30) + 1e-6


def test_a_single_clip_has_no_spread():
    rotation = LearnedElevationViews(width=8, num_blocks=1)(torch.randn(1, 1, 17, 2))
    assert torch.isfinite(rotation).all()
