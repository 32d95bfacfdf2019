from __future__ import annotations

import numpy as np
import pytest
import torch
from part_synth.evaluation import canonical_mean_pose, evaluate_baselines, random_poses
from part_synth.evaluation.baselines import load_reference_poses
from part_synth.evaluation.functional import p_mpjpe


def to_world(body, headings, seed=0):
    """Body-frame poses (y down) into a z-up world: each turned by its heading and moved."""
    x, y, z = body[..., 0], body[..., 1], body[..., 2]
    up = np.stack([x, z, -y], -1)  # any z-up frame will do: the heading is random anyway
    cos, sin = np.cos(headings)[:, None], np.sin(headings)[:, None]
    turned = np.stack([cos * up[..., 0] - sin * up[..., 1], sin * up[..., 0] + cos * up[..., 1],
                       up[..., 2]], -1)  # fmt: skip
    return turned + np.random.default_rng(seed).normal(size=(len(body), 1, 3))


def write_unpaired(path, world, split=("train",)):
    bounds = np.linspace(0, len(world), len(split) + 1).astype(int)
    np.savez(path, xyz=world.astype(np.float32), start=bounds[:-1], length=np.diff(bounds),
             split=np.array(split), fps=25.0)  # fmt: skip


def test_reference_poses_all_face_one_way(tmp_path, poses):
    body = np.repeat(poses(1, 0), 50, 0)
    world = to_world(body, np.random.default_rng(0).uniform(-np.pi, np.pi, 50))
    write_unpaired(tmp_path / "poses.npz", world)
    reference = load_reference_poses(tmp_path / "poses.npz")
    # One pose seen 50 times with 50 headings: turned to face one way, it is one pose again.
    torch.testing.assert_close(reference, reference[:1].expand_as(reference), atol=1e-5, rtol=0)
    mean = canonical_mean_pose(reference)
    assert float(p_mpjpe(mean, torch.from_numpy(body[0]))) < 0.01
    # The mean of the same poses as they come is squashed towards the vertical axis.
    plain = (world - world[:, :1]).mean(0)
    assert float(p_mpjpe(plain, body[0])) > 20


def test_canonical_mean_beats_plain_mean_and_random(tmp_path, poses):
    rng = np.random.default_rng(2)
    world = to_world(poses(400, 1), rng.uniform(-np.pi, np.pi, 400))
    write_unpaired(tmp_path / "poses.npz", world)
    gt = poses(100, 9)
    result = evaluate_baselines(load_reference_poses(tmp_path / "poses.npz"), gt)
    mean = result["baseline_mean_pose_p_mpjpe_mm"]
    assert mean < result["baseline_random_pose_p_mpjpe_mm"]
    plain = np.repeat((world - world[:, :1]).mean(0, keepdims=True), len(gt), 0)
    assert mean < float(p_mpjpe(plain, gt))


def test_mean_pose_is_the_constant_prediction(poses):
    reference, gt = poses(30, 1), poses(20, 2)
    result = evaluate_baselines(reference, gt)
    slow = np.mean([float(p_mpjpe(reference.mean(0), one)) for one in gt])
    assert result["baseline_mean_pose_p_mpjpe_mm"] == pytest.approx(slow, rel=1e-9)


def test_random_poses_are_seeded_and_from_the_reference(poses):
    reference = poses(30, 1)
    draw = random_poses(reference, 100, seed=3)
    assert torch.equal(draw, random_poses(reference, 100, seed=3))
    assert not torch.equal(draw, random_poses(reference, 100, seed=4))
    distance = (draw[:, None] - torch.from_numpy(reference)).abs().amax((-1, -2))
    assert (distance.amin(1) == 0).all()
    assert len(set(distance.argmin(1).tolist())) > 20


def test_only_the_training_split_is_used(tmp_path, poses):
    body = np.concatenate([poses(10, 1), 1.5 * poses(10, 2)])
    write_unpaired(tmp_path / "p.npz", to_world(body, np.zeros(20)), ("test", "train"))
    assert len(load_reference_poses(tmp_path / "p.npz")) == 10
    train = load_reference_poses(tmp_path / "p.npz")
    size = (train[:, 10] - train[:, 3]).norm(dim=-1)
    expected = np.linalg.norm(body[10:, 10] - body[10:, 3], axis=-1)
    np.testing.assert_allclose(size.numpy(), expected, atol=1e-5)


def test_human36m_annotations_serve_as_reference(tmp_path, poses):
    body = np.repeat(poses(1, 0), 9, 0)
    turns = np.linalg.qr(np.random.default_rng(0).normal(size=(9, 3, 3)))[0]
    turns *= np.linalg.det(turns)[:, None, None]
    joints = body @ turns.transpose(0, 2, 1) + [0.1, 0.2, 5.0]
    np.savez(tmp_path / "train.npz", S=np.concatenate([joints, np.ones((9, 17, 1))], -1))
    reference = load_reference_poses(tmp_path / "train.npz")
    torch.testing.assert_close(reference, reference[:1].expand_as(reference), atol=1e-6, rtol=0)


def test_large_sets_are_thinned(tmp_path, poses):
    np.savez(tmp_path / "p.npz", xyz=to_world(poses(95, 0), np.zeros(95)))
    assert len(load_reference_poses(tmp_path / "p.npz", max_poses=10)) == 10


@pytest.mark.parametrize(
    ("arrays", "error", "words"),
    [
        (None, FileNotFoundError, "baselines not found"),
        ({"pose": np.ones((3, 17, 3))}, ValueError, r"'xyz'.*'S'.*\['pose'\]"),
        ({"xyz": np.ones((3, 51))}, ValueError, r"\(M, K, 3\)"),
        ({"xyz": "mm"}, ValueError, "metres"),
        ({"xyz": "nan"}, ValueError, "NaN"),
        ({"xyz": "test only"}, ValueError, "no clip of split 'train'"),
    ],
)
def test_bad_reference_files(tmp_path, poses, arrays, error, words):
    world = to_world(poses(4, 0), np.zeros(4))
    path = tmp_path / "poses.npz"
    if arrays is not None:
        kind = arrays.get("xyz") if isinstance(arrays.get("xyz"), str) else None
        if kind == "test only":
            write_unpaired(path, world, ("test",))
        else:
            made = {"mm": 1000 * world, "nan": np.where(world > 1, np.nan, world)}
            np.savez(path, **({"xyz": made[kind]} if kind else arrays))
    with pytest.raises(error, match=words):
        load_reference_poses(path)


def test_other_joints_are_refused(poses):
    with pytest.raises(ValueError, match="16 joints"):
        evaluate_baselines(poses(3, 0)[:, :16], poses(3, 1))
