"""Results kept in the repository: a small JSON per run, and the page made from them.

A record holds all that is needed to repeat a run and to draw its row: name, config, command,
seed, hardware, date, minutes, the test metrics (flat, as ``results.json`` of the run has them) and
the validation curve.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from part_synth.evaluation.results_table import COLUMNS, MEAN_POSE_KEY, RANDOM_POSE_KEY

_CURVE_KEY = "p_mpjpe_mm"
_UNTRAINED = "untrained/"
_BLANK = "–"
# Characters of a name that two columns of a plot's legend have room for.
_LONGEST_OF_TWO = 56
_RETRIEVAL = "cross_view_{}_mm/person"


def row_slug(name: str) -> str:
    """A row's name as part of a file's: lower case, digits, underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def make_record(
    work_dir: str | Path,
    name: str,
    seed: int,
    command: str,
    date: str,
    commit: str = "",
    labels: float | None = None,
    order: int = 0,
) -> dict:
    """Record of a finished run.

    Args:
        work_dir: Folder of the run, with ``results.json`` (written by ``ResultsTableHook``).
        name: Row it belongs to; runs of several seeds share it.
        seed: Seed of the run.
        command: The command that makes the run.
        date: Date of the run, YYYY-MM-DD.
        commit: Commit that the run was made at.
        labels: Share of the training frames whose labels were used, percent: a point of the curve
            of its row's name over labels.
        order: Place of the row in the table, small ones first.

    Returns:
        The record, ready for JSON.

    Raises:
        FileNotFoundError: The run has no ``results.json`` or no log of scalars.
    """
    work_dir = Path(work_dir)
    results = work_dir / "results.json"
    if not results.is_file():
        raise FileNotFoundError(
            f"No {results}: give the work directory of a run that came to its end with "
            "part_synth.ResultsTableHook among its hooks."
        )
    logs = sorted(work_dir.glob("*/vis_data/scalars.json"))
    if not logs:
        raise FileNotFoundError(f"No log of scalars below {work_dir} (*/vis_data/scalars.json).")
    records = [json.loads(line) for log in logs for line in log.read_text().splitlines() if line]
    train = [r for r in records if "iter" in r and "time" in r and "epoch" in r]
    curve = [
        [r["step"], round(r[_CURVE_KEY], 2)]
        for r in records
        if _CURVE_KEY in r and "epoch" not in r
    ]
    configs = sorted(work_dir.glob("*.py"))
    return {
        "name": name,
        "config": configs[0].name if configs else "",
        "command": command,
        "seed": seed,
        "date": date,
        "commit": commit,
        "hardware": f"{os.cpu_count()} cores, {_processor()}",
        "iterations": max((r["iter"] for r in train), default=0),
        "seconds_per_iteration": round(median(r["time"] for r in train), 4) if train else None,
        "metrics": {
            key: round(value, 3)
            for key, value in json.loads(results.read_text()).items()
            if isinstance(value, (int, float))
        },
        "validation_p_mpjpe_mm": curve,
        **({} if labels is None else {"labels_pct": labels}),
        **({"order": order} if order else {}),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def load_records(folder: str | Path) -> list[dict]:
    """All records of a folder, by their ``order`` and then by their file names.

    Raises:
        FileNotFoundError: There is none.
    """
    files = sorted(Path(folder).glob("*.json"))
    if not files:
        raise FileNotFoundError(f"No result (*.json) in {folder}; make one with `record`.")
    records = [json.loads(file.read_text()) for file in files]
    return sorted(records, key=lambda record: record.get("order", 0))


def results_markdown(records: list[dict]) -> str:
    """The page: one table with medians over seeds and the baselines, then how to repeat each row.

    Args:
        records: See :func:`make_record`.

    Returns:
        Markdown.
    """
    first = records[0]["metrics"]
    rows: list[tuple[str, str, dict]] = []
    for label, key in (
        ("mean pose (canonical)", MEAN_POSE_KEY),
        ("random unpaired pose", RANDOM_POSE_KEY),
    ):
        if key in first:
            rows.append((label, _BLANK, {_CURVE_KEY: first[key]}))
    untrained = _untrained(records)
    if untrained:
        rows.append(("untrained network", str(len(untrained)), medians(untrained)))
    names = list(dict.fromkeys(map(_row_name, records)))
    for name in names:
        group = [record["metrics"] for record in records if _row_name(record) == name]
        rows.append((name, str(len(group)), medians(group)))
    mean_pose = first.get(MEAN_POSE_KEY)
    lines = metrics_table(
        ["", "seeds"], [([label, seeds], values, mean_pose) for label, seeds, values in rows]
    )
    if "gt_spread_mm" in first:
        lines += ["", f"Spread of the true poses: {first['gt_spread_mm']:.1f} mm."]
    oracle, chance = (
        first.get(_RETRIEVAL.format(key)) for key in ("oracle_pa_mpjpe@1", "chance_pa_mpjpe")
    )
    if oracle is not None and chance is not None:
        lines += ["", f"Retrieval @1: oracle {oracle:.1f} mm, chance {chance:.1f} mm."]
    lines += ["", "## How each row was made", ""]
    for record in records:
        pace = record["seconds_per_iteration"]
        lines.append(
            f"- **{_row_name(record)}**, seed {record['seed']}, {record['date']}, "
            f"{record['hardware']}, at commit {record['commit'] or 'unknown'}: "
            f"`{record['command']}` "
            f"({record['iterations']} iterations, {pace} s each)"
        )
    return "\n".join(lines) + "\n"


def medians(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Median over runs of each metric that all of them have."""
    shared = set.intersection(*(set(metrics) for metrics in runs))
    return {key: median(metrics[key] for metrics in runs) for key in shared}


def metrics_table(
    heads: Sequence[str], rows: Sequence[tuple[Sequence[str], dict[str, float], float | None]]
) -> list[str]:
    """Lines of a Markdown table of metrics.

    Args:
        heads: Above the cells that come first.
        rows: The first cells, metrics by plain key, and the P-MPJPE of the mean pose, mm, for the
            last column.

    Returns:
        The lines; columns that no row has a value for are left out.
    """
    columns = [(label, key) for label, key in COLUMNS if any(key in row[1] for row in rows)]
    header = [*heads, *(label for label, _ in columns), "P / mean pose"]
    lines = [_line(header), _line(["---", *["---:"] * (len(header) - 1)])]
    for first, metrics, mean_pose in rows:
        cells = [_number(metrics.get(key)) for _, key in columns]
        error = metrics.get(_CURVE_KEY)
        cells.append(f"{error / mean_pose:.2f}" if error and mean_pose else _BLANK)
        lines.append(_line([*first, *cells]))
    return lines


def _untrained(records: list[dict]) -> list[dict[str, float]]:
    """Metrics of the untrained network, of each seed of the row that has most of them."""
    rows: dict[str, list[dict[str, float]]] = {}
    for record in records:
        metrics = record["metrics"].items()
        found = {k[len(_UNTRAINED) :]: v for k, v in metrics if k.startswith(_UNTRAINED)}
        if found:
            rows.setdefault(_row_name(record), []).append(found)
    return max(rows.values(), key=len, default=[])


def _row_name(record: dict) -> str:
    labels = record.get("labels_pct")
    return record["name"] if labels is None else f"{record['name']}, {labels:g} % of labels"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _number(value: float | None) -> str:
    return _BLANK if value is None else f"{value:.1f}"


def plot_validation(records: list[dict], out_png: str | Path) -> None:
    """Draw the validation curves (P-MPJPE over epochs) of all records, and the mean pose.

    Args:
        records: See :func:`make_record`.
        out_png: Picture to write.
    """
    from matplotlib import colormaps

    figure, axes = _figure()
    # One colour for all seeds of a row; twenty differ.
    colours: dict[str, tuple] = {}
    for record in records:
        curve, name = record["validation_p_mpjpe_mm"], _row_name(record)
        if curve:
            steps, values = zip(*curve, strict=True)
            label = None if name in colours else name
            colour = colours.setdefault(name, colormaps["tab20"](len(colours) % 20))
            axes.plot(steps, values, marker=".", color=colour, label=label)
    axes.set(xlabel="epoch", ylabel="P-MPJPE on validation people, mm")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    # Below the axes: a dozen rows would hide the curves.
    ncols = 2 if max(map(len, colours), default=0) <= _LONGEST_OF_TWO else 1
    figure.legend(fontsize=8, loc="outside lower center", ncols=ncols)
    figure.set_figheight(4.5 + 0.24 * len(colours) / ncols)
    figure.savefig(out_png, dpi=110)


def plot_labels(records: list[dict], out_png: str | Path) -> bool:
    """Draw the test error over the share of labels, a curve per name.

    Args:
        records: See :func:`make_record`; those without ``labels`` are not drawn.
        out_png: Picture to write.

    Returns:
        Whether there was anything to draw.
    """
    curves: dict[str, dict[float, list[dict]]] = {}
    for record in records:
        if "labels_pct" in record:
            points = curves.setdefault(record["name"], {})
            points.setdefault(record["labels_pct"], []).append(record["metrics"])
    if not curves:
        return False
    figure, _ = _figure(columns=2)
    keys = (("P-MPJPE", _CURVE_KEY), ("MPJPE", "mpjpe_mm"))
    for axes, (label, key) in zip(figure.axes, keys, strict=True):
        for name, points in curves.items():
            shares = sorted(points)
            values = [median(metrics[key] for metrics in points[share]) for share in shares]
            axes.plot(shares, values, marker="o", label=name)
        axes.set_xscale("log")
        ticks = sorted({share for points in curves.values() for share in points})
        axes.set_xticks(ticks, [f"{share:g}" for share in ticks], minor=False)
        axes.set(xlabel="labelled frames, percent", ylabel=f"{label} on test people, mm")
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize=8)
    figure.savefig(out_png, dpi=110)
    return True


def _figure(columns: int = 1):
    """A matplotlib figure and its axes, without a window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2 + 5 * columns, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, columns)
