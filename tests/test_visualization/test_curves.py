from __future__ import annotations

import json

import cv2
import pytest
from part_synth.visualization import plot_curves, read_curves


def write_log(path, epochs=3):
    lines = []
    for epoch in range(1, epochs + 1):
        for i in range(4):
            step = 4 * (epoch - 1) + i + 1
            lines.append({"lr": 1e-3, "loss": 1 / step, "loss_2d": 0.3 / step, "time": 0.1,
                          "epoch": epoch, "iter": step, "step": step})  # fmt: skip
        lines.append({"p_mpjpe_mm": 100 - epoch, "p_mpjpe_mm/Walk": 90, "part_miou_pct": 30,
                      "baseline_mean_pose_p_mpjpe_mm": 110, "step": epoch})  # fmt: skip
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")


def test_curves_are_read(tmp_path):
    write_log(tmp_path / "scalars.json")
    curves = read_curves(tmp_path / "scalars.json")
    assert curves["p_mpjpe_mm"] == [(1, 99), (2, 98), (3, 97)]
    assert len(curves["loss_2d"]) == 12
    assert "p_mpjpe_mm/Walk" not in curves and "time" not in curves


def test_curves_are_plotted(tmp_path):
    write_log(tmp_path / "scalars.json")
    plot_curves(tmp_path / "scalars.json", tmp_path / "plots" / "curves.png")
    image = cv2.imread(str(tmp_path / "plots" / "curves.png"))
    assert image.shape[1] > 1500  # three panels: loss, mm, percent
    assert len({tuple(pixel) for pixel in image[::3, ::3].reshape(-1, 3).tolist()}) > 5


def test_bad_logs(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"scalars\.json"):
        plot_curves(tmp_path / "none.json", tmp_path / "a.png")
    (tmp_path / "bad.json").write_text('{"loss": 1}\n')
    with pytest.raises(ValueError, match="line 1"):
        plot_curves(tmp_path / "bad.json", tmp_path / "a.png")
    (tmp_path / "empty.json").write_text('{"lr": 1, "step": 1}\n')
    with pytest.raises(ValueError, match="neither losses nor metrics"):
        plot_curves(tmp_path / "empty.json", tmp_path / "a.png")
