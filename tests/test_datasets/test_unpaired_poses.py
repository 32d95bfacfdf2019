import numpy as np
import pytest
import torch
from data_factory import make_unpaired_poses
from mmpose.registry import DATASETS
from part_synth.datasets import UnpairedPoseDataset, load_unpaired_poses
from part_synth.geometry import H36M17


@pytest.fixture
def path(tmp_path):
    return make_unpaired_poses(tmp_path / "poses.npz", frames=40)


def rewrite(path, **changes):
    with np.load(path) as file:
        arrays = {**file, **changes}
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def test_poses_are_in_the_body_frame(path):
    poses = load_unpaired_poses(path)
    assert poses.shape == (40, 17, 3)
    assert poses.dtype == torch.float32
    assert poses[:, 0].abs().max() == 0
    with np.load(path) as file:
        world = file["xyz"][:40]
    # Height is minus y, lengths are kept, the left hip is at +x.
    up = world[..., 2] - world[:, :1, 2]
    np.testing.assert_allclose(-poses[..., 1].numpy(), up, atol=1e-5)
    distance = np.linalg.norm(world - world[:, :1], axis=-1)
    np.testing.assert_allclose(poses.norm(dim=-1).numpy(), distance, atol=1e-5)
    assert (poses[:, 4, 0] > 0.05).all()


def test_filters(path):
    assert len(load_unpaired_poses(path, split=None)) == 60
    assert len(load_unpaired_poses(path, split="test")) == 20
    assert len(load_unpaired_poses(path, frame_step=4)) == 10
    assert len(load_unpaired_poses(path, split=None, actions=["stroll"])) == 20
    with pytest.raises(ValueError, match="no pose is left"):
        load_unpaired_poses(path, actions=["stroll"])


def test_other_joint_orders_are_read_by_name(path):
    expected = load_unpaired_poses(path)
    order = np.random.default_rng(0).permutation(17)
    with np.load(path) as file:
        shuffled = {"xyz": file["xyz"][:, order], "joint_names": file["joint_names"][order]}
    torch.testing.assert_close(load_unpaired_poses(rewrite(path, **shuffled)), expected)


def test_poses_alone_are_enough(path, tmp_path):
    with np.load(path) as file:
        np.savez(tmp_path / "bare.npz", xyz=file["xyz"])
    assert len(load_unpaired_poses(tmp_path / "bare.npz")) == 60


def test_bad_files(path, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file of unpaired .*make_synthetic\.py --out"):
        load_unpaired_poses(tmp_path / "nothing.npz")
    (tmp_path / "text.npz").write_text("not an npz")
    with pytest.raises(ValueError, match="can't be read as an npz"):
        load_unpaired_poses(tmp_path / "text.npz")
    with np.load(path) as file:
        xyz = file["xyz"]
    for changes, message in [
        ({"xyz": xyz * 1000}, "Divide millimetres"),
        ({"xyz": np.where(xyz == xyz[3, 2, 1], np.nan, xyz)}, "not finite"),
        ({"xyz": None}, "needs `xyz`"),
        ({"xyz": xyz[:, :12], "joint_names": None}, "12 joints"),
        ({"length": np.array([40, 30])}, "reach beyond the 60 poses"),
    ]:
        with pytest.raises(ValueError, match=message):
            load_unpaired_poses(rewrite(make_unpaired_poses(path), **changes))


def test_as_a_data_set(path):
    config = {"type": "part_synth.UnpairedPoseDataset", "path": path.name}
    data = DATASETS.build({**config, "data_root": str(path.parent)})
    assert len(data) == 80
    poses = data.poses_body
    mirrored = poses[40:, H36M17.flip_indices] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(mirrored, poses[:40])
    torch.testing.assert_close(data[83]["inputs"]["pose_body"], poses[3])
    assert len(UnpairedPoseDataset(path, flip=False)) == 40
    with pytest.raises(ValueError, match="needs `data_root`"):
        UnpairedPoseDataset(path, synthetic={})


def test_other_files_go_through_the_motion_reader(path, tmp_path, monkeypatch):
    from part_synth.datasets import motion_io

    expected = load_unpaired_poses(path, split="test")
    clips = motion_io.load_motions(path)
    (tmp_path / "walk.bvh").write_text("HIERARCHY")
    monkeypatch.setattr(motion_io, "load_motions", lambda file: clips)
    bvh = tmp_path / "walk.bvh"
    torch.testing.assert_close(load_unpaired_poses(bvh, split="test"), expected)
    assert len(load_unpaired_poses(bvh, split=None, actions=["walk"])) == 40
    assert len(load_unpaired_poses(tmp_path, split=None)) == 60
