"""The lifter in the package works after the install, and is what its metafile says."""

import numpy as np
import pytest
import torch
import yaml
from part_synth.apis import lift
from part_synth.apis.zoo import ZOO, shipped_model
from part_synth.datasets.synthetic.motions import make_motion
from part_synth.datasets.virtual_cameras import human36m_like_rig, look_through
from part_synth.evaluation.functional import depth_flip_share, n_mpjpe, p_mpjpe


@pytest.fixture(scope="module")
def clip():
    """2D joints (N, 17, 2) px and true poses (N, 17, 3) of people on a walk, four cameras."""
    rng = np.random.default_rng(77)
    xyz = make_motion("walk", rng, 120, 30.0)
    xyz = xyz - np.append(xyz[:, 0, :2].mean(0), 0)
    rig = human36m_like_rig(rng)
    return list(rig.values()), list(zip(*look_through(xyz, rig), strict=True))


def test_it_is_small_and_says_where_it_comes_from():
    config, weights = shipped_model("lifter")
    assert weights.stat().st_size < 20e6
    said = yaml.safe_load((ZOO / "lifter" / "metafile.yml").read_text())
    assert {"training_data", "command", "seed", "commit", "date", "metrics"} <= set(said)
    assert said["metrics"]["p_mpjpe_mm"] < 0.5 * said["metrics"]["baseline_mean_pose_p_mpjpe_mm"]
    assert config.is_file()


def test_it_lifts_people_it_never_saw(clip):
    for camera, (in_camera, pixels) in zip(*clip, strict=True):
        poses = lift(
            pixels,
            skeleton="h36m",
            camera={"focal": np.ravel(camera["f"]), "centre": np.ravel(camera["c"])},
            fps=30,
        )
        assert poses.ok.all()
        true = torch.from_numpy(in_camera - in_camera[:, :1]).double()
        pred = torch.from_numpy(poses.joints).double()
        assert float(p_mpjpe(pred, true)) < 60
        assert float(n_mpjpe(pred, true)) < 90
        assert float(depth_flip_share(pred, true)) < 5


def test_hidden_joints_are_filled_in(clip):
    camera, (in_camera, pixels) = clip[0][0], clip[1][0]
    hidden = pixels.copy()
    hidden[:, [13, 16]] = np.nan
    poses = lift(hidden, skeleton="h36m", image_size=(camera["w"], camera["h"]), fps=30)
    assert poses.ok.all() and poses.filled[:, [13, 16]].all()
    true = torch.from_numpy(in_camera - in_camera[:, :1]).double()
    assert float(p_mpjpe(torch.from_numpy(poses.joints).double(), true)) < 90
