"""How fast a gallery is searched on the CPU, in one run on one machine.

    python tools/analysis/benchmark_retrieval.py [--frames 100000] [--out benchmark_retrieval.json]

Random unit embeddings. `torch` and, where it is installed, `faiss` are the backends of
part_synth.retrieval.NeighbourIndex, both exact; `numpy full sort` is the plain way that they
replace: all distances with numpy, sorted whole; how many threads its BLAS takes is up to the
environment. The answers of all are compared. The repeats of all alternate.
"""

import argparse
import importlib.util
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from part_synth.apis.cli import run_tool
from part_synth.retrieval import NeighbourIndex
from rich.console import Console


def unit_embeddings(rows: int, dims: int, seed: int) -> np.ndarray:
    """Random directions.

    Args:
        rows: N.
        dims: D.
        seed: Same seed, same numbers.

    Returns:
        (N, D) float32 of length 1.
    """
    values = np.random.default_rng(seed).standard_normal((rows, dims), dtype=np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def full_sort(gallery: np.ndarray, squared: np.ndarray, queries: np.ndarray, topk: int):
    """Rows of the K nearest (Q, K), by sorting all distances.

    Args:
        gallery: (N, D).
        squared: (N,) squared lengths.
        queries: (Q, D).
        topk: K.

    Returns:
        (Q, K) rows.
    """
    return np.argsort(squared - 2.0 * queries @ gallery.T, axis=1)[:, :topk]


def benchmark(args: argparse.Namespace, threads: int, batch: int) -> list[dict]:
    """Milliseconds for a query of every way with so many threads and queries at once.

    Args:
        args: ``frames``, ``dims``, ``topk``, ``repeats``.
        threads: Of every library.
        batch: Queries at once.

    Returns:
        One row for each way.
    """
    torch.set_num_threads(threads)
    gallery = unit_embeddings(args.frames, args.dims, 0)
    squared = np.square(gallery).sum(1)
    queries = unit_embeddings(batch * (args.repeats + 1), args.dims, 1)
    queries = queries.reshape(-1, batch, args.dims)
    ways: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "numpy full sort": lambda block: full_sort(gallery, squared, block, args.topk)
    }
    for backend in ("torch", "faiss"):
        if backend == "torch" or importlib.util.find_spec("faiss") is not None:
            ways[backend] = _searcher(NeighbourIndex(gallery, backend), args.topk)
    if "faiss" in ways:
        import faiss

        faiss.omp_set_num_threads(threads)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for repeat, block in enumerate(queries):
        answers = []
        for name, way in ways.items():
            start = time.perf_counter()
            answers.append(way(block))
            # The first of each is not counted.
            if repeat:
                seconds[name].append(time.perf_counter() - start)
        agree = [np.mean(answer == answers[0]) for answer in answers]
        if min(agree) < 0.99:
            raise RuntimeError(f"The ways disagree: shares of equal answers {agree}.")
    return [
        {
            "what": name,
            "threads": threads,
            "queries_at_once": batch,
            "ms_per_query": 1e3 * statistics.median(times) / batch,
            "ms_per_query_best": 1e3 * min(times) / batch,
            "ms_per_query_worst": 1e3 * max(times) / batch,
        }
        for name, times in seconds.items()
    ]


def _searcher(index: NeighbourIndex, topk: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda block: index.search(block, topk).indices


def main() -> None:
    """Parse the command line, measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=100_000, help="%(default)s")
    parser.add_argument("--dims", type=int, default=128, help="of an embedding (%(default)s)")
    parser.add_argument("--topk", type=int, default=20, help="%(default)s")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64], help="%(default)s")
    parser.add_argument("--repeats", type=int, default=15, help="of each (%(default)s)")
    parser.add_argument(
        "--threads", type=int, nargs="+", help="(default: 1, and as many as the machine has)"
    )
    parser.add_argument("--out", default="benchmark_retrieval.json", help="%(default)s")
    args = parser.parse_args()

    threads = args.threads or sorted({1, len(os.sched_getaffinity(0))})
    rows = [row for t in threads for batch in args.batches for row in benchmark(args, t, batch)]
    result = {
        "what": "retrieval",
        "machine": f"{platform.machine()}, torch {torch.__version__}, numpy {np.__version__}",
        "frames": args.frames,
        "dims": args.dims,
        "topk": args.topk,
        "repeats": args.repeats,
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS"),
        "load_average": os.getloadavg()[0],
        "rows": rows,
    }
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for row in rows:
        console.print(
            f"{row['what']}, {row['threads']} thread(s), {row['queries_at_once']} at once: "
            f"{row['ms_per_query']:.2f} ms a query"
        )
    path = Path(args.out)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(run_tool(main))
