"""Put a trained model into the package: its config, half precision weights and a metafile.

python tools/publish_model.py CONFIG CHECKPOINT --out projects/part_synth/zoo/NAME \
        --results metrics.json --test-data "..." --data "..." --command "..." --seed 0
"""

import argparse
import datetime
import json
import sys
from pathlib import Path

import yaml
from part_synth.apis import ConfigError
from part_synth.apis.cli import run_tool
from part_synth.apis.publish import publish_model


def main() -> None:
    """Parse the command line and write the folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config")
    parser.add_argument("checkpoint")
    parser.add_argument("--results", required=True, help="metrics that tools/test.py --out wrote")
    parser.add_argument("--test-data", required=True, help="in words: what the metrics are of")
    parser.add_argument("--data", required=True, help="in words: what it was trained on")
    parser.add_argument("--command", required=True, help="the command that trained it")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--commit", default="", help="commit that it was trained at")
    parser.add_argument("--date", default=datetime.date.today().isoformat())
    parser.add_argument("--out", required=True, help="folder, named as the model")
    args = parser.parse_args()

    try:
        metrics = json.loads(Path(args.results).read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"--results {args.results} can't be read as JSON: {error}") from error
    metafile = {
        "name": Path(args.out).name,
        "config": Path(args.config).name,
        "training_data": args.data,
        "command": args.command,
        "seed": args.seed,
        "commit": args.commit,
        "date": args.date,
        "metrics_on": args.test_data,
        "metrics": {name: round(float(v), 2) for name, v in metrics.items() if "/" not in name},
    }
    out = publish_model(args.config, args.checkpoint, args.out)
    (out / "metafile.yml").write_text(yaml.safe_dump(metafile, sort_keys=False, width=100))


if __name__ == "__main__":
    sys.exit(run_tool(main))
