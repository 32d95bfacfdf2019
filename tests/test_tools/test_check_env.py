import re
import subprocess
import sys

import pytest
from tiny_runs import ROOT, load_script

PATH = ROOT / "tools" / "check_env.py"


@pytest.fixture
def tool():
    return load_script(PATH)


@pytest.mark.parametrize(
    ("version", "wanted", "expected"),
    [
        ("2.12.1+cu130", ">=2.0", True),
        ("2.12.1", ">=2.2,<3", True),
        ("3.0", ">=2.0,<3", False),
        ("1.9", ">=1.10", False),
        ("0.10.12", ">=0.10,<1", True),
        ("4.14.0.94", ">=4.5,<5", True),
        ("2.0.0rc4", ">=2.0,<3", True),
        ("1.0", "", True),
    ],
)
def test_ranges(tool, version, wanted, expected):
    assert tool.fits(version, wanted) is expected


def test_this_environment_is_whole(tool, capsys):
    assert tool.main() == 0
    shown = capsys.readouterr().out
    assert "nms runs" in shown and "All that is needed is there." in shown


def test_missing_wrong_and_broken_packages_are_told_apart(tool, monkeypatch, tmp_path, capsys):
    (tmp_path / "too_old.py").write_text("__version__ = '0.9'\n")
    (tmp_path / "other_abi.py").write_text("raise ValueError('numpy.dtype size changed')\n")
    (tmp_path / "needs_more.py").write_text("import not_there_either\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(tool, "uses_uv", lambda: False)
    names = ["too_old", "other_abi", "needs_more", "not_there", "rich"]
    monkeypatch.setattr(tool, "PACKAGES", [(name, name, ">=1") for name in names])
    rows = {row.name: row for row in tool.check_all()}
    verdicts = [rows[name].verdict for name in names]
    assert verdicts == ["wrong version", "broken", "broken", "missing", "ok"]
    assert rows["not_there"].mend == 'pip install "not_there>=1"'
    assert "size changed" in rows["other_abi"].found
    assert tool.main() == 1
    assert 'pip install "not_there>=1"' in capsys.readouterr().out


def test_what_only_made_data_need_is_optional(tool, monkeypatch, capsys):
    monkeypatch.setattr(tool, "uses_uv", lambda: False)
    monkeypatch.setattr(tool, "OPTIONAL", {"not_there": "only rendering data needs it"})
    monkeypatch.setattr(tool, "PACKAGES", [("not_there", "not_there", ">=1"), ("rich", "rich", "")])
    row = tool.check_package("not_there", "not_there", ">=1")
    assert (row.verdict, row.mend) == ("optional", "")
    assert row.found == 'missing; only rendering data needs it: pip install "not_there>=1"'
    assert tool.main() == 0
    assert "All that is needed is there." in capsys.readouterr().out


def test_what_few_parts_need_is_optional(tool):
    optional = {"anny", "imageio_ffmpeg", "onnx", "onnxruntime", "onnxscript"}
    assert set(tool.OPTIONAL) == optional <= {name for name, *_ in tool.PACKAGES}


def test_in_a_clone_uv_mends(tool, monkeypatch):
    monkeypatch.setattr(tool, "uses_uv", lambda: True)
    assert tool.install_command("roma", ">=1.5") == "uv sync"
    command = tool.install_command("mmcv", ">=2", reinstall=True)
    assert command == "uv sync --reinstall-package onedl-mmcv"


def test_runs_without_any_package(tmp_path):
    """An interpreter that sees the standard library only: a plain table, and exit status 1."""
    command = [sys.executable, "-S", "-E", str(PATH)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["package", "wanted", "found", "verdict"]
    assert any(line.startswith("torch ") and line.endswith("missing") for line in lines)
    assert "To mend it, type:" in lines


def test_ranges_admit_the_pins_of_the_project(tool):
    # What only the tests need is no user's concern.
    text = (ROOT / "pyproject.toml").read_text().partition("[dependency-groups]")[0]
    pins = re.findall(r'^  "([\w-]+)==([\d.]+)",$', text, re.M)
    # Those of the extras, on one line each.
    extras = text.partition("[project.optional-dependencies]")[2]
    pins += re.findall(r'"([\w-]+)==([\d.]+)"', extras)
    assert len(pins) >= 8
    forks = {fork: name for name, fork in tool.FORKS.items()}
    ranges = {package: wanted for _, package, wanted in tool.PACKAGES}
    for name, version in pins:
        assert tool.fits(version, ranges[forks.get(name, name)]), name
