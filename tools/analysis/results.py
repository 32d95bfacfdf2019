"""Keep a run's result in the repository, and make the results page from all that are kept.

python tools/analysis/results.py record WORK_DIR --name "no labels" --seed 0 --command "..."
python tools/analysis/results.py page
"""

import argparse
import datetime
import json
import sys
from pathlib import Path

from part_synth.apis.cli import run_tool
from part_synth.evaluation.results_page import (
    load_records,
    make_record,
    plot_labels,
    plot_validation,
    results_markdown,
    row_slug,
)

_TITLE = "# Results on the embedded data set, people never seen in training"
_NOTES = "notes.md"
_NOTE = (
    "Medians over the seeds given. All rows are made by `python tools/analysis/results.py page` "
    "(for a folder of results: `--folder FOLDER page`) from the JSON files beside this page.\n\n"
)


def main() -> None:
    """Parse the command line and run `record` or `page`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", default="docs/results", help="folder of the JSON files")
    commands = parser.add_subparsers(dest="do", required=True)
    record = commands.add_parser("record", help="keep the result of one run")
    record.add_argument("work_dir")
    record.add_argument("--name", required=True, help="row of the table")
    record.add_argument("--seed", type=int, required=True)
    record.add_argument("--command", required=True, help="the command that made the run")
    record.add_argument("--date", default=datetime.date.today().isoformat())
    record.add_argument("--commit", default="", help="commit that the run was made at")
    record.add_argument(
        "--labels", type=float, help="percent of the training frames whose labels were used"
    )
    record.add_argument(
        "--order", type=int, default=0, help="place of the row in the table, small ones first"
    )
    commands.add_parser("page", help="write README.md and the plots")
    args = parser.parse_args()

    folder = Path(args.folder)
    if args.do == "record":
        result = make_record(
            args.work_dir,
            args.name,
            args.seed,
            args.command,
            args.date,
            args.commit,
            args.labels,
            args.order,
        )
        folder.mkdir(parents=True, exist_ok=True)
        share = "" if args.labels is None else f"_{args.labels:06.2f}pct"
        path = folder / f"{row_slug(args.name)}{share}_seed{args.seed}.json"
        path.write_text(json.dumps(result, indent=1) + "\n")
        return
    records = load_records(folder)
    notes = folder / _NOTES
    # What a table can't say is written by hand, the title too if it begins with one.
    words = notes.read_text() if notes.is_file() else ""
    title, words = words.split("\n", 1) if words.startswith("# ") else (_TITLE, words)
    page = [title, "\n\n", _NOTE, results_markdown(records), "\n![validation](validation.png)\n"]
    if plot_labels(records, folder / "labels.png"):
        page.append("\n![error over labels](labels.png)\n")
    page.append("\n" + words.lstrip("\n") if words else "")
    (folder / "README.md").write_text("".join(page))
    plot_validation(records, folder / "validation.png")


if __name__ == "__main__":
    sys.exit(run_tool(main))
