"""tools/analysis/robustness.py and draw_predictions.py on tiny runs."""

import json
import sys

import numpy as np
import pytest
from mmengine.config import Config
from part_synth.apis.cli import run_tool
from tiny_runs import ROOT, load_script


@pytest.fixture
def tool():
    def load(name):
        return load_script(f"tools/analysis/{name}.py")

    return load


METRICS = {
    "p_mpjpe_mm": 70.0,
    "part_miou_pct": 40.0,
    "baseline_mean_pose_p_mpjpe_mm": 100.0,
    "mpjpe_mm/Walk": 1.0,
}


def test_table_holds_the_medians_of_the_seeds(tool):
    runs = [{**METRICS, "p_mpjpe_mm": value} for value in (90.0, 60.0, 70.0)]
    lines = tool("robustness").table({"as in training": runs, "boxes": runs[:1]}).splitlines()
    assert lines[0] == "|  | P-MPJPE mm | part mIoU % | P / mean pose |"
    assert lines[2:] == [
        "| as in training | 70.0 | 40.0 | 0.70 |",
        "| boxes | 90.0 | 40.0 | 0.90 |",
    ]


@pytest.fixture
def conditions(tmp_path):
    for name in ("far_away", "in_the_dark"):
        (tmp_path / f"{name}.py").write_text("")
    for seed in range(3):
        (tmp_path / f"seed{seed}.pth").touch()
    return tmp_path


@pytest.fixture
def tested(tool, conditions, monkeypatch):
    """Run the tool on these seeds; what it measured, its JSON and its page."""

    def run(*seeds, flags=()):
        module, seen = tool("robustness"), []

        def measure(config, checkpoint, folder):
            seen.append((config.name, checkpoint[-9:-4]))
            return {**METRICS, "p_mpjpe_mm": 70.0 + int(checkpoint[-5])}

        monkeypatch.setattr(module, "measure", measure)
        checkpoints = [str(conditions / f"seed{seed}.pth") for seed in seeds]
        arguments = ["x", *checkpoints, "--configs", str(conditions), *flags]
        arguments += ["--out", str(conditions / "page"), "--commit", "1a2b3c4"]
        monkeypatch.setattr(sys, "argv", arguments)
        status, page = run_tool(module.main), conditions / "page"
        if status:
            return status
        facts = json.loads((page / "robustness.json").read_text())
        return seen, facts, (page / "README.md").read_text()

    return run


def test_every_config_of_the_folder_is_tested_with_every_checkpoint(tested, conditions):
    seen, facts, page = tested(0, 1)
    names = ("part_synth_synthetic.py", "far_away.py", "in_the_dark.py")
    assert seen == [(name, f"seed{seed}") for name in names for seed in range(2)]
    assert facts["rows"]["in the dark"] == [{**METRICS, "p_mpjpe_mm": p} for p in (70.0, 71.0)]
    (run,) = facts["runs"]
    assert str(conditions) not in run["command"]
    assert all(f"{conditions.name}/seed{seed}.pth" in run["command"] for seed in range(2))
    assert run["commit"] == "1a2b3c4"
    assert "| far away | 70.5 | 40.0 | 0.70 |" in page and "over 2 checkpoint(s)" in page


def test_further_seeds_are_added_to_those_that_are_there(tested):
    tested(0)
    seen, facts, page = tested(1, 2, flags=["--add"])
    assert {seed for _, seed in seen} == {"seed1", "seed2"}
    assert [row["p_mpjpe_mm"] for row in facts["rows"]["far away"]] == [70.0, 71.0, 72.0]
    assert [run["command"].endswith("--add") for run in facts["runs"]] == [False, True]
    assert "| far away | 71.0 |" in page and "over 3 checkpoint(s)" in page
    assert all(run["command"] in page for run in facts["runs"])


def test_seeds_are_not_added_to_other_conditions(tested, conditions, capfd):
    assert tested(0, flags=["--add"]) == 2
    assert "robustness.json to add to" in capfd.readouterr().err
    tested(0)
    before = (conditions / "page/robustness.json").read_bytes()
    (conditions / "far_away.py").unlink()
    assert tested(1, flags=["--add"]) == 2
    assert "far away, in the dark" in capfd.readouterr().err
    assert (conditions / "page/robustness.json").read_bytes() == before


def test_what_the_test_tool_said_is_passed_on(tool, tmp_path):
    with pytest.raises(ValueError, match=r"none\.py .*failed: .*Config .*does not exist"):
        tool("robustness").measure(tmp_path / "none.py", "none.pth", tmp_path)


@pytest.mark.parametrize("name", ["none.pth", "folder"])
def test_missing_files_are_named_before_anything_runs(tool, tmp_path, monkeypatch, capfd, name):
    (tmp_path / "c.py").write_text("")
    flags = ["--configs", str(tmp_path if name == "none.pth" else tmp_path / "no")]
    monkeypatch.setattr(sys, "argv", ["x", str(tmp_path / name), *flags])
    assert run_tool(tool("robustness").main) == 2
    assert ("no checkpoint" if name == "none.pth" else "No config") in capfd.readouterr().err


@pytest.mark.parametrize("path", sorted((ROOT / "configs/robustness").glob("*.py")), ids=str)
def test_conditions_change_nothing_but_the_test_data(path):
    base = Config.fromfile(ROOT / "configs/part_synth_synthetic.py")
    condition = Config.fromfile(path)
    left = {k: v for k, v in condition.to_dict().items() if k != "test_dataloader"}
    assert left == {k: v for k, v in base.to_dict().items() if k != "test_dataloader"}
    assert condition.test_dataloader != base.test_dataloader


def test_best_middle_and_worst_are_spread_over_their_tenths(tool):
    errors = np.random.default_rng(0).permutation(100.0 * np.arange(100))
    picked = np.array(errors)[tool("draw_predictions").chosen(list(errors), 3)] / 100
    assert picked.tolist() == [0, 4, 9, 45, 49, 54, 90, 94, 99]


def test_fewer_samples_than_rows(tool):
    assert sorted(set(tool("draw_predictions").chosen([3.0, 1.0], 4).tolist())) == [0, 1]
