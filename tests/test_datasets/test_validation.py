import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from part_synth.datasets import Human36mFrames
from part_synth.datasets.validation import (
    check_cameras,
    check_left_right,
    knee_frontness,
    project_distorted,
    validate_data_set,
)
from part_synth.geometry import H36M17
from tiny_runs import load_script

TOOL = "tools/dataset_converters/validate.py"


def run_tool(*arguments):
    return load_script(TOOL).main([str(argument) for argument in arguments])


def test_good_data_sets(h36m_root, mpi_root, capsys):
    assert run_tool(h36m_root) == 0
    assert capsys.readouterr().out == "no problem found in 144 frames\n"
    assert run_tool(mpi_root) == 0
    assert capsys.readouterr().out == "no problem found in 40 frames\n"


def edit(function):
    """Change arrays of the training annotation file."""

    def spoil(root):
        path = root / "annotation_body3d/train.npz"
        with np.load(path) as file:
            arrays = dict(file)
        function(arrays)
        np.savez(path, **arrays)

    return spoil


def _metres(factor):
    def function(arrays):
        arrays["S"][..., :3] *= factor

    return edit(function)


def _nan(arrays):
    arrays["S"][7, 3, 1] = np.nan


def _exchange(arrays):
    for name in ("S", "part"):
        arrays[name] = arrays[name][:, H36M17.flip_indices]


def _mirror_poses(arrays):
    arrays["S"][..., 0] *= -1


def _root_centred(arrays):
    arrays["S"][..., :3] -= arrays["S"][:, :1, :3]


def _box_away(arrays):
    arrays["center"][4] += 300


def _twice(arrays):
    arrays["imgname"][1] = arrays["imgname"][0]


def _no_box(arrays):
    arrays["scale"][2] = 0


def _large_box(arrays):
    arrays["scale"] *= 200


def _other_order(arrays):
    arrays["part"] = np.roll(arrays["part"], 1, axis=1)


def cameras(function):
    def spoil(root):
        path = root / "annotation_body3d/cameras.pkl"
        entries = pickle.loads(path.read_bytes())
        for key, camera in entries.items():
            if key[0] == "S1":
                function(camera)
        path.write_bytes(pickle.dumps(entries))

    return spoil


def _zoom(camera):
    camera["f"] = camera["f"] * 1.3


def _other_direction(camera):
    camera["R"], camera["T"] = camera["R"].T, -camera["R"].T @ camera["T"]


def _no_rotation(camera):
    camera["R"] = camera["R"] * 2


def _size(camera):
    camera["w"] = 200


def pictures(function, kind="images", suffix=".jpg"):
    def spoil(root):
        for path in sorted((root / kind).rglob(f"*{suffix}"))[3:5]:
            function(path)

    return spoil


def _cut(path):
    path.write_bytes(path.read_bytes()[:50])


def labels(array):
    return pictures(lambda path: cv2.imwrite(str(path), array), "parts", ".png")


def _unpaired(root):
    with np.load(root / "unpaired_poses.npz") as file:
        arrays = dict(file)
    arrays["xyz"] = arrays["xyz"][:, H36M17.flip_indices]
    np.savez(root / "unpaired_poses.npz", **arrays)


