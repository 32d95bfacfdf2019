"""Exact nearest neighbours of embeddings, with faiss where it is installed, else with torch.

Symbols: N embeddings of the gallery, Q queries, D numbers each, K neighbours.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

ArrayLike: TypeAlias = Tensor | np.ndarray

BACKENDS = ("auto", "torch", "faiss")
# Float32 scores choose this many more than asked for; float64 decides among them.
_SPARE = 32
# Largest blocks, in numbers: tens of MiB.
_GALLERY_ROWS = 1 << 15
_QUERY_ROWS = 256
_CANDIDATE_NUMBERS = 1 << 21


@dataclass
class Neighbours:
    """What was found for Q queries, nearest first.

    Attributes:
        distances: (Q, K) float64, Euclidean distance of the embeddings.
        indices: (Q, K) int64, rows of the gallery.
    """

    distances: np.ndarray
    indices: np.ndarray


class NeighbourIndex:
    """Embeddings made ready for many searches.

    Every backend gives the same answer: float32 scores only choose candidates, whose distances are
    then taken again in float64, and equal distances are ordered by row. Where float32 can't tell
    whether a row outside of the candidates belongs to the answer (many rows that are nearly equal),
    the query is compared with all rows in float64.

    Args:
        embeddings: (N, D), N > 0.
        backend: ``'auto'`` (faiss where it is installed, else torch), ``'torch'`` or ``'faiss'``.

    Raises:
        ValueError: The gallery is empty, not finite or of another shape, or the backend is unknown
            or not installed.
    """

    def __init__(self, embeddings: ArrayLike, backend: str = "auto") -> None:
        self.embeddings = _checked(embeddings, "The gallery's embeddings")
        if len(self.embeddings) == 0:
            raise ValueError(
                "The gallery is empty: there is nothing to search. Build it from a data set with "
                "at least one frame."
            )
        self.backend = _choose_backend(backend)
        squared = self.embeddings.double().square().sum(1)
        self._largest = float(squared.max())
        self._squared = squared.float()
        # Either holds a copy. Torch multiplies one query with (D, N) thrice as fast as with (N, D).
        self._faiss = _faiss_index(self.embeddings) if self.backend == "faiss" else None
        self._columns = self.embeddings.T.contiguous() if self._faiss is None else None

    def __len__(self) -> int:
        return len(self.embeddings)

    def search(self, queries: ArrayLike, topk: int) -> Neighbours:
        """The K nearest rows of each query.

        Args:
            queries: (Q, D) or (D,) for one.
            topk: K, from 1 to N.

        Returns:
            Neighbours: Q rows.

        Raises:
            ValueError: The queries have another dimension or are not finite, or K is out of range.
        """
        queries = _checked(queries, "The queries")
        if queries.shape[1] != self.embeddings.shape[1]:
            raise ValueError(
                f"The queries have {queries.shape[1]} dimensions, the gallery's embeddings "
                f"{self.embeddings.shape[1]}: they come from different models. Embed both with one."
            )
        if topk < 1:
            raise ValueError(f"topk must be at least 1, got {topk}.")
        if topk > len(self):
            raise ValueError(
                f"topk={topk} neighbours are asked for, but the gallery holds {len(self)} frames. "
                f"Ask for at most {len(self)}, or build a larger gallery."
            )
        wanted = min(topk + _SPARE, len(self))
        rows = max(1, min(_QUERY_ROWS, _CANDIDATE_NUMBERS // (wanted * queries.shape[1])))
        parts = [self._search_block(block, topk, wanted) for block in queries.split(rows)]
        distances, indices = (torch.cat(part) for part in zip(*parts, strict=True))
        return Neighbours(distances.numpy(), indices.numpy())

    def _search_block(self, queries: Tensor, topk: int, wanted: int) -> tuple[Tensor, Tensor]:
        """Distances and rows (q, K) of a block of queries (q, D)."""
        approximate, indices = self._candidates(queries, wanted)
        indices = indices.sort(1).values
        gallery, exact = self.embeddings[indices].double(), queries.double()
        squared = (gallery - exact[:, None]).square().sum(-1)
        # A stable sort of candidates in the order of their rows: ties go to the lower row.
        squared, order = squared.sort(dim=1, stable=True)
        squared, indices = squared[:, :topk], indices.gather(1, order)[:, :topk]
        if wanted < len(self):
            # Rounding of D float32 products, twice: no row outside of the candidates is nearer.
            room = exact.square().sum(1) + self._largest
            reach = approximate - (queries.shape[1] + 8) * 2.0**-23 * room
            for row in torch.nonzero(squared[:, -1] >= reach).flatten().tolist():
                squared[row], indices[row] = self._compare_all(exact[row], topk)
        return squared.sqrt(), indices

    def _candidates(self, queries: Tensor, wanted: int) -> tuple[Tensor, Tensor]:
        """About the nearest rows (q, wanted), and the largest squared distance (q,) among them."""
        if self._faiss is not None:
            squared, indices = self._faiss.search(queries.numpy(), wanted)
            return torch.from_numpy(squared[:, -1]).double(), torch.from_numpy(indices)
        values, indices = [], []
        for start in range(0, len(self), _GALLERY_ROWS):
            part = slice(start, start + _GALLERY_ROWS)
            scores = torch.addmm(
                self._squared[None, part], queries, self._columns[:, part], alpha=-2.0
            )
            best = scores.topk(min(wanted, scores.shape[1]), dim=1, largest=False, sorted=False)
            values.append(best.values)
            indices.append(best.indices + start)
        best = torch.cat(values, 1).topk(wanted, dim=1, largest=False)
        farthest = best.values[:, -1].double() + queries.double().square().sum(1)
        return farthest, torch.cat(indices, 1).gather(1, best.indices)

    def _compare_all(self, query: Tensor, topk: int) -> tuple[Tensor, Tensor]:
        """Squared distances and rows (K,) of one query (D,), every row in float64."""
        parts = self.embeddings.split(_GALLERY_ROWS)
        squared = torch.cat([(part.double() - query).square().sum(1) for part in parts])
        squared, order = squared.sort(stable=True)
        return squared[:topk], order[:topk]


def search(
    queries: ArrayLike, embeddings: ArrayLike, topk: int, backend: str = "auto"
) -> Neighbours:
    """The K nearest embeddings of each query; for many searches keep a :class:`NeighbourIndex`.

    Args:
        queries: (Q, D) or (D,) for one.
        embeddings: (N, D) of the gallery.
        topk: K, from 1 to N.
        backend: As in :class:`NeighbourIndex`.

    Returns:
        Neighbours: Q rows.

    Raises:
        ValueError: As in :class:`NeighbourIndex`.
    """
    return NeighbourIndex(embeddings, backend).search(queries, topk)


def _checked(values: ArrayLike, what: str) -> Tensor:
    """Values (M, D) as float32 on the CPU."""
    values = torch.as_tensor(values).detach().cpu().float()
    values = values[None] if values.ndim == 1 and len(values) else values
    if values.ndim != 2 and values.numel():
        raise ValueError(f"{what} must have shape (M, D), got {tuple(values.shape)}.")
    if not torch.isfinite(values).all():
        raise ValueError(
            f"{what} hold NaN or infinite numbers: the model that made them has diverged."
        )
    return values.contiguous()


def _choose_backend(backend: str) -> str:
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {BACKENDS}, got {backend!r}.")
    installed = importlib.util.find_spec("faiss") is not None
    if backend == "faiss" and not installed:
        raise ValueError(
            "backend='faiss' needs faiss: install it with `pip install faiss-cpu`, or use "
            "backend='torch', which gives the same answer."
        )
    if backend == "auto":
        return "faiss" if installed else "torch"
    return backend


def _faiss_index(embeddings: Tensor):
    import faiss

    index = faiss.IndexFlatL2(embeddings.shape[1])
    index.add(embeddings.numpy())
    return index
