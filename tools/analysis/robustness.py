"""Test checkpoints under conditions that training never saw, and write a page of the table.

    python tools/analysis/robustness.py CHECKPOINT... [--base CONFIG] [--configs DIR] [--out DIR]
        [--add]

Every config of the folder is a condition; the first row is the config that they vary (--base).
Several checkpoints are seeds of one training: the table has their medians; --add takes further
seeds to those that OUT has. What the first run needs (test people before other cameras, in other
clothes) is rendered by itself.
"""

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from part_synth.apis.cli import run_tool
from part_synth.apis.errors import ConfigError
from part_synth.evaluation.results_page import medians, metrics_table
from part_synth.evaluation.results_table import COLUMNS, MEAN_POSE_KEY
from rich.progress import track

_FILE = "robustness.json"
_TOOLS = Path(__file__).resolve().parents[1]
_PAGE = """# Conditions that training never saw

Medians over {count} checkpoint(s). One condition at a time differs from the first row; the configs
in `{folder}` say what. The page is made by

{runs}

{table}
"""


def measure(config: Path, checkpoint: str, folder: Path) -> dict[str, float]:
    """Metrics of one test run, in a process of its own."""
    out = folder / "metrics.json"
    command = [sys.executable, str(_TOOLS / "test.py"), str(config), checkpoint]
    done = subprocess.run(
        [*command, "--work-dir", str(folder / "run"), "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise ValueError(f"tools/test.py {config} {checkpoint} failed: {said}")
    return {k: round(v, 3) for k, v in json.loads(out.read_text()).items() if _is_column(k)}


def _is_column(key: str) -> bool:
    return key == MEAN_POSE_KEY or key in dict(COLUMNS).values()


def _kept(out: Path, names: list[str]) -> tuple[list[dict], dict[str, list[dict]]]:
    """Runs and rows that a folder has, to be gone on with.

    Raises:
        FileNotFoundError: It has none.
        ConfigError: They are of other conditions.
    """
    file = out / _FILE
    if not file.is_file():
        raise FileNotFoundError(f"There is no {file} to add to; leave --add out.")
    kept = json.loads(file.read_text())
    if list(kept["rows"]) != names:
        raise ConfigError(
            f"{file} has the conditions {', '.join(kept['rows'])}, and these are "
            f"{', '.join(names)}; test all checkpoints anew, without --add."
        )
    return kept["runs"], kept["rows"]


def table(rows: dict[str, list[dict[str, float]]]) -> str:
    """Markdown of the medians."""
    middle = {name: medians(runs) for name, runs in rows.items()}
    return "\n".join(
        metrics_table([""], [([name], m, m[MEAN_POSE_KEY]) for name, m in middle.items()])
    )


def main() -> None:
    """Parse the command line, test everything, write robustness.json and README.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", nargs="+", metavar="CHECKPOINT")
    parser.add_argument("--base", default="configs/part_synth_synthetic.py", help="first row")
    parser.add_argument("--configs", default="configs/robustness", help="folder of the conditions")
    parser.add_argument("--out", default="docs/results/robustness", help="folder of the page")
    parser.add_argument("--commit", default="", help="commit that the checkpoints are of")
    parser.add_argument("--add", action="store_true", help="keep the checkpoints that OUT has")
    args = parser.parse_args()

    conditions = sorted(Path(args.configs).glob("*.py"))
    if not conditions:
        raise FileNotFoundError(f"No config (*.py) in {args.configs}: name a folder of them.")
    for checkpoint in args.checkpoints:
        if not Path(checkpoint).is_file():
            raise FileNotFoundError(f"There is no checkpoint {checkpoint}.")
    configs = {"as in training": Path(args.base)}
    configs |= {path.stem.replace("_", " "): path for path in conditions}
    out = Path(args.out)
    runs, rows = _kept(out, list(configs)) if args.add else ([], {name: [] for name in configs})
    jobs = [(name, checkpoint) for name in configs for checkpoint in args.checkpoints]
    with tempfile.TemporaryDirectory() as folder:
        for name, checkpoint in track(jobs, "Testing"):
            rows[name].append(measure(configs[name], checkpoint, Path(folder)))

    # Folders tell the runs apart; where those lie is a matter of the machine.
    names = " ".join("/".join(Path(checkpoint).parts[-2:]) for checkpoint in args.checkpoints)
    command = f"python tools/analysis/robustness.py {names} --base {args.base}"
    runs.append(
        {
            "date": datetime.date.today().isoformat(),
            "command": command + " --add" * args.add,
            "commit": args.commit or "unknown",
        }
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / _FILE).write_text(json.dumps({"runs": runs, "rows": rows}, indent=1) + "\n")
    page = _PAGE.format(
        count=len(next(iter(rows.values()))),
        folder=args.configs,
        runs="\n".join(
            "- `{command}` ({date}, checkpoints of commit {commit})".format(**r) for r in runs
        ),
        table=table(rows),
    )
    (out / "README.md").write_text(page)
    print(table(rows))


if __name__ == "__main__":
    sys.exit(run_tool(main))