@pytest.mark.parametrize(
    "spoil, message",
    [
        (pictures(Path.unlink), "There is no image for 2 of 96 frames (S1/"),
        (pictures(_cut), "can't be decoded (corrupt) of 2 of 96 frames"),
        (pictures(Path.unlink, "parts", ".png"), "no part label PNG of 2 of 96"),
        (pictures(_cut, "parts", ".png"), "part label PNG can't be decoded"),
        (labels(np.ones((5, 5), np.uint8)), "another size than the frame"),
        (labels(np.full((96, 96), 30, np.uint8)), "values above 14"),
        (labels(np.zeros((96, 96), np.uint8)), "shows no person"),
        (edit(_nan), "`joints` is NaN or infinite in 1 of 96 frames"),
        (_metres(1000), "millimetres, it seems: divide by 1000"),
        (_metres(100), "centimetres, it seems"),
        (edit(_root_centred), "behind the camera"),
        (edit(_exchange), "Left and right are exchanged (or x is negated) for person S1"),
        (edit(_mirror_poses), "Left and right are exchanged"),
        (edit(_mirror_poses), "doesn't reproject"),
        (edit(_box_away), "outside of the image in 1 of 96"),
        (edit(_no_box), "no size"),
        (edit(_large_box), "box is 240 times as large as the joints (median) in 96 of 96 frames"),
        (edit(_twice), "appear twice"),
        (edit(_other_order), "Camera S1 54138969 doesn't reproject"),
        (cameras(_zoom), "Camera S1 60457274 doesn't reproject"),
        (cameras(_other_direction), "cameras of person S1 don't agree"),
        (cameras(_no_rotation), "is no rotation"),
        (cameras(_size), "not as large as the camera file says"),
        (edit(lambda arrays: arrays.pop("S")), "lacks S"),
        (_unpaired, "exchanged (or x is negated) for the poses of"),
    ],
)
def test_what_is_wrong_is_said(h36m_copy, capsys, spoil, message):
    spoil(h36m_copy)
    assert run_tool(h36m_copy) == 1
    out = capsys.readouterr().out
    assert message in out
    count = len(out.splitlines()) - 1
    assert out.splitlines()[-1] == f"{count} problem{'s' if count > 1 else ''} found"


def test_one_mistake_is_said_once(h36m_copy):
    edit(_nan)(h36m_copy)
    findings, frames = validate_data_set(h36m_copy)
    assert (len(findings), frames) == (1, 144)


def test_nothing_to_look_at(tmp_path, capsys):
    assert run_tool(tmp_path) == 1
    assert "no annotation file: looked for" in capsys.readouterr().out
    assert run_tool(tmp_path / "nowhere") == 1
    assert "There is no folder" in capsys.readouterr().out
    assert run_tool(tmp_path, "--layout", "coco") == 1
    assert "no layout 'coco'" in capsys.readouterr().out


def test_straight_legs_give_no_verdict(h36m_root):
    index = Human36mFrames.from_disk(h36m_root, split="train")
    for hip, knee, foot in ((1, 2, 3), (4, 5, 6)):
        index.joints[:, knee] = (index.joints[:, hip] + index.joints[:, foot]) / 2
    index.joints = index.joints[:, H36M17.flip_indices]
    assert check_left_right(index) == []


def test_knees_say_where_the_front_is():
    """A person in the camera frame who faces the camera: left at +x, up at -y, front at -z."""
    pose = np.zeros((1, 17, 3))
    pose[0, [4, 5, 6]] = [[0.1, 0, 0], [0.1, 0.4, -0.15], [0.1, 0.8, 0]]
    pose[0, [1, 2, 3]] = pose[0, [4, 5, 6]] * [-1, 1, 1]
    pose[0, 8] = [0, -0.5, 0]
    np.testing.assert_allclose(knee_frontness(pose), [0.3], atol=1e-9)
    np.testing.assert_allclose(knee_frontness(pose[:, H36M17.flip_indices]), [-0.3], atol=1e-9)
    np.testing.assert_allclose(knee_frontness(pose * [-1, 1, 1]), [-0.3], atol=1e-9)


def test_lens_distortion_is_opencvs():
    rng = np.random.default_rng(0)
    points = rng.uniform([-1, -1, 3], [1, 1, 5], (2, 17, 3))
    focal, centre = rng.uniform(900, 1100, (2, 2)), rng.uniform(450, 550, (2, 2))
    distortion = np.array([[-0.2, 0.24, -0.001, -0.0009, -0.003]] * 2)
    ours = project_distorted(points, focal, centre, distortion)
    for i in range(2):
        matrix = np.array(
            [[focal[i, 0], 0, centre[i, 0]], [0, focal[i, 1], centre[i, 1]], [0, 0, 1]]
        )
        theirs = cv2.projectPoints(points[i], np.zeros(3), np.zeros(3), matrix, distortion[i])[0]
        np.testing.assert_allclose(ours[i], theirs[:, 0], atol=1e-6)


def test_cameras_of_one_view_are_not_compared(h36m_root):
    index = Human36mFrames.from_disk(h36m_root, split="train", cameras=["54138969"])
    assert check_cameras(index) == []
