"""Nearest neighbours against all distances in float64, with both backends."""

import numpy as np
import pytest
import torch
from part_synth.retrieval import NeighbourIndex, neighbours, search


@pytest.fixture(params=["torch", "faiss"])
def backend(request):
    # faiss is an optional library; without it the torch half of every test still runs.
    if request.param == "faiss":
        pytest.importorskip("faiss")
    return request.param


def unit(rows, dims, seed):
    values = np.random.default_rng(seed).normal(size=(rows, dims)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def slow_search(queries, gallery, topk):
    """Rows and distances, query by query, ties by row."""
    rows, distances = [], []
    for query in queries.astype(np.float64):
        distance = np.sqrt(((gallery.astype(np.float64) - query) ** 2).sum(1))
        order = sorted(range(len(gallery)), key=lambda i: (distance[i], i))[:topk]
        rows.append(order)
        distances.append(distance[order])
    return np.array(rows), np.array(distances)


@pytest.mark.parametrize(("frames", "queries", "topk"), [(1, 1, 1), (40, 3, 40), (700, 9, 20)])
def test_answers_like_a_loop_over_all(backend, frames, queries, topk):
    gallery, asked = unit(frames, 16, 0), unit(queries, 16, 1)
    found = search(asked, gallery, topk, backend)
    rows, distances = slow_search(asked, gallery, topk)
    np.testing.assert_array_equal(found.indices, rows)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-12)
    assert found.indices.dtype == np.int64


def test_blocks_change_nothing(backend, monkeypatch):
    gallery, asked = unit(500, 8, 0), unit(21, 8, 1)
    whole = search(asked, gallery, 7, backend)
    monkeypatch.setattr(neighbours, "_GALLERY_ROWS", 64)
    monkeypatch.setattr(neighbours, "_QUERY_ROWS", 4)
    blocks = search(asked, gallery, 7, backend)
    np.testing.assert_array_equal(whole.indices, blocks.indices)
    np.testing.assert_array_equal(whole.distances, blocks.distances)


def test_ties_go_to_the_lower_row(backend):
    # Each row a hundred times: far more copies than there are spare candidates.
    gallery = np.tile(unit(5, 12, 0), (100, 1))
    found = search(gallery[:5], gallery, 60, backend)
    np.testing.assert_array_equal(found.indices, np.arange(5)[:, None] + 5 * np.arange(60))
    np.testing.assert_array_equal(found.distances, 0.0)


def test_rows_that_float32_can_not_tell_apart(backend):
    # Far from the origin, differences of 1e-3 drown in the rounding of products.
    rng = np.random.default_rng(0)
    gallery = (1e3 + 1e-2 * rng.normal(size=(400, 6))).astype(np.float32)
    rows, distances = slow_search(gallery[:6], gallery, 10)
    found = search(gallery[:6], gallery, 10, backend)
    np.testing.assert_array_equal(found.indices, rows)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-12)


def test_lengths_other_than_one_and_one_query_as_a_vector(backend):
    gallery = 3.0 * np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
    found = NeighbourIndex(torch.from_numpy(gallery), backend).search(gallery[17] + 0.01, 4)
    rows, _ = slow_search(gallery[17:18] + np.float32(0.01), gallery, 4)
    np.testing.assert_array_equal(found.indices, rows)


def test_backends_agree():
    pytest.importorskip("faiss")
    gallery, asked = unit(2000, 32, 0), unit(50, 32, 1)
    by_torch, by_faiss = (search(asked, gallery, 15, name) for name in ("torch", "faiss"))
    np.testing.assert_array_equal(by_torch.indices, by_faiss.indices)
    np.testing.assert_array_equal(by_torch.distances, by_faiss.distances)


@pytest.mark.parametrize(
    ("gallery", "queries", "topk", "message"),
    [
        (np.zeros((0, 4)), np.zeros((1, 4)), 1, "gallery is empty"),
        (np.zeros((3, 4)), np.zeros((1, 4)), 5, "topk=5 .* holds 3 frames"),
        (np.zeros((3, 4)), np.zeros((1, 4)), 0, "at least 1, got 0"),
        (np.zeros((3, 4)), np.zeros((1, 6)), 1, "6 dimensions, the gallery's embeddings 4"),
        (np.full((3, 4), np.nan), np.zeros((1, 4)), 1, "NaN"),
        (np.zeros((3, 4)), np.full((1, 4), np.inf), 1, "queries hold NaN or infinite"),
        (np.zeros((3, 4, 2)), np.zeros((1, 4)), 1, r"shape \(M, D\), got \(3, 4, 2\)"),
    ],
)
def test_mistakes(gallery, queries, topk, message):
    with pytest.raises(ValueError, match=message):
        search(queries, gallery, topk, "torch")


def test_mistaken_backend(monkeypatch):
    with pytest.raises(ValueError, match="backend must be one of"):
        NeighbourIndex(np.zeros((2, 2)), "abacus")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert NeighbourIndex(np.zeros((2, 2))).backend == "torch"
    with pytest.raises(ValueError, match="pip install faiss-cpu"):
        NeighbourIndex(np.zeros((2, 2)), "faiss")
