import numpy as np
import pytest
import torch
from data_factory import walking_poses
from mmpose.structures import PoseDataSample
from part_synth.geometry import (
    bones_total,
    flat_points,
    mirror,
    mirror_points,
    unit_scale,
    view_rotation,
)
from part_synth.models import LiftingModel, SupervisedLifting
from part_synth.registry import MODELS

FRAME = dict(type="part_synth.FrameLifter", width=16, num_blocks=1)
CLIP = dict(type="part_synth.ClipLifter", width=16, num_blocks=1, reach=1)


@pytest.fixture
def joints():
    """(8, 17, 3) true poses, aimed camera frame, root at the origin, metres."""
    world = walking_poses(8, 10, np.random.default_rng(1))
    body = torch.from_numpy((world - world[:, :1])[..., [0, 2, 1]] * [1, -1, 1])
    angle = torch.linspace(-3, 3, 8, dtype=torch.float64)
    return (body @ view_rotation(angle, angle * 0 + 0.2)).float()


@pytest.fixture
def points(joints):
    """(8, 1, 17, 2) what a camera 5 m away sees, px."""
    return 1000 * flat_points((joints + torch.tensor([0.0, 0.0, 5.0])) * 10)[:, None]


def test_is_built_from_a_config_without_an_objective(points):
    model = MODELS.build(dict(type="part_synth.LiftingModel", lifter=FRAME))
    assert model(dict(points=points)).shape == (8, 17, 3)
    with pytest.raises(ValueError, match="no objective"):
        model(dict(points=points), mode="loss")
    with pytest.raises(ValueError, match="mode is"):
        model(dict(points=points), mode="train")


@pytest.mark.parametrize("flip_test", [True, False])
def test_size_of_the_points_does_not_matter_and_that_of_the_poses_is_fixed(points, flip_test):
    model = LiftingModel(FRAME, flip_test=flip_test, bones_total=4.2)
    poses = model.poses(points)
    torch.testing.assert_close(model.poses(points * 0.01), poses, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(bones_total(poses), torch.full((8,), 4.2))
    assert float(poses[:, 0].abs().max()) < 1e-5


def test_joints_lie_on_their_rays(points):
    """Whatever the depths, the lifted joints project onto the 2D joints."""
    model = LiftingModel(FRAME, flip_test=False, distance=7.0)
    scaled = points * unit_scale(points)
    lifted = model.lift(scaled)
    torch.testing.assert_close(flat_points(lifted, 7.0), scaled, atol=1e-4, rtol=1e-4)


def test_flip_test_makes_mirrored_input_mirrored_output(points):
    model = LiftingModel(FRAME)
    mirrored = model.poses(mirror_points(points))
    torch.testing.assert_close(mirrored, mirror(model.poses(points)), atol=1e-5, rtol=1e-4)


def test_training_clips_shorter_than_the_lifters_window_are_refused(points, joints):
    model = LiftingModel(CLIP, objective=dict(type="part_synth.SupervisedLifting"))
    for frames in (3, 4):
        inputs = dict(
            points=points.expand(-1, frames, -1, -1),
            joints=joints[:, None].expand(-1, frames, -1, -1),
        )
        assert torch.isfinite(model(inputs, mode="loss")["loss_mpjpe"])
    words = r"reads 3 frames, but the training clips have 2.*num_frames=3 or more"
    with pytest.raises(ValueError, match=words):
        model(dict(points=points.expand(-1, 2, -1, -1)), mode="loss")


def test_a_clip_lifter_asks_for_its_frames(points):
    model = LiftingModel(CLIP)
    windows = torch.cat([points, points, points], dim=1)
    assert model.poses(windows).shape == (8, 17, 3)
    with pytest.raises(ValueError, match="num_frames=3"):
        model.poses(points)


def test_predictions_are_turned_into_the_camera_frame(points):
    model = LiftingModel(FRAME)
    angle = torch.linspace(0, 0.4, 8)
    rotation = view_rotation(angle, angle)
    samples = [PoseDataSample() for _ in range(8)]
    model.predict(dict(points=points, rotation=rotation), samples)
    poses = model.poses(points)
    for i, sample in enumerate(samples):
        expected = (rotation[i].T @ poses[i].T).T
        got = torch.from_numpy(sample.pred_instances.keypoints)
        torch.testing.assert_close(got[0], expected, atol=1e-5, rtol=1e-4)
        assert sample.pred_instances.keypoint_scores.shape == (1, 17)
    with pytest.raises(ValueError, match="data_samples"):
        model.predict(dict(points=points), None)


def test_supervised_lifting_learns_depths_it_is_shown(joints, points):
    torch.manual_seed(0)
    model = LiftingModel(
        dict(type="part_synth.FrameLifter", width=64, num_blocks=1),
        dict(type="part_synth.SupervisedLifting"),
        distance=7.0,
        flip_test=False,
    )
    inputs = dict(points=points * unit_scale(points), joints=joints[:, None])
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

    def error():
        with torch.no_grad():
            pred = model.poses(points)
        factor = (pred * joints).sum((1, 2)) / pred.square().sum((1, 2))
        return float((factor[:, None, None] * pred - joints).norm(dim=-1).mean())

    before = error()
    for _ in range(150):
        loss = model(inputs, mode="loss")["loss_mpjpe"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert error() < 0.3 * before


def test_the_size_of_the_labels_does_not_matter(joints, points):
    model = LiftingModel(FRAME, dict(type="part_synth.SupervisedLifting", loss_weight=2.0))
    one = model(dict(points=points, joints=joints[:, None]), mode="loss")
    two = model(dict(points=points, joints=joints[:, None] * 1000), mode="loss")
    torch.testing.assert_close(one["loss_mpjpe"], two["loss_mpjpe"])


def test_labels_are_asked_for(points):
    model = LiftingModel(FRAME, dict(type="part_synth.SupervisedLifting"))
    with pytest.raises(ValueError, match="labels=True"):
        model(dict(points=points), mode="loss")
    assert isinstance(model.objective, SupervisedLifting)


def test_state_dict_round_trip(points, tmp_path):
    model = LiftingModel(FRAME)
    torch.save(model.state_dict(), tmp_path / "lifter.pth")
    other = LiftingModel(FRAME)
    other.load_state_dict(torch.load(tmp_path / "lifter.pth", weights_only=True))
    torch.testing.assert_close(other.poses(points), model.poses(points))
