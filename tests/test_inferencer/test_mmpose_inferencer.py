"""The shipped lifter in mmpose's own inferencer: nothing of ours but a config and its weights."""

import numpy as np
import pytest
from part_synth.apis import lift
from part_synth.apis.zoo import ZOO
from tiny_videos import write_video

LIFTER = ZOO / "lifter"


@pytest.fixture
def inferencer(pose2d):
    from mmpose.apis import MMPoseInferencer

    return MMPoseInferencer(
        pose3d=str(LIFTER / "mmpose.py"),
        pose3d_weights=str(LIFTER / "weights.pth"),
        pose2d=str(pose2d["pose2d"]),
        pose2d_weights=str(pose2d["pose2d_weights"]),
        det_model="whole_image",
        device="cpu",
    )


def test_mmposes_own_inferencer_takes_the_shipped_lifter(inferencer, tmp_path):
    video = write_video(tmp_path / "v.mp4", 3, size=(60, 80))
    results = list(
        inferencer(str(video), disable_rebase_keypoint=True, pred_out_dir=str(tmp_path / "out"))
    )
    assert len(results) == 3
    (people,) = results[1]["predictions"]
    (person,) = people
    # mmpose turns camera coordinates to z up: (-x, z, -y).
    x, y, z = np.moveaxis(np.array(person["keypoints"]), -1, 0)
    joints = np.stack([-x, -z, y], -1)
    (seen,) = next(inferencer.inferencer.pose2d_model(str(video)))["predictions"]
    expected = lift(np.array(seen[0]["keypoints"]), skeleton="coco").joints[0]
    # Trunk and head are mixed from COCO's joints in another way; limbs are the same joints.
    limbs = [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]
    assert np.linalg.norm(joints - expected, axis=-1)[limbs].mean() < 0.06
    assert (tmp_path / "out" / "v.json").is_file()


def test_drawing_works_too(inferencer, tmp_path):
    video = write_video(tmp_path / "v.mp4", 1, size=(60, 80))
    (result,) = inferencer(str(video), return_vis=True)
    assert result["visualization"][0].ndim == 3
