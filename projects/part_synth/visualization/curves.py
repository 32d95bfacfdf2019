"""Learning curves from the log of a run."""

from __future__ import annotations

import json
from pathlib import Path

# Panels: title, and which keys of the log belong there.
_UNITS = (("mm", "_mm"), ("percent", "_pct"))
_SKIPPED = ("time", "data_time", "memory", "step", "epoch", "iter")


def read_curves(log_json: str | Path) -> dict[str, list[tuple[float, float]]]:
    """Read mmengine's log of scalars, one JSON object per line.

    Args:
        log_json: ``<work_dir>/<timestamp>/vis_data/scalars.json``.

    Returns:
        ``(step, value)`` pairs by name. Keys per action are left out.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no log of scalars.
    """
    path = Path(log_json)
    if not path.is_file():
        raise FileNotFoundError(
            f"No log at {path}: give the scalars.json in the vis_data folder of a run."
        )
    curves: dict[str, list[tuple[float, float]]] = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            step = record["step"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}, line {number}, is no log entry with a 'step': give the scalars.json in "
                "the vis_data folder of a run."
            ) from error
        for key, value in record.items():
            if isinstance(value, (int, float)) and _is_drawn(key):
                curves.setdefault(key, []).append((step, value))
    return curves


def plot_curves(log_json: str | Path, out_png: str | Path) -> None:
    """Draw losses and metrics of a run over its steps.

    Args:
        log_json: ``<work_dir>/<timestamp>/vis_data/scalars.json``.
        out_png: Picture to write; its folder is made.

    Raises:
        FileNotFoundError: There is no such log.
        ValueError: It is no log of scalars, or it is empty.
    """
    curves = read_curves(log_json)
    panels = {title: [k for k in curves if _base(k).endswith(end)] for title, end in _UNITS}
    panels = {"loss": [k for k in curves if "loss" in k], **panels}
    panels = {title: keys for title, keys in panels.items() if keys}
    if not panels:
        raise ValueError(f"{log_json} holds neither losses nor metrics yet.")
    # Imported here: it takes a second that no other picture of ours needs.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0 * len(panels), 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, keys) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        for key in keys:
            steps, values = zip(*sorted(curves[key]), strict=True)
            dashes = "--" if "baseline" in key else "-"
            axes.plot(steps, values, dashes, marker="." if len(steps) < 50 else None, label=key)
        if title == "loss" and all(v > 0 for key in keys for _, v in curves[key]):
            axes.set_yscale("log")
        axes.set(title=title, xlabel="step")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    Path(out_png).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out_png, dpi=110)


def _base(key: str) -> str:
    """A key without its prefix (``val/p_mpjpe_mm`` -> ``p_mpjpe_mm``)."""
    return key.rsplit("/", 1)[-1]


def _is_drawn(key: str) -> bool:
    if key in _SKIPPED:
        return False
    # 'p_mpjpe_mm/Walk': a metric of one action is followed by the action's name.
    return not any(f"{end}/" in key for _, end in _UNITS)
