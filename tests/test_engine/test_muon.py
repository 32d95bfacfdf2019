import copy

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from part_synth.engine.muon import Muon, orthogonalize
from torch import nn
from torch.nn import functional as F


@pytest.mark.parametrize("shape", [(24, 48), (24, 200), (200, 24)])
def test_singular_values_are_about_one(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape) @ torch.diag(torch.linspace(0.3, 3, shape[1]))
    before = torch.linalg.svdvals(matrix)
    after = torch.linalg.svdvals(orthogonalize(matrix[None])[0].float())
    assert before.max() / before.min() > 2
    assert after.min() > 0.5 and after.max() < 1.3


def test_directions_are_kept():
    """U S V^T becomes U V^T: turning the matrix first or afterwards is the same."""
    torch.manual_seed(0)
    matrix = torch.randn(32, 64)
    turn = torch.linalg.qr(torch.randn(32, 32)).Q
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonalize(matrix[None])[0].float()
    assert float((found * (u @ v)).sum() / (found.norm() * (u @ v).norm())) > 0.97
    torch.testing.assert_close(
        orthogonalize((turn @ matrix)[None])[0].float(), turn @ found, atol=0.03, rtol=0
    )


def test_a_zero_gradient_stays_zero():
    assert orthogonalize(torch.zeros(1, 16, 16)).float().abs().max() == 0


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.GroupNorm(4, 32), nn.ReLU(), nn.Conv2d(32, 4, 1)
    )


def test_matrices_and_the_rest_have_rates_of_their_own():
    net = network()
    optimizer = Muon(net.parameters(), lr=0.02, adam_lr=0.003)
    matrices, others = optimizer.param_groups
    assert [id(p) for p in matrices["params"]] == [id(net[0].weight)]
    assert matrices["lr"] == 0.02 and others["lr"] == 0.003
    assert len(matrices["params"]) + len(others["params"]) == len(list(net.parameters()))


def test_linear_layers_can_be_left_to_adam():
    net = nn.Sequential(nn.Conv2d(16, 32, 3), nn.Flatten(), nn.Linear(32, 64))
    optimizer = Muon(net.parameters(), linear=False)
    assert [id(p) for p in optimizer.param_groups[0]["params"]] == [id(net[0].weight)]
    assert len(optimizer.param_groups[1]["params"]) == 3


def test_weights_of_one_shape_move_on_their_own():
    """Several at once are what each is alone."""
    torch.manual_seed(0)
    gradients = [torch.randn(16, 4, 3, 3) for _ in range(3)]
    together = [nn.Parameter(torch.zeros(16, 4, 3, 3)) for _ in range(3)]
    alone = [nn.Parameter(torch.zeros(16, 4, 3, 3)) for _ in range(3)]
    for weights in (together, alone):
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient.clone()
    Muon(together).step()
    for weight in alone:
        Muon([weight]).step()
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=0)


def test_size_of_a_step():
    """The first step of a wide matrix has singular values lr, of a tall one lr sqrt(M / N)."""
    torch.manual_seed(0)
    for shape, wanted in [((16, 64), 0.1), ((64, 16), 0.2)]:
        weight = nn.Parameter(torch.zeros(shape))
        weight.grad = torch.randn(shape)
        Muon([weight], lr=0.1).step()
        values = torch.linalg.svdvals(weight.detach()) / wanted
        assert values.min() > 0.5 and values.max() < 1.3
        assert (weight.detach() * weight.grad).sum() < 0


def test_small_weights_move_as_with_adam():
    torch.manual_seed(0)
    ours, theirs = (nn.Parameter(torch.ones(7)) for _ in range(2))
    a, b = Muon([ours], adam_lr=1e-2), torch.optim.Adam([theirs], lr=1e-2)
    for _ in range(20):
        gradient = torch.randn(7)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        a.step()
        b.step()
    torch.testing.assert_close(ours, theirs)


def loss_after(optimizer, net, steps=60):
    torch.manual_seed(1)
    images = torch.randn(8, 3, 8, 8)
    wanted = F.avg_pool2d(images.roll(1, -1), 3, 1, 1)[:, [0, 1, 2, 0]]
    for _ in range(steps):
        loss = F.mse_loss(net(images), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float(loss.detach())


def test_it_learns():
    net = network()
    first = loss_after(Muon(net.parameters(), lr=0.0, adam_lr=0.0), net, steps=1)
    assert loss_after(Muon(net.parameters(), lr=0.02, adam_lr=3e-3), net) < 0.3 * first


def test_a_stopped_run_goes_on_alike():
    net = network()
    optimizer = Muon(net.parameters())
    loss_after(optimizer, net, steps=5)
    other = network()
    other.load_state_dict(net.state_dict())
    resumed = Muon(other.parameters())
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    loss_after(optimizer, net, steps=5)
    loss_after(resumed, other, steps=5)
    for a, b in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_built_from_a_config_with_rates_by_layer():
    net = network()
    wrapper = build_optim_wrapper(
        net,
        dict(
            optimizer=dict(type="part_synth.Muon", lr=0.02, adam_lr=1e-3),
            paramwise_cfg=dict(custom_keys={"0": dict(lr_mult=0.5)}),
        ),
    )
    assert isinstance(wrapper.optimizer, Muon)
    rates = {
        id(p): group["lr"] for group in wrapper.optimizer.param_groups for p in group["params"]
    }
    assert rates[id(net[0].weight)] == 0.01
    assert len(rates) == len(list(net.parameters()))


@pytest.mark.parametrize("wrong", [{"lr": -1.0}, {"adam_lr": -1.0}, {"momentum": 1.0}])
def test_values_out_of_range(wrong):
    with pytest.raises(ValueError, match="Muon needs lr and adam_lr of at least 0"):
        Muon([nn.Parameter(torch.zeros(2))], **wrong)
