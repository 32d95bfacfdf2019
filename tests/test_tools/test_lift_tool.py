"""The command line of tools/lift.py."""

import json
import re
import sys

import numpy as np
import pytest
import torch
from part_synth.apis import lift, load_lifter
from part_synth.apis.cli import run_tool
from part_synth.registry import MODELS
from tiny_runs import tool_main

CONFIG = """
model = dict(
    type="part_synth.LiftingModel",
    lifter=dict(type="part_synth.FrameLifter", width=16, num_blocks=1),
)
"""


@pytest.fixture
def folder(tmp_path):
    """A model, and two people in three frames of OpenPose's."""
    torch.manual_seed(0)
    (tmp_path / "config.py").write_text(CONFIG)
    lifter = dict(type="part_synth.FrameLifter", width=16, num_blocks=1)
    model = MODELS.build(dict(type="part_synth.LiftingModel", lifter=lifter))
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    frames = tmp_path / "frames"
    frames.mkdir()
    for frame, people in enumerate(keypoints()):
        listed = [dict(person_id=[-1], pose_keypoints_2d=p.reshape(-1).tolist()) for p in people]
        (frames / f"v_{frame:012d}_keypoints.json").write_text(json.dumps(dict(people=listed)))
    return tmp_path


def keypoints():
    """(3, 2, 25, 3); the second person is the larger one."""
    values = np.random.default_rng(0).uniform(0.5, 1, (3, 2, 25, 3))
    values[..., :2] *= np.array([200, 600])[:, None, None]
    return values.round(3)


@pytest.fixture
def tool(folder, monkeypatch):
    """Exit status of the tool with these arguments, with the small model."""
    monkeypatch.delenv("PART_SYNTH_DEBUG", raising=False)
    model = ["--model", folder / "config.py", folder / "weights.pth"]

    def run(*arguments):
        arguments = [str(word).format(tmp=folder) for word in (*arguments, *model)]
        monkeypatch.setattr(sys, "argv", ["lift.py", *arguments])
        return run_tool(tool_main("lift"))

    return run


def test_lifts_the_largest_person(tool, folder, capsys):
    out = folder / "deep" / "poses.json"
    assert tool("{tmp}/frames", "--image-size", 640, 480, "--out", out) == 0
    content = json.loads(out.read_text())
    model = load_lifter((folder / "config.py", folder / "weights.pth"))
    expected = lift(keypoints()[:, 1], image_size=(640, 480), skeleton="body25", model=model)
    rows = content["poses"]
    np.testing.assert_allclose([row["joints"] for row in rows], expected.joints, atol=2e-5)
    assert [row["frame"] for row in rows] == [0, 1, 2]
    said = capsys.readouterr().out
    assert f"3 of 3 poses lifted (persons: 1) -> {out}" in said
    for sentence in content["assumptions"]:
        assert f"- {sentence}" in said
    assert "largest box" in said and "taken as layout 'body25'" in said


def test_lifts_everybody_with_a_camera_into_an_archive(tool, folder):
    out = folder / "poses.npz"
    camera = ["--focal", 700, 710, "--centre", 320, 240, "--fps", 30]
    assert tool("{tmp}/frames", "--person", "all", *camera, "--out", out) == 0
    model = load_lifter((folder / "config.py", folder / "weights.pth"))
    expected = lift(
        keypoints().reshape(6, 25, 3),
        camera=dict(focal=(700, 710), centre=(320, 240)),
        skeleton="body25",
        model=model,
    )
    with np.load(out) as archive:
        np.testing.assert_allclose(archive["joints"], expected.joints, atol=1e-5)
        assert archive["person_ids"].tolist() == [0, 1] * 3
        assert archive["frames"].tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/none.json"], r"There is no keypoint file .*none\.json"),
        (["{tmp}/config.py"], r"config\.py can't be read as JSON"),
        (["{tmp}/frames", "--out", "poses.csv"], r"--out must end with \.json or \.npz"),
        (["{tmp}/frames", "--device", "abacus"], "device 'abacus' can't be used"),
        (["{tmp}/frames", "--focal", "1", "2"], "--focal and --centre belong together"),
        (["{tmp}/frames", "--skeleton", "coco"], r"'coco' has 17 joints, got keypoints of 25"),
        (["{tmp}/frames", "--image-size", "0", "9"], "image_size must be two positive numbers"),
    ],
)
def test_mistakes(tool, capfd, arguments, message):
    assert tool(*arguments) == 2
    told = capfd.readouterr().err
    assert told.startswith("error: ") or "\nerror: " in told
    assert re.search(message, told), told


def test_without_the_packages_model(folder, monkeypatch, capfd):
    from part_synth.apis import zoo

    monkeypatch.delenv("PART_SYNTH_DEBUG", raising=False)
    monkeypatch.setattr(zoo, "ZOO", folder)
    monkeypatch.setattr(sys, "argv", ["lift.py", str(folder / "frames")])
    assert run_tool(tool_main("lift")) == 2
    assert re.search(r"not there: no .*weights\.pth.*train", capfd.readouterr().err)
