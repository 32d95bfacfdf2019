import pytest
import torch
from part_synth.geometry import BONES_TOTAL, bones_total, unit_scale
from part_synth.models.lifting import KeypointAdapter


@pytest.fixture
def domains():
    """Poses (M, K, 2) of one domain, and of another with longer shanks and a lower head."""
    base = torch.randn(17, 2)
    target = base + 0.3 * torch.randn(600, 17, 2)
    other = base + 0.3 * torch.randn(600, 17, 2)
    other[:, [3, 6, 10]] += torch.tensor([0.0, 0.9])

    def prepare(points):
        points = points - points[:, :1]
        return points * unit_scale(points[:, None])[:, 0]

    return prepare(other), prepare(target)


def test_the_first_correction_is_none(domains):
    adapter = KeypointAdapter(width=16, num_blocks=1)
    torch.testing.assert_close(adapter(domains[0]), domains[0])


def test_it_brings_one_domain_to_the_other(domains):
    external, target = domains
    adapter = KeypointAdapter(width=64, num_blocks=1, penalty=0.05)
    adapter.fit(external, target, steps=300, batch_size=128, lr=1e-3)
    with torch.no_grad():
        adapted = adapter(external)
    before = (external.mean(0) - target.mean(0)).norm()
    after = (adapted.mean(0) - target.mean(0)).norm()
    assert float(after) < 0.6 * float(before)
    # It keeps what a pose of the lifting frame must be.
    assert float(adapted[:, 0].abs().max()) < 1e-6
    torch.testing.assert_close(bones_total(adapted), torch.full((600,), BONES_TOTAL))


def test_a_heavy_penalty_keeps_poses_where_they_are(domains):
    adapter = KeypointAdapter(width=32, num_blocks=1, penalty=1000.0)
    adapter.fit(*domains, steps=100, batch_size=64)
    with torch.no_grad():
        moved = (adapter(domains[0]) - domains[0]).abs().mean()
    assert float(moved) < 0.01 * BONES_TOTAL


def test_fit_repeats_and_leaves_the_random_state(domains):
    results = []
    for _ in range(2):
        torch.manual_seed(1)
        adapter = KeypointAdapter(width=8, num_blocks=1)
        state = torch.get_rng_state()
        adapter.fit(*domains, steps=5, batch_size=16, seed=4)
        assert torch.equal(state, torch.get_rng_state())
        results.append(adapter(domains[0]))
    assert torch.equal(*results)


def test_wrong_shapes_are_refused(domains):
    with pytest.raises(ValueError, match=r"shape \(M, K, 2\)"):
        KeypointAdapter(width=8).fit(domains[0][:, :16], domains[1])
