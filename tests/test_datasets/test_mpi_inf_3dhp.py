import numpy as np
import pytest
from data_factory import H36M_OF_3DHP
from part_synth.datasets import MpiInf3dhpFrames, PoseFrameDataset, VideoPairDataset
from part_synth.datasets.mpi_inf_3dhp import MPI_INF_3DHP_JOINTS, parse_3dhp_stem
from part_synth.geometry import H36M17


def test_joints_are_taken_over_by_name(mpi_root):
    index = MpiInf3dhpFrames.from_disk(mpi_root, split="train")
    with np.load(mpi_root / "annotations/mpi_inf_3dhp_train.npz") as file:
        theirs, names = file["S"][..., :3], file["imgname"]
    assert [name.decode() for name in index.image_names] == names.tolist()
    for theirs_at, ours_at in enumerate(H36M_OF_3DHP):
        np.testing.assert_allclose(index.joints[:, ours_at], theirs[:, theirs_at], rtol=1e-6)
    same = {name: name for name in H36M17.joint_names}
    same |= {"ankle": "foot", "neck": "thorax", "head": "neck_base", "head_top": "head"}
    for theirs_name, ours_at in zip(MPI_INF_3DHP_JOINTS, H36M_OF_3DHP, strict=True):
        ours = same.get(theirs_name) or theirs_name.replace("ankle", "foot")
        assert H36M17.joint_names[ours_at] == ours


@pytest.mark.parametrize("split, people", [("train", ["S1", "S2"]), ("test", ["TS1"])])
def test_splits(mpi_root, split, people):
    data = PoseFrameDataset(mpi_root, layout="mpi_inf_3dhp", split=split, crop={"size": 16})
    assert sorted(set(data.index.column("subject"))) == people
    meta = data[0]["data_samples"].metainfo
    assert meta["action"] == ""
    assert meta["camera"] == "Cam0"
    assert ("camera_rotation" in meta) == (split == "train")
    assert meta["camera_param"]["focal"].shape == (2,)


def test_world_has_z_up(mpi_root):
    index = MpiInf3dhpFrames.from_disk(mpi_root, split="train")
    rotation = index.cameras.rotation[index.camera_id]
    world = np.einsum("nji,nkj->nki", rotation, index.joints.astype(float))
    world += index.cameras.position[index.camera_id][:, None]
    # The made people walk on the floor z = 0, and several cameras see them at one place.
    assert np.abs(world[..., 2].min(axis=1)).max() < 0.2
    assert (world[:, 8, 2] - world[:, 0, 2]).min() > 0.4
    for group in (groups := index.group_by("subject", "clip", "frame")).order.reshape(-1, 2):
        np.testing.assert_allclose(world[group[0]], world[group[1]], atol=1e-4)
    assert (groups.sizes == 2).all()


def test_frame_rates(mpi_root):
    index = MpiInf3dhpFrames.from_disk(mpi_root, split="train")
    assert set(index.column("fps")) == {25.0}
    assert MpiInf3dhpFrames.from_disk(mpi_root, fps=10.0).time[1] == pytest.approx(0.2)
    data = VideoPairDataset(mpi_root, layout="mpi_inf_3dhp", min_gap=0.2, split="train")
    assert np.abs(np.diff(data.get_data_info(0)["frame"])) >= 5


@pytest.mark.parametrize("stem", ["S1_Walk.cam0", "TS1_Seq1", "S1_Seq1"])
def test_other_names(stem):
    with pytest.raises(ValueError, match="not named like an image of MPI-INF-3DHP"):
        parse_3dhp_stem(stem)


def test_bad_requests(mpi_root):
    with pytest.raises(ValueError, match="names no activities"):
        MpiInf3dhpFrames.from_disk(mpi_root, actions=["Walk"])
    with pytest.raises(ValueError, match="'train' and 'test', not 'val'"):
        MpiInf3dhpFrames.from_disk(mpi_root, split="val")
    with pytest.raises(ValueError, match=r"no subject named S7; the annotation file has S1, S2"):
        MpiInf3dhpFrames.from_disk(mpi_root, subjects=["S7"])
