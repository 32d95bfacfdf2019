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
    views = LearnedElevationViews(width=8, num_blocks=1, hold=0)
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
    views = LearnedElevationViews(width=8, num_blocks=1, hold=0)
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
    rotation = LearnedElevationViews(width=8, num_blocks=1, hold=0)(torch.randn(1, 1, 17, 2))
    assert torch.isfinite(rotation).all()


def test_the_elevation_is_held_for_the_first_steps_of_training():
    """Views undo 10 degrees and come back to them, however the network predicts."""
    views = LearnedElevationViews(width=8, num_blocks=1, first_elevation=10, hold=2)
    points = torch.randn(50, 1, 17, 2)
    body_to_camera = view_rotation(torch.linspace(-3, 3, 50), torch.full((50,), math.radians(10)))
    for held in (True, True, False):
        elevation = view_angles(views(points) @ body_to_camera)[1]
        spread = (elevation - math.radians(10)).abs().max()
        assert (float(spread) < 1e-4) == held
    assert int(views.steps) == 3
    # A resumed run goes on counting; evaluation does not count.
    other = LearnedElevationViews(width=8, num_blocks=1, hold=2).eval()
    other.load_state_dict(views.state_dict())
    other(points)
    assert int(other.steps) == 3


def test_predictions_start_at_the_first_elevation():
    views = LearnedElevationViews(width=8, num_blocks=1, first_elevation=10)
    with torch.no_grad():
        for parameter in views.net[-1].parameters():
            parameter.zero_()
    predicted = views.predict(torch.randn(5, 1, 17, 2))
    torch.testing.assert_close(predicted, torch.full((5,), math.radians(10)))


def test_a_first_elevation_beyond_the_bound_is_refused():
    with pytest.raises(ValueError, match="within max_elevation"):
        LearnedElevationViews(first_elevation=70, max_elevation=60)
