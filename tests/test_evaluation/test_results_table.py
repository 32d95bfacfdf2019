from __future__ import annotations

import io

import pytest
from part_synth.evaluation.results_table import (
    find_metric,
    markdown_table,
    result_rows,
    rich_table,
)
from rich.console import Console

METRICS = {
    "test/p_mpjpe_mm": 66.0,
    "test/p_mpjpe_mm/Walk": 50.0,
    "test/mpjpe_mm": 120.25,
    "test/part_miou_pct": 31.0,
    "test/baseline_mean_pose_p_mpjpe_mm": 110.0,
    "test/baseline_random_pose_p_mpjpe_mm": 132.0,
}


def test_find_metric_takes_the_whole_set_and_any_prefix():
    assert find_metric(METRICS, "p_mpjpe_mm") == 66.0
    assert find_metric({"p_mpjpe_mm": 3}, "p_mpjpe_mm") == 3.0
    assert find_metric(METRICS, "n_mpjpe_mm") is None


def test_markdown_holds_rows_and_ratio():
    rows = result_rows(METRICS, "ours", {"p_mpjpe_mm": 140.0}, [("labels", {"p_mpjpe_mm": 60.0})])
    lines = markdown_table(rows).splitlines()
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["", "P-MPJPE mm", "MPJPE mm", "part mIoU %", "P / mean pose"]
    assert cells[2:] == [
        ["mean pose (canonical)", "110.0", "–", "–", "1.00"],
        ["random training pose", "132.0", "–", "–", "1.20"],
        ["untrained network", "140.0", "–", "–", "1.27"],
        ["labels", "60.0", "–", "–", "0.55"],
        ["**ours**", "**66.0**", "**120.2**", "**31.0**", "**0.60**"],
    ]
    assert len({line.count("|") for line in lines}) == 1


def test_table_without_baselines_has_no_ratio():
    assert "mean pose" not in markdown_table(result_rows({"p_mpjpe_mm": 60.0}))


def test_rich_table_prints_everything():
    stream = io.StringIO()
    rows = result_rows({**METRICS, "test/mpjpe_mm": float("nan")}, "ours")
    Console(file=stream, width=140).print(rich_table(rows, "Results of x", "test set"))
    text = stream.getvalue()
    for word in ("Results of x", "test set", "ours", "66.0", "diverged", "0.60", "110.0"):
        assert word in text
    assert "…" not in text


@pytest.mark.parametrize("untrained", [None, {}])
def test_missing_untrained_row_is_left_out(untrained):
    names = [row.name for row in result_rows(METRICS, untrained=untrained)]
    assert names == ["mean pose (canonical)", "random training pose", "this model"]
