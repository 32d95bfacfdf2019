"""tools/analysis/benchmark_inference.py on a handful of frames: it compares what it says."""

import json
import sys

import pytest
from part_synth.apis.cli import run_tool
from tiny_runs import tool_main

pytestmark = pytest.mark.timeout(300)


def test_lift(tmp_path, monkeypatch):
    arguments = ["lift", "--frames", "4", "--people", "2", "--repeats", "2"]
    arguments += ["--out", str(tmp_path / "lift.json")]
    monkeypatch.setattr(sys, "argv", ["benchmark_inference.py", *arguments])
    monkeypatch.setattr(sys, "path", list(sys.path))
    # Inside it asserts that both give a pose for everybody in every frame.
    assert run_tool(tool_main("analysis/benchmark_inference")) == 0
    content = json.loads((tmp_path / "lift.json").read_text())
    times = content["seconds_of_repeats"]
    ratios = sorted(a / b for a, b in zip(times["mmpose"], times["part_synth"], strict=True))
    assert content["ratio"] == pytest.approx(sum(ratios) / 2)
    assert (content["frames"], content["people"]) == (4, 2)
