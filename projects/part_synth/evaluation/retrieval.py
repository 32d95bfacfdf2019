"""Mean-PA-MPJPE@K: how alike the poses are that an embedding finds alike.

For each query frame the K nearest frames of a gallery are taken, by the distance of embeddings;
the measure is the mean Procrustes-aligned error (no reflection) between the query's true pose and
theirs, over neighbours and queries (Mitra et al., 2019).

Symbols: N frames, Q queries among them, U instants (one person, clip and moment, seen by one or
more cameras), J joints, K neighbours.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from mmengine.logging import print_log
from torch import Tensor

from part_synth.evaluation import functional as F
from part_synth.evaluation.embedded_frames import EmbeddedFrames

PROTOCOLS = ("same_view", "cross_view")
EXCLUDE = ("instant", "clip", "person")
# Largest blocks: pairs of poses that are aligned at once, and queries x frames. Tens of MiB.
_PAIRS = 1 << 16
_BLOCK = 1 << 21


def pairwise_pa_mpjpe(
    queries: F.ArrayLike, gallery: F.ArrayLike, max_pairs: int = _PAIRS
) -> Tensor:
    """PA-MPJPE of every gallery pose aligned to every query pose.

    Args:
        queries: (A, J, 3) metres, any frame.
        gallery: (B, J, 3) metres, any frame.
        max_pairs: Pairs that are aligned at once; bounds the memory.

    Returns:
        (A, B) mm.
    """
    queries, gallery = torch.as_tensor(queries), torch.as_tensor(gallery)
    rows, columns = len(queries), len(gallery)
    parts = [
        F.p_mpjpe(gallery[pair % columns], queries[pair // columns], reduction="pose")
        for pair in torch.arange(rows * columns).split(max_pairs)
    ]
    return torch.cat(parts).reshape(rows, columns) if parts else queries.new_zeros(rows, columns)


def evaluate_retrieval(
    frames: EmbeddedFrames,
    topk: Sequence[int] = (1, 5, 10, 20),
    protocols: Sequence[str] = PROTOCOLS,
    exclude: str | Sequence[str] = "instant",
    min_gap: float = 0.5,
    max_queries: int | None = 4000,
    seed: int = 0,
) -> dict[str, float]:
    """Mean-PA-MPJPE@K of an embedding, of an oracle and of chance; works without a runner.

    Every frame is a query, and every other frame that the protocol and ``exclude`` allow is its
    gallery. Queries with fewer than max(K) allowed frames are left out, and the log says how many.
    The oracle takes the K frames whose poses are truly nearest; chance is the mean error over all
    allowed frames, which is exact and not a draw. All three see the same queries and galleries.

    The true poses of one instant in several cameras differ by a rotation only, so errors are
    computed between instants, (U, U) in blocks, 8 microseconds for each pair on one core.

    Args:
        frames: The test set, with poses. Frames with a joint that is not annotated are left out.
        topk: The K.
        protocols: ``'same_view'`` (gallery: frames of the query's camera) and ``'cross_view'``
            (gallery: frames of all other cameras).
        exclude: What a query may not retrieve: ``'instant'``, frames of the same person and clip
            less than ``min_gap`` from it; ``'clip'``, all frames of the same person and clip;
            ``'person'``, all frames of the same person. Several are told apart by a suffix of the
            keys, such as ``/person``.
        min_gap: Seconds, for ``'instant'``.
        max_queries: More queries are thinned to about this many, by whole instants; None takes
            all. The gallery always keeps all frames.
        seed: Of the thinning.

    Returns:
        For each protocol, such as ``cross_view``: ``cross_view_pa_mpjpe@K_mm``,
        ``cross_view_oracle_pa_mpjpe@K_mm`` for each K, ``cross_view_chance_pa_mpjpe_mm``, and for
        the smallest K the ratios ``cross_view@K_over_oracle`` and ``cross_view@K_over_chance``.

    Raises:
        ValueError: An argument is wrong, poses are missing, ``'cross_view'`` meets one camera
            only, or no query has enough frames that it may retrieve.
    """
    topk, rules = check_options(topk, protocols, exclude, min_gap, max_queries)
    frames = _check_frames(frames, protocols)
    finite = bool(np.isfinite(frames.embeddings).all())
    if not finite:
        print_log(
            "Some embeddings are NaN or infinite, and so is their retrieval error: training has "
            "diverged. Lower the learning rate or clip gradients.",
            logger="current",
            level=logging.WARNING,
        )
    rows: dict[tuple[str, str], list[Tensor]] = {(p, r): [] for p in protocols for r in rules}
    most = dict.fromkeys(rows, 0)
    asked = 0
    for query, distance, errors in _query_blocks(frames, max_queries, seed):
        asked += len(query)
        for protocol, rule in rows:
            allowed = _allowed(frames, query, protocol, rule, min_gap)
            count = allowed.sum(1)
            most[protocol, rule] = max(most[protocol, rule], int(count.max()))
            enough = count >= topk[-1]
            rows[protocol, rule].append(
                _errors_at_k(distance[enough], errors[enough], allowed[enough], topk)
            )
    metrics = {}
    for (protocol, rule), parts in rows.items():
        values = torch.cat(parts)
        _check_queries(len(values), asked, most[protocol, rule], (protocol, rule), topk)
        suffix = "" if isinstance(exclude, str) else f"/{rule}"
        metrics.update(_named(values.mean(0).tolist(), protocol, topk, suffix, finite))
    return metrics


def _query_blocks(
    frames: EmbeddedFrames, max_queries: int | None, seed: int
) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]:
    """Queries (q,), their squared distances (q, N) to all frames, and the errors (q, N) in mm."""
    instant = frames.codes("subject", "clip", "frame")
    _, first, sizes = np.unique(instant, return_index=True, return_counts=True)
    chosen = np.random.default_rng(seed).permutation(len(first))
    if max_queries is not None:
        chosen = chosen[: max(1, int((sizes[chosen].cumsum() <= max_queries).sum()))]
    poses = torch.from_numpy(frames.poses[first].astype(np.float32))
    embeddings = torch.from_numpy(np.nan_to_num(frames.embeddings.astype(np.float64)))
    squared = embeddings.square().sum(1)
    column = torch.from_numpy(instant)
    step = max(1, _BLOCK // (int(sizes.max()) * len(frames)))
    for block in np.split(chosen, range(step, len(chosen), step)):
        place = np.full(len(first), -1)
        place[block] = np.arange(len(block))
        query = np.flatnonzero(place[instant] >= 0)
        # Less |query|^2, which changes no order.
        distance = torch.addmm(squared[None], embeddings[query], embeddings.T, alpha=-2.0)
        errors = pairwise_pa_mpjpe(poses[block], poses)
        yield query, distance, errors[place[instant[query]]][:, column]


def _allowed(
    frames: EmbeddedFrames, query: np.ndarray, protocol: str, rule: str, min_gap: float
) -> Tensor:
    """Which frames (q, N) each query may retrieve."""

    def same(*columns: str) -> np.ndarray:
        code = frames.codes(*columns)
        return code[query][:, None] == code

    excluded = same("subject") if rule == "person" else same("subject", "clip")
    if rule == "instant":
        # A hair less, so that frames exactly min_gap apart stay, whatever the rounding of times.
        gap = np.abs(frames.time[query][:, None] - frames.time)
        excluded &= gap < min_gap - 1e-6
        # The query itself, also where min_gap is 0.
        excluded |= same("subject", "clip", "frame")
    camera = same("camera")
    return torch.from_numpy((camera if protocol == "same_view" else ~camera) & ~excluded)


def _errors_at_k(distance: Tensor, errors: Tensor, allowed: Tensor, topk: list[int]) -> Tensor:
    """Per query (q, 2 len(topk) + 1): embedding at each K, oracle at each K, chance; mm."""
    if len(distance) == 0:
        return errors.new_zeros(0, 2 * len(topk) + 1).double()
    errors = errors.double()
    nearest = distance.masked_fill(~allowed, torch.inf).topk(topk[-1], largest=False).indices
    oracle = errors.masked_fill(~allowed, torch.inf).topk(topk[-1], largest=False).values
    means = [values[:, :k].mean(1) for values in (errors.gather(1, nearest), oracle) for k in topk]
    chance = errors.masked_fill(~allowed, 0.0).sum(1) / allowed.sum(1)
    return torch.stack([*means, chance], 1)


def _named(
    values: list[float], protocol: str, topk: list[int], suffix: str, finite: bool
) -> dict[str, float]:
    """Metrics by name from the means of :func:`_errors_at_k`."""
    found = dict(zip(topk, values[: len(topk)], strict=True))
    if not finite:
        found = dict.fromkeys(topk, float("nan"))
    oracle = dict(zip(topk, values[len(topk) : -1], strict=True))
    chance, k = values[-1], topk[0]
    metrics = {f"{protocol}_pa_mpjpe@{k}_mm": value for k, value in found.items()}
    metrics.update({f"{protocol}_oracle_pa_mpjpe@{k}_mm": value for k, value in oracle.items()})
    metrics[f"{protocol}_chance_pa_mpjpe_mm"] = chance
    for name, base in (("oracle", oracle[k]), ("chance", chance)):
        ratio = found[k] / base if base > 0 else float("nan")
        metrics[f"{protocol}@{k}_over_{name}"] = ratio
    return {f"{name}{suffix}": value for name, value in metrics.items()}


def check_options(
    topk: Sequence[int],
    protocols: Sequence[str],
    exclude: str | Sequence[str],
    min_gap: float,
    max_queries: int | None,
) -> tuple[list[int], list[str]]:
    """K in increasing order, and what to exclude as a list."""
    rules = [exclude] if isinstance(exclude, str) else list(exclude)
    for name, given, known in (("exclude", rules, EXCLUDE), ("protocols", protocols, PROTOCOLS)):
        if isinstance(given, str) or not given or set(given) - set(known):
            raise ValueError(f"Retrieval: {name} must be some of {known}, got {given!r}.")
    if not topk or min(topk) < 1:
        raise ValueError(f"Retrieval: topk must be numbers from 1, got {topk!r}.")
    if min_gap < 0 or (max_queries is not None and max_queries < 1):
        raise ValueError(
            f"Retrieval: min_gap must not be negative and max_queries be positive, got {min_gap} "
            f"and {max_queries}."
        )
    return sorted({int(k) for k in topk}), rules


def _check_frames(frames: EmbeddedFrames, protocols: Sequence[str]) -> EmbeddedFrames:
    """The frames whose poses are whole: errors over different joints can't be compared."""
    if frames.poses is None:
        raise ValueError(
            "Retrieval is measured against true poses, and samples have none: the data set must "
            "deliver gt_instances.lifting_target."
        )
    whole = np.isfinite(frames.poses).all((1, 2))
    if not whole.any():
        raise ValueError("Retrieval: no frame has all its joints annotated; none can be compared.")
    if not whole.all():
        print_log(
            f"Retrieval leaves out {(~whole).sum()} of {len(whole)} frames whose joints are not "
            "all annotated.",
            logger="current",
            level=logging.WARNING,
        )
        frames = frames.select(whole)
    cameras = np.unique(frames.camera)
    if "cross_view" in protocols and len(cameras) < 2:
        raise ValueError(
            f"Retrieval across views needs frames of two cameras or more, but all are of "
            f"{str(cameras[0])!r}. Test on several cameras, or set protocols=('same_view',)."
        )
    return frames


def _check_queries(
    kept: int, asked: int, most: int, which: tuple[str, str], topk: list[int]
) -> None:
    """Tell of queries with too small a gallery; refuse to answer from none."""
    what = f"Retrieval, {which[0]} with exclude={which[1]!r}"
    if kept == 0:
        raise ValueError(
            f"{what}: no query has the {topk[-1]} frames that it must be able to retrieve; the "
            f"most that one has is {most}. Use a smaller topk, a larger test set, or exclude less."
        )
    if kept < asked:
        print_log(
            f"{what}: {asked - kept} of {asked} queries are left out, as fewer than {topk[-1]} "
            "frames may be retrieved for them.",
            logger="current",
            level=logging.WARNING,
        )
