"""The command line of tools/dataset_converters/cmu_mocap.py."""

import json
import re
import sys

import numpy as np
import pytest
from part_synth.apis.cli import run_tool
from part_synth.datasets.motion_io import MotionClips, save_motions
from part_synth.datasets.synthetic.motions import make_motion
from tiny_runs import load_script


@pytest.fixture
def motions(tmp_path):
    """Four people who stand and wave, half a second each."""
    rng = np.random.default_rng(0)
    xyz = np.concatenate([make_motion("wave", rng, 15, 30.0) for _ in range(4)])
    people = np.array(["a", "b", "c", "d"])
    clips = MotionClips(
        xyz.astype(np.float32),
        np.arange(4) * 15,
        np.full(4, 15),
        30.0,
        people,
        people,
        np.array(["wave"] * 4),
        np.array(["train", "train", "train", "test"]),
    )
    save_motions(tmp_path / "m.npz", clips)
    return tmp_path / "m.npz"


@pytest.fixture
def tool(monkeypatch):
    """Exit status of the tool with these arguments."""
    module = load_script("tools/dataset_converters/cmu_mocap.py")
    monkeypatch.delenv("PART_SYNTH_DEBUG", raising=False)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["cmu_mocap.py", *map(str, arguments)])
        return run_tool(module.main)

    return run


def test_makes_a_set_and_says_what_is_in_it(tool, motions, tmp_path, capfd):
    out = tmp_path / "deep" / "set"
    options = ["--fps", 15, "--val-subjects", "b", "--test-subjects", "c", "d", "--noise", 2.5]
    assert tool(motions, "--out", out, *options, "--seed", 4, "--cameras", 2) == 0
    meta = json.loads((out / "meta.json").read_text())
    assert meta["arguments"] == {
        "motions": [str(motions)],
        "fps": 15.0,
        "val_subjects": ["b"],
        "test_subjects": ["c", "d"],
        "noise": 2.5,
        "seed": 4,
        "cameras": 2,
        "amc_fps": 120.0,
        "vary_bones": 0.0,
    }
    assert meta["subjects"] == {"train": ["a"], "val": ["b"], "test": ["c", "d"]}
    assert (out / "joint_2d_det" / "test_noise2.5.npy").is_file()
    said = capfd.readouterr().out
    assert str(out) in said
    assert "test: c, d" in said
    assert "train          1       1        16" in said


def test_force(tool, motions, tmp_path, capfd):
    out = tmp_path / "set"
    assert tool(motions, "--out", out) == 0
    assert tool(motions, "--out", out) == 2
    assert "already holds a benchmark set; give --force" in capfd.readouterr().err
    assert tool(motions, "--out", out, "--force") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/none.npz"], r"No motion file .*none\.npz"),
        (["{tmp}"], r"holds no \.bvh and no \.amc file"),
        (
            ["{tmp}/m.npz", "--fps", "60"],
            r"m\.npz has 30 frames per second, and fps=60 .* Give --fps 30 or less",
        ),
        (["{tmp}/m.npz", "--noise", "-1"], "noise must be positive"),
        (["{tmp}/m.npz", "--val-subjects", "z"], "Nobody is called z"),
        (["{tmp}/m.npz", "--out", "{tmp}"], "not a benchmark set that this tool made"),
    ],
)
def test_mistakes(tool, motions, tmp_path, capfd, arguments, message):
    arguments = [word.format(tmp=tmp_path) for word in arguments]
    if "--out" not in arguments:
        arguments += ["--out", str(tmp_path / "set")]
    assert tool(*arguments) == 2
    told = capfd.readouterr().err
    assert told.startswith("error: ") or "\nerror: " in told
    assert re.search(message, told), told
    assert not (tmp_path / "set").exists()
