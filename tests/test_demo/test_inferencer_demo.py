"""The command line of demo/inferencer_demo.py, with the lifter in the package."""

import json
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
from part_synth.apis.cli import run_tool
from part_synth.inferencer import OUT_FORMATS
from part_synth.outputs.video import CODECS
from tiny_runs import ROOT, load_script
from tiny_videos import frames_of, mmpose_json, pose_2d, write_video

DEMO = ROOT / "demo" / "inferencer_demo.py"


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """Exit status of the demo with these arguments."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "PART_SYNTH_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    write_video(tmp_path / "walk.mp4", 5)
    frames = [[pose_2d((20 + 4 * n, 25))] for n in range(5)]
    mmpose_json(tmp_path / "walk.json", frames)
    cv2.imwrite(str(tmp_path / "picture.png"), np.full((48, 64, 3), 90, np.uint8))
    mmpose_json(tmp_path / "picture.json", frames[:1])
    (tmp_path / "text.mp4").write_text("no video")

    def run(*arguments):
        filled = [str(word).replace("{tmp}", str(tmp_path)) for word in arguments]
        monkeypatch.setattr(sys, "argv", ["inferencer_demo.py", *filled, "--device", "cpu"])
        return run_tool(load_script(DEMO).main)

    return run


def test_a_video_with_keypoints_right_after_the_install(demo, tmp_path, capsys):
    arguments = ["{tmp}/walk.mp4", "--keypoints", "{tmp}/walk.json", "--out-dir", "{tmp}/out"]
    formats = ["--formats", "json", "csv", "npz", "bvh", "--smooth", 0.1, "--quiet"]
    camera = ["--focal", 60, 60, "--centre", 32, 24]
    assert demo(*arguments, *formats, *camera) == 0
    said = capsys.readouterr().out
    assert "5 poses in 5 frames (persons: 1)" in said and "- 2D keypoints do not tell size" in said
    names = {path.name for path in (tmp_path / "out" / "predictions").iterdir()}
    assert names == {"walk.json", "walk.csv", "walk.npz", "walk_person0.bvh"}
    frames, fps = frames_of(tmp_path / "out" / "visualizations" / "walk.mp4")
    assert len(frames) == 5 and fps == pytest.approx(12.5)
    # The person is drawn on the picture and beside it.
    assert (np.ptp(frames[0], axis=-1) > 60).any(0).sum() > 100
    content = json.loads((tmp_path / "out" / "predictions" / "walk.json").read_text())
    assert "Gaussian" in content["meta_info"]["smoothing"]


def test_a_picture(demo, tmp_path, capsys):
    arguments = ["{tmp}/picture.png", "--keypoints", "{tmp}/picture.json"]
    assert demo(*arguments, "--vis-out-dir", "{tmp}/out", "--quiet") == 0
    assert "1 pose in 1 frame (persons: 1)" in capsys.readouterr().out
    assert cv2.imread(str(tmp_path / "out" / "picture.png")).shape[0] == 240


def test_names_written_out_are_the_packages():
    module = load_script(DEMO)
    assert module.FORMATS == OUT_FORMATS and list(module.CODECS) == list(CODECS)


def test_a_mistyped_flag_is_refused_before_the_imports():
    command = [sys.executable, "-X", "importtime", str(DEMO), "walk.mp4", "--keypoint-file", "x"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "unrecognized arguments: --keypoint-file" in done.stderr
    assert "argparse" in done.stderr
    assert not re.search(r"\| +(torch|numpy|mmengine)$", done.stderr, re.MULTILINE)


ROWS = [
    (["{tmp}/walk.mp4"], "nothing to do with the result"),
    (["{tmp}/walk.mp4", "--out-dir", "{tmp}/o"], "not said where 2D joints come from.*--keypoints"),
    (["{tmp}/none.mp4", "--out-dir", "{tmp}/o"], r"no file or folder .*none\.mp4"),
    (["{tmp}/text.mp4", "--out-dir", "{tmp}/o"], r"text\.mp4 .* can't be read as a video"),
    (["webcam:99", "--out-dir", "{tmp}/o"], "There is no webcam 99"),
    (
        ["{tmp}/walk.mp4", "--keypoints", "{tmp}/walk.json", "--pred-out-dir", "{tmp}"],
        r"written over the input .*walk\.json.*--pred-out-dir",
    ),
    (["{tmp}/walk.mp4", "--focal", "1", "2", "--show"], "--focal and --centre belong together"),
    (["{tmp}/walk.mp4", "--keypoints", "{tmp}/walk.json", "--show"], "There is no display"),
    (
        ["{tmp}/walk.mp4", "--keypoints", "{tmp}/walk.json", "--out-dir", "{tmp}/walk.json/o"],
        "Results can't be written to .*walk.json/o",
    ),
    (
        ["{tmp}/walk.mp4", "--pose3d", "{tmp}/a.py", "--pose3d-weights", "b.pth", "--show"],
        r"Config .*a\.py does not exist",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), ROWS)
def test_mistakes(demo, capfd, arguments, message):
    assert demo(*arguments) == 2
    told = capfd.readouterr().err.partition("error: ")[2]
    assert re.search(message, told), told
