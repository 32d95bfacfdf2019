"""The table of a model beside its baselines, for the terminal and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

MEAN_POSE_KEY = "baseline_mean_pose_p_mpjpe_mm"
RANDOM_POSE_KEY = "baseline_random_pose_p_mpjpe_mm"

COLUMNS = (
    ("P-MPJPE mm", "p_mpjpe_mm"),
    ("N-MPJPE mm", "n_mpjpe_mm"),
    ("MPJPE mm", "mpjpe_mm"),
    ("PCK %", "pck150_pct"),
    ("AUC %", "auc_pct"),
    ("part mIoU %", "part_miou_pct"),
    ("fg IoU %", "fg_iou_pct"),
    ("depth flips %", "depth_flip_pct"),
    ("2D error %", "kpt2d_err_pct"),
    ("spread mm", "pred_spread_mm"),
    # Of Mean-PA-MPJPE@1 the hardest: other cameras and other people.
    ("retrieval @1 mm", "cross_view_pa_mpjpe@1_mm/person"),
    ("identity probe %", "identity_probe_acc_pct"),
)
MEAN_POSE_NAME = "mean pose (canonical)"
RATIO_COLUMN = "P / mean pose"
_NO_VALUE = "–"


@dataclass(frozen=True)
class ResultRow:
    """One row of the table.

    Attributes:
        name: What was measured.
        metrics: Values by plain key (no prefix); missing ones are left blank.
        emphasis: Whether this is the model the table is about.
    """

    name: str
    metrics: Mapping[str, float]
    emphasis: bool = False


def find_metric(metrics: Mapping[str, float], key: str) -> float | None:
    """Value of a metric, whatever prefix the evaluator gave it.

    Args:
        metrics: Values by key, such as ``test/p_mpjpe_mm``.
        key: Plain key, such as ``p_mpjpe_mm``.

    Returns:
        The value; None where there is none.
    """
    names = [name for name in metrics if name == key or name.endswith(f"/{key}")]
    value = metrics[min(names, key=len)] if names else None
    return float(value) if isinstance(value, (int, float)) else None


def result_rows(
    metrics: Mapping[str, float],
    name: str = "this model",
    untrained: Mapping[str, float] | None = None,
    compare: Sequence[tuple[str, Mapping[str, float]]] = (),
    untrained_name: str = "untrained network",
) -> list[ResultRow]:
    """Rows of the table: baselines, untrained network, other runs, this model.

    Args:
        metrics: The model's metrics, with any prefix.
        name: What to call the model.
        untrained: Metrics of the same network before training.
        compare: Names and metrics of other runs, such as the supervised twin.
        untrained_name: What to call the network before training.

    Returns:
        Rows in the order of the table.
    """
    rows = []
    for label, key in (
        (MEAN_POSE_NAME, MEAN_POSE_KEY),
        ("random training pose", RANDOM_POSE_KEY),
    ):
        value = find_metric(metrics, key)
        if value is not None:
            rows.append(ResultRow(label, {"p_mpjpe_mm": value}))
    if untrained:
        rows.append(ResultRow(untrained_name, _plain(untrained)))
    rows.extend(ResultRow(label, _plain(values)) for label, values in compare)
    rows.append(ResultRow(name, _plain(metrics), emphasis=True))
    return rows


def rich_table(rows: Sequence[ResultRow], title: str = "", caption: str = "") -> Table:
    """The table for the terminal.

    Args:
        rows: See :func:`result_rows`.
        title: Line above the table.
        caption: Line below the table.

    Returns:
        A table that ``rich.console.Console.print`` prints.
    """
    header, cells = _cells(rows)
    table = Table(title=title or None, caption=caption or None, title_justify="left")
    for i, label in enumerate(header):
        table.add_column(label, justify="left" if i == 0 else "right")
    for row, line in zip(rows, cells, strict=True):
        table.add_row(*line, style="bold green" if row.emphasis else None)
    return table


def markdown_table(rows: Sequence[ResultRow]) -> str:
    """The table as Markdown.

    Args:
        rows: See :func:`result_rows`.

    Returns:
        Lines of Markdown, the model's own row in bold.
    """
    header, cells = _cells(rows)
    lines = [" | ".join(header), " | ".join(["---", *["---:"] * (len(header) - 1)])]
    for row, line in zip(rows, cells, strict=True):
        lines.append(" | ".join(f"**{c}**" if row.emphasis else c for c in line))
    return "\n".join(f"| {line} |" for line in lines)


def _plain(metrics: Mapping[str, float]) -> dict[str, float]:
    found = {key: find_metric(metrics, key) for _, key in COLUMNS}
    return {key: value for key, value in found.items() if value is not None}


def _cells(rows: Sequence[ResultRow]) -> tuple[list[str], list[list[str]]]:
    """Header and texts of all rows; columns that no row fills are left out."""
    columns = [(label, key) for label, key in COLUMNS if any(key in r.metrics for r in rows)]
    mean_pose = next((r.metrics["p_mpjpe_mm"] for r in rows if r.name == MEAN_POSE_NAME), None)
    header = ["", *(label for label, _ in columns)]
    cells = [[r.name, *(_number(r.metrics.get(key)) for _, key in columns)] for r in rows]
    if mean_pose:
        header.append(RATIO_COLUMN)
        for row, line in zip(rows, cells, strict=True):
            value = row.metrics.get("p_mpjpe_mm")
            line.append(_NO_VALUE if value is None else f"{value / mean_pose:.2f}")
    return header, cells


def _number(value: float | None) -> str:
    if value is None:
        return _NO_VALUE
    return "diverged" if math.isnan(value) else f"{value:.1f}"
