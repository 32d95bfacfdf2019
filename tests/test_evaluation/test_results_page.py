import json

import pytest
from part_synth.evaluation.results_page import (
    load_records,
    make_record,
    plot_labels,
    plot_validation,
    results_markdown,
)


def finished_run(folder, p_mpjpe):
    """A work directory as a run with ResultsTableHook leaves it."""
    log = folder / "20260101_000000" / "vis_data"
    log.mkdir(parents=True)
    metrics = {
        "p_mpjpe_mm": p_mpjpe,
        "baseline_mean_pose_p_mpjpe_mm": 100.0,
        "untrained/p_mpjpe_mm": 130.0,
    }
    (folder / "results.json").write_text(json.dumps(metrics))
    (folder / "part_synth_x.py").write_text("")
    lines = [
        {"epoch": 1, "iter": 50, "step": 50, "time": 0.3, "loss": 1.0},
        {"epoch": 1, "iter": 100, "step": 100, "time": 0.1, "loss": 0.5},
        {"p_mpjpe_mm": 91.23456, "step": 1},
    ]
    (log / "scalars.json").write_text("\n".join(json.dumps(line) for line in lines))
    return folder


def test_record_holds_metrics_curve_and_pace(tmp_path):
    record = make_record(finished_run(tmp_path, 70.5), "no labels", 3, "python x", "2026-01-02")
    assert record["metrics"]["p_mpjpe_mm"] == 70.5
    assert record["validation_p_mpjpe_mm"] == [[1, 91.23]]
    assert record["seconds_per_iteration"] == 0.2
    assert (record["seed"], record["config"]) == (3, "part_synth_x.py")


def test_unfinished_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"results\.json"):
        make_record(tmp_path, "x", 0, "", "")
    with pytest.raises(FileNotFoundError, match="No result"):
        load_records(tmp_path)


def test_rows_stand_in_the_order_asked_for(tmp_path):
    run = finished_run(tmp_path / "run", 70.0)
    for name, order in (("a", 2), ("b", 1), ("c", 0)):
        record = make_record(run, name, 0, "python x", "2026-01-02", order=order)
        (tmp_path / f"{name}.json").write_text(json.dumps(record))
    assert [record["name"] for record in load_records(tmp_path)] == ["c", "b", "a"]


def test_untrained_network_of_any_record(tmp_path):
    record = make_record(finished_run(tmp_path / "run", 70.0), "no labels", 0, "x", "2026-01-02")
    metrics = record["metrics"].items()
    resumed = {**record, "metrics": {k: v for k, v in metrics if not k.startswith("untrained/")}}
    page = results_markdown([resumed, record])
    assert "| untrained network | 1 | 130.0 | 1.30 |" in page
    assert "untrained network" not in results_markdown([resumed])


def test_untrained_network_is_the_median_of_the_row_with_most_seeds(tmp_path):
    run = finished_run(tmp_path / "run", 70.0)
    records = [make_record(run, "another row", 0, "x", "2026-01-02")]
    for seed, value in enumerate((150.0, 110.0, 120.0)):
        record = make_record(run, "no labels", seed, "x", "2026-01-02")
        record["metrics"]["untrained/p_mpjpe_mm"] = value
        records.append(record)
    assert "| untrained network | 3 | 120.0 | 1.20 |" in results_markdown(records)


def test_page_has_medians_and_ratios(tmp_path):
    records = []
    for seed, value in enumerate((70.0, 90.0, 72.0)):
        run = finished_run(tmp_path / str(seed), value)
        records.append(make_record(run, "no labels", seed, "python train", "2026-01-02"))
    for i, record in enumerate(records):
        (tmp_path / f"{i}.json").write_text(json.dumps(record))
    page = results_markdown(load_records(tmp_path))
    assert "| no labels | 3 | 72.0 | 0.72 |" in page
    assert "| mean pose (canonical) | – | 100.0 | 1.00 |" in page
    assert "| untrained network | 3 | 130.0 | 1.30 |" in page
    assert page.count("`python train`") == 3
    plot_validation(records, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 5000


def test_curve_over_labels(tmp_path):
    records = []
    for share, value in ((1.0, 90.0), (50.0, 70.0)):
        run = finished_run(tmp_path / str(share), value)
        (run / "results.json").write_text(json.dumps({"p_mpjpe_mm": value, "mpjpe_mm": 2 * value}))
        records.append(make_record(run, "metric", 0, "python train", "2026-01-02", labels=share))
    page = results_markdown(records)
    # Each share is a row of its own.
    assert "| metric, 1 % of labels | 1 | 90.0 |" in page
    assert "| metric, 50 % of labels | 1 | 70.0 |" in page
    assert plot_labels(records, tmp_path / "labels.png")
    assert (tmp_path / "labels.png").stat().st_size > 5000
    for record in records:
        del record["labels_pct"]
    assert not plot_labels(records, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
