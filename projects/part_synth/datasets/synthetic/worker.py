"""Worker process of the generator: ``python -m part_synth.datasets.synthetic.worker JOB``.

JOB is a JSON file: the recipe, the folder, the body file and this worker's tasks. Every time some
images are done, their number goes to standard output on a line of its own. A worker whose parent
has gone finds its output closed, and ends.
"""

import json
import os
import sys
from pathlib import Path

from part_synth.datasets.synthetic.bodies import BodyModel
from part_synth.datasets.synthetic.generate import run_tasks
from part_synth.datasets.synthetic.recipe import Recipe


def _report(images: int) -> None:
    sys.stdout.write(f"{images}\n")
    sys.stdout.flush()


def main() -> int:
    """Run the tasks of the job file named on the command line; the exit status."""
    job = json.loads(Path(sys.argv[1]).read_text())
    try:
        run_tasks(
            Recipe.from_json(job["recipe"]),
            Path(job["folder"]),
            job["tasks"],
            BodyModel.load(job["body_file"]),
            _report,
        )
    except BrokenPipeError:
        # Nothing can be written any more, not even by the interpreter's own flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
