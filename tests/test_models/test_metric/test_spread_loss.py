import pytest
import torch
from part_synth.models import EmbeddingSpreadLoss


def units(count, size, rank=None, seed=0):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(count, rank or size, generator=generator)
    if rank is not None:
        values = values @ torch.randn(rank, size, generator=generator)
    return torch.nn.functional.normalize(values, dim=-1)


def test_against_numpy_covariance():
    embedding = units(40, 6)
    covariance = torch.cov(embedding.mT) * 6
    mixed = sum(float(covariance[i, j]) ** 2 for i in range(6) for j in range(6) if i != j) / 6
    lacking = sum(max(0.0, 1 - float(covariance[i, i] + 1e-4) ** 0.5) for i in range(6)) / 6
    value = EmbeddingSpreadLoss(variance=2.0, covariance=0.5)(embedding)
    assert float(value) == pytest.approx(2 * lacking + 0.5 * mixed, rel=1e-4)


def test_a_full_embedding_costs_less_than_a_flat_one():
    loss = EmbeddingSpreadLoss()
    full, flat = loss(units(200, 16)), loss(units(200, 16, rank=3))
    assert float(full) < 0.1 < float(flat)


def test_a_collapsed_batch_has_a_finite_gradient_that_spreads_it():
    embedding = torch.nn.functional.normalize(torch.ones(8, 16) + 1e-3 * units(8, 16), dim=-1)
    embedding.requires_grad_()
    EmbeddingSpreadLoss()(embedding).backward()
    assert embedding.grad.isfinite().all() and embedding.grad.abs().sum() > 0
    with torch.no_grad():
        moved = embedding - 0.1 * embedding.grad
    assert moved.std(0).mean() > embedding.detach().std(0).mean()
