"""tools/analysis/draw_puppet.py: the picture, and what it says of mistakes."""

import re
import sys

import cv2
import numpy as np
import pytest
from part_synth.apis.cli import run_tool
from part_synth.models import load_puppet
from part_synth.visualization.parts import part_colours
from tiny_runs import ROOT, load_script


@pytest.fixture
def draw(monkeypatch, tmp_path):
    module = load_script("tools/analysis/draw_puppet.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PART_SYNTH_DEBUG", raising=False)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["draw_puppet.py", *map(str, arguments)])
        return run_tool(module.main)

    return run


def near(picture, colour):
    """Pixels with the hue of a colour, lit from 0.5 to 1."""
    light = picture.sum(-1) / max(int(colour.sum()), 1)
    error = np.abs(picture - light[..., None] * colour).max(-1)
    return (error < 12) & (light > 0.5) & (light < 1.05)


def test_worked_example_of_the_docs_shows_every_part(draw, tmp_path):
    file = ROOT / "docs/puppet_hat_and_tail.json"
    puppet = load_puppet(file)
    assert puppet.part_names[-2:] == ("hat", "tail")
    assert draw("--puppet", file, "--out", "pictures/puppet.png") in (0, None)
    picture = cv2.imread(str(tmp_path / "pictures/puppet.png"))[..., ::-1].astype(float)
    colours = part_colours(17).astype(float)
    for name, colour in zip(puppet.part_names[1:], colours[1:], strict=True):
        assert near(picture, colour).sum() > 100, name
    # Without --puppet there is neither hat nor tail.
    assert draw("--out", "own.png") in (0, None)
    own = cv2.imread(str(tmp_path / "own.png"))[..., ::-1].astype(float)
    assert own.shape[1] == picture.shape[1]
    assert near(own, colours[-2]).sum() < 0.05 * near(picture, colours[-2]).sum()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "a.jpg"], r"--out must end with \.png, got a\.jpg"),
        (["--puppet", "none.json", "--out", "a.png"], r"No puppet file none\.json"),
        (["--puppet", "bad.json", "--out", "a.png"], r"bad\.json is no puppet file: .* as JSON"),
        (["--puppet", "empty.json", "--out", "a.png"], r"empty\.json: the key 'format' is missing"),
    ],
)
def test_mistakes(draw, tmp_path, capfd, arguments, words):
    (tmp_path / "bad.json").write_text("{parts}")
    (tmp_path / "empty.json").write_text("{}")
    assert draw(*arguments) == 2
    told = capfd.readouterr().err
    assert re.search(f"error: .*{words}", told), told
    assert "Traceback (most" not in told
    assert not (tmp_path / "a.png").exists()
