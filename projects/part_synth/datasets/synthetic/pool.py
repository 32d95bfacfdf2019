"""Share the tasks of a data set over worker processes and show how far they are.

The workers are programs of their own rather than forks: they work from any parent (one with
threads, a GPU, or no importable main module), and each computes on one thread.
"""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from mmengine.logging import print_log
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from part_synth.datasets.synthetic.generate import task_file
from part_synth.datasets.synthetic.recipe import Recipe

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_PACKAGE_PARENT = Path(__file__).resolve().parents[3]


def default_workers() -> int:
    """As many workers as this process may use cores, at most 8."""
    return max(1, min(8, len(os.sched_getaffinity(0))))


def run_workers(
    recipe: Recipe, folder: Path, tasks: list[str], body_file: Path, workers: int
) -> None:
    """Run the tasks that are not done yet in ``workers`` processes.

    Raises:
        RuntimeError: with the last lines a worker wrote, if one failed; the others are stopped.
    """
    todo = [task for task in tasks if not task_file(folder, task).exists()]
    if not todo:
        return
    workers = max(1, min(workers, len(todo)))
    with tempfile.TemporaryDirectory() as scratch:
        processes, messages = [], queue.Queue()
        try:
            for index in range(workers):
                job = {
                    "recipe": recipe.to_json(),
                    "folder": str(folder),
                    "body_file": str(body_file),
                    "tasks": todo[index::workers],
                }
                job_file, errors = (Path(scratch) / f"{kind}{index}" for kind in ("job", "errors"))
                job_file.write_text(json.dumps(job))
                processes.append((_start(job_file, errors), errors))
            for process, _ in processes:
                threading.Thread(target=_listen, args=(process, messages), daemon=True).start()
            _follow(recipe, tasks, todo, messages, len(processes))
            _check(processes)
        finally:
            for process, _ in processes:
                if process.poll() is None:
                    process.terminate()
                process.wait()


def _start(job_file: Path, errors: Path) -> subprocess.Popen:
    environment = {**os.environ, **dict.fromkeys(_THREAD_VARIABLES, "1")}
    path = [str(_PACKAGE_PARENT), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(part for part in path if part)
    command = [sys.executable, "-m", "part_synth.datasets.synthetic.worker", str(job_file)]
    with open(errors, "wb") as error_file:
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=error_file, env=environment, text=True
        )


def _listen(process: subprocess.Popen, messages: queue.Queue) -> None:
    """Pass on the counts a worker writes; a line that is not a count (a library's) is not."""
    for line in process.stdout:
        if line.strip().isdigit():
            messages.put(int(line))
    messages.put(None)


def _follow(
    recipe: Recipe, tasks: list[str], todo: list[str], messages: queue.Queue, running: int
) -> None:
    """Show progress until all workers have ended."""
    per_person = recipe.cameras * recipe.frames_per_subject
    people = {subject for subject, _, _ in recipe.people}
    done = per_person * len(people.intersection(tasks) - set(todo))
    total, next_note = recipe.num_images, 0.1
    columns = (
        TextColumn("Rendering people"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("images"),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as bar:
        task = bar.add_task("", total=total, completed=done)
        while running:
            message = messages.get()
            if message is None:
                running -= 1
                continue
            done += message
            bar.update(task, completed=done)
            # A log file gets a line now and then instead of the bar.
            if not bar.console.is_terminal and done >= next_note * total:
                print_log(f"Rendering people: {done} of {total} images", logger="current")
                next_note = done / total + 0.1


def _check(processes: list[tuple[subprocess.Popen, Path]]) -> None:
    for process, errors in processes:
        if process.wait() != 0:
            lines = errors.read_text(errors="replace").strip().splitlines()
            raise RuntimeError(
                "a worker that renders people failed; finished people are kept, so starting "
                "again continues. It said:\n" + "\n".join(lines[-12:])
            )
