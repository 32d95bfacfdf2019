import json
import pickle

import numpy as np
import pytest
import tiny_project
import torch
from part_synth.apis.cli import test_parser as make_parser
from part_synth.apis.cli import write_metrics
from part_synth.apis.config import test_config as make_config
from tiny_runs import TINY_CONFIG, run


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(1)
    path = tmp_path / "tiny.pth"
    torch.save({"meta": {}, "state_dict": tiny_project.TinyModel().state_dict()}, path)
    return path


def test_metrics_and_predictions_are_written(tmp_path, checkpoint, monkeypatch):
    out, dump = tmp_path / "new" / "metrics.json", tmp_path / "predictions.pkl"
    flags = ["--work-dir", tmp_path / "work", "--out", out, "--dump", dump]
    assert run("test", TINY_CONFIG, checkpoint, *flags, monkeypatch=monkeypatch) == 0
    metrics = json.loads(out.read_text())
    assert set(metrics) == {"p_mpjpe_mm", "undefined_pct"} and metrics["undefined_pct"] is None

    torch.manual_seed(1)
    model, points = tiny_project.TinyModel().eval(), tiny_project.TinyDataset().points
    expected = (model(points) - points).norm(dim=1).mean()
    assert metrics["p_mpjpe_mm"] == pytest.approx(float(expected), rel=1e-5)
    predictions = pickle.loads(dump.read_bytes())
    assert len(predictions) == len(points)
    assert np.allclose(np.stack([p["gt"] for p in predictions]), points)


def test_several_evaluators_keep_their_order_beside_dump(checkpoint):
    args = [str(TINY_CONFIG), str(checkpoint), "--dump", "x.pkl"]
    cfg = make_config(make_parser().parse_args(args))
    assert [e.type for e in cfg.test_evaluator] == ["TinyMetric", "DumpResults"]
    assert cfg.load_from == str(checkpoint) and cfg.resume is False


def test_badcase_and_show_dir_switch_their_hooks_on(checkpoint):
    options = [f"default_hooks.{name}.enable=False" for name in ("badcase", "visualization")]
    args = [str(TINY_CONFIG), str(checkpoint), "--badcase", "--show-dir", "d", "--interval", "3"]
    cfg = make_config(make_parser().parse_args([*args, "--cfg-options", *options]))
    assert cfg.default_hooks.badcase.enable and cfg.default_hooks.badcase.interval == 3
    assert cfg.default_hooks.visualization.enable
    assert cfg.default_hooks.visualization.out_dir == "d"


def test_json_holds_plain_numbers_and_nothing_else(tmp_path):
    metrics = {
        "a_mm": np.float32(1.5),
        "b_pct": torch.tensor(2),
        "bad": float("inf"),
        "curve": [1.0, 2.0],
        "per_joint": np.ones(3),
        "name": "x",
    }
    write_metrics(metrics, str(tmp_path / "m.json"))
    assert json.loads((tmp_path / "m.json").read_text()) == {"a_mm": 1.5, "b_pct": 2.0, "bad": None}
    write_metrics({"a_mm": 1.5}, str(tmp_path / "m.yaml"))
    assert (tmp_path / "m.yaml").read_text().strip() == "a_mm: 1.5"
