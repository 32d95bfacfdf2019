"""Ctrl-C of the real demo: a process that gets SIGINT, as from a terminal."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from tiny_models import write_models
from tiny_runs import ROOT, SUPPORT
from tiny_videos import FPS, frames_of, mmpose_json, pose_2d, write_video

COUNT = 4000
# A 2D model that leaves a mark in its fifth call, and is slow from then on.
SLOW = """
import time
from pathlib import Path
from mmpose.registry import MODELS
from stub_pose2d import StubPose2D, calls

@MODELS.register_module()
class SlowPose2D(StubPose2D):
    def forward(self, *arguments, **named):
        if len(calls) >= 4:
            Path(__file__).with_name("started").touch()
            time.sleep(0.2)
        return super().forward(*arguments, **named)
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return write_models(tmp_path_factory.mktemp("models"))


def interrupt(folder, arguments, mark):
    """Run the demo, press Ctrl-C once the file is there; its exit status and words."""
    command = [sys.executable, str(ROOT / "demo" / "inferencer_demo.py"), str(folder / "walk.mp4")]
    command += ["--out-dir", str(folder / "out"), "--device", "cpu", "--quiet", *arguments]
    path = os.pathsep.join([str(folder), str(SUPPORT)])
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    deadline = time.monotonic() + 200
    while not mark.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    # A terminal sends it to all processes of the group.
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=100)[0]
    return process.returncode, said


def results(folder):
    """The JSON file, and the frames of the video."""
    content = json.loads((folder / "out" / "predictions" / "walk.json").read_text())
    frames, fps = frames_of(folder / "out" / "visualizations" / "walk.mp4")
    assert fps == pytest.approx(FPS)
    return content, len(frames)


def test_while_people_are_looked_for(models, tmp_path):
    write_video(tmp_path / "walk.mp4", 200)
    (tmp_path / "slow_pose2d.py").write_text(SLOW)
    text = (models / "pose2d.py").read_text()
    text = text.replace('"stub_pose2d"', '"slow_pose2d"').replace("StubPose2D", "SlowPose2D")
    (tmp_path / "pose2d.py").write_text(text)
    arguments = ["--pose2d", str(tmp_path / "pose2d.py"), "--batch-size", "2"]
    arguments += ["--pose2d-weights", str(models / "pose2d.pth"), "--det-model", "whole-frame"]
    status, said = interrupt(tmp_path, arguments, tmp_path / "started")
    assert status == 130, said
    assert "Interrupted: what was done before is written." in said
    content, frames = results(tmp_path)
    assert content["meta_info"]["interrupted"]
    done = len(content["instance_info"])
    # Four batches of two before the mark; each later one takes a fifth of a second.
    assert 8 <= done < 200 and frames == done
    assert all(len(frame["instances"]) == 1 for frame in content["instance_info"])


def test_while_frames_are_drawn(tmp_path):
    write_video(tmp_path / "walk.mp4", COUNT)
    joints = mmpose_json(tmp_path / "walk.json", [[pose_2d((30, 25))]] * COUNT)
    mark = tmp_path / "out" / "visualizations" / "walk.mp4"
    status, said = interrupt(tmp_path, ["--keypoints", str(joints)], mark)
    assert status == 130, said
    content, frames = results(tmp_path)
    assert len(content["instance_info"]) == COUNT
    assert 0 < frames < COUNT
