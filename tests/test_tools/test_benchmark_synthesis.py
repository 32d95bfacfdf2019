"""The benchmark of system A's steps runs on a small model."""

import json
import sys

from tiny_runs import ROOT, load_script


def test_benchmark_of_synthesis_compares_every_objective(tmp_path, monkeypatch):
    config = tmp_path / "small.py"
    shipped = ROOT / "configs" / "part_synth_synthetic.py"
    config.write_text(
        f"_base_ = [{str(shipped)!r}]\n"
        "train_dataloader = dict(batch_size=2, dataset=dict(num_frames=2, crop=dict(size=32)))\n"
        "small = dict(batch_size=4, fresh=2, start=4)\n"
        "model = dict(objectives=dict(puppet=small))\n"
    )
    out = tmp_path / "benchmark.json"
    arguments = [str(config), "--repeats", "1", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["benchmark_synthesis.py", *arguments])
    load_script("tools/analysis/benchmark_synthesis.py").main()
    result = json.loads(out.read_text())
    assert set(result["objectives"]) == {"puppet", "synthesis", "cycle"}
    rows = [*result["objectives"].values(), result["part_maps"]]
    assert all(row["ratio"] > 0 and row["ms"] > 0 for row in rows)
    assert result["objectives"]["cycle"]["images"] == 4
