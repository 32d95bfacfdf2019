"""Mistakes with demo/image_demo.py and tools/analysis/results.py."""

import re
import sys

import numpy as np
import pytest
from part_synth.apis.cli import run_tool
from part_synth.visualization.hooks import write_image
from tiny_runs import load_script

ROWS = [
    ("demo/image_demo.py", ["i.png", "c.py", "c.pth", "--out", "a.txt"], r"must end with \.png or"),
    ("demo/image_demo.py", ["i.png", "c.py", "c.pth", "--out", "d.png"], "it is a folder"),
    ("demo/image_demo.py", ["i.png", "c.py", "c.pth", "--out", "i.png/a.png"], "below a file"),
    ("demo/image_demo.py", ["none.png", "c.py", "c.pth"], r"no picture none\.png"),
    ("demo/image_demo.py", ["text.png", "c.py", "c.pth"], r"text\.png can't be read as a picture"),
    ("demo/image_demo.py", ["i.png", "c.py", "c.pth"], r"Config c\.py does not exist"),
    ("tools/analysis/results.py", ["--folder", "none", "page"], r"No result \(\*\.json\) in none"),
    (
        "tools/analysis/results.py",
        ["record", "none", "--name", "a", "--seed", "0", "--command", "b"],
        r"No none/results\.json: give the work directory",
    ),
]


@pytest.mark.parametrize(("tool", "arguments", "words"), ROWS)
def test_message(tmp_path, monkeypatch, capfd, tool, arguments, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PART_SYNTH_DEBUG", raising=False)
    write_image("i.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "d.png").mkdir()
    main = load_script(tool).main
    monkeypatch.setattr(sys, "argv", [tool, *arguments])
    assert run_tool(main) == 2
    told = capfd.readouterr().err
    assert re.search(f"error: .*{words}", told), told
    assert "Traceback (most" not in told
