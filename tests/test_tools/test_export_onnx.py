"""The command line of tools/export_onnx.py, and tools/lift.py on what it wrote."""

import json
import re
import sys

import numpy as np
import pytest
import torch
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
def folder(tmp_path, monkeypatch):
    """A lifter, a model of another kind, and 2D keypoints."""
    monkeypatch.delenv("PART_SYNTH_DEBUG", raising=False)
    torch.manual_seed(0)
    (tmp_path / "config.py").write_text(CONFIG)
    (tmp_path / "critic.py").write_text("model = dict(type='part_synth.PoseCritic')\n")
    lifter = dict(type="part_synth.FrameLifter", width=16, num_blocks=1)
    model = MODELS.build(dict(type="part_synth.LiftingModel", lifter=lifter))
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "other.pth")
    np.save(tmp_path / "points.npy", np.random.default_rng(0).uniform(50, 400, (4, 17, 2)))
    (tmp_path / "file").touch()
    return tmp_path


@pytest.fixture
def tool(folder, monkeypatch):
    """Exit status of a tool with these arguments."""

    def run(name, *arguments):
        arguments = [str(word).format(tmp=folder) for word in arguments]
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments])
        return run_tool(tool_main(name))

    return run


def test_writes_a_file_that_lift_takes(tool, folder, capsys):
    model = ["{tmp}/config.py", "{tmp}/weights.pth"]
    out = ["--out", "{tmp}/new/lifter.onnx", "--batch-sizes", 2, 3]
    assert tool("export_onnx", *model, *out) == 0
    said = capsys.readouterr().out
    assert "onnxruntime - PyTorch" in said and "lifter model" in said
    assert re.search(r"│ 3 +│ \d\.\de-0[6-9] │", said), said
    common = ["{tmp}/points.npy", "--skeleton", "h36m"]
    assert tool("lift", *common, "--model", *model, "--out", "{tmp}/a.json") == 0
    assert tool("lift", *common, "--onnx", folder / "new/lifter.onnx", "--out", "{tmp}/b.json") == 0
    expected, found = (json.loads((folder / f"{name}.json").read_text()) for name in "ab")
    for a, b in zip(expected["poses"], found["poses"], strict=True):
        np.testing.assert_allclose(b["joints"], a["joints"], atol=2e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["config.py", "weights.pth", "--out", "{tmp}/x.pb"], r"--out must end with \.onnx"),
        (["config.py", "weights.pth", "--out", "{tmp}/file/x.onnx"], "below a file"),
        (["none.py", "weights.pth"], r"none\.py does not exist"),
        (["config.py", "none.pth"], r"none\.pth"),
        (["config.py", "other.pth"], "does not fit the model"),
        (["critic.py", "weights.pth"], "'part_synth.PoseCritic'; only .* can be exported"),
        (["config.py", "weights.pth", "--batch-sizes", "0"], "batch_sizes must be positive"),
    ],
)
def test_mistakes(tool, folder, capfd, arguments, message):
    files = [f"{{tmp}}/{word}" for word in arguments[:2]]
    out = [] if "--out" in arguments else ["--out", "{tmp}/x.onnx"]
    assert tool("export_onnx", *files, *arguments[2:], *out) == 2
    told = capfd.readouterr().err
    assert re.search(message, told), told
    assert not [*folder.glob("*.onnx"), *folder.glob(".*.onnx")]


def test_lift_refuses_files_of_other_endings(tool, capfd):
    assert tool("lift", "{tmp}/points.npy", "--onnx", "{tmp}/weights.pth") == 2
    assert re.search(r"--onnx must end with \.onnx", capfd.readouterr().err)
