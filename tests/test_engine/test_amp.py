import pytest
import torch
from part_synth.engine import AutocastOptimWrapper
from torch import nn


@pytest.fixture(autouse=True)
def fast_bfloat16(monkeypatch):
    """As on processors that have it: others stay in float32."""
    monkeypatch.setattr("part_synth.engine.bfloat16.bfloat16_is_fast", lambda device_type: True)


def wrapper_of(layer, **kwargs):
    return AutocastOptimWrapper(optimizer=torch.optim.SGD(layer.parameters(), lr=0.1), **kwargs)


def test_matrix_products_inside_the_context_are_bfloat16():
    layer = nn.Linear(3, 2)
    with wrapper_of(layer).optim_context(layer):
        inside = layer(torch.ones(1, 3))
    assert inside.dtype == torch.bfloat16
    assert layer(torch.ones(1, 3)).dtype == torch.float32


def test_weights_stay_float32_and_move_down_the_gradient():
    torch.manual_seed(0)
    layer, target = nn.Linear(3, 2), torch.randn(16, 3)
    wrapper = wrapper_of(layer, clip_grad={"max_norm": 1.0})
    values = []
    for _ in range(30):
        with wrapper.optim_context(layer):
            loss = (layer(target).float() - target[:, :2]).square().mean()
        wrapper.update_params(loss)
        values.append(loss.item())
    assert layer.weight.dtype == torch.float32
    assert values[-1] < 0.5 * values[0]


def test_gradient_equals_the_one_of_plain_autocast():
    torch.manual_seed(0)
    layer, points = nn.Linear(3, 2), torch.randn(8, 3)
    with wrapper_of(layer).optim_context(layer):
        loss = layer(points).float().square().mean()
    loss.backward()
    found = layer.weight.grad.clone()
    layer.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layer(points).float().square().mean().backward()
    assert torch.equal(found, layer.weight.grad)


def test_processors_without_bfloat16_stay_in_float32(monkeypatch):
    monkeypatch.setattr("part_synth.engine.bfloat16.bfloat16_is_fast", lambda device_type: False)
    layer = nn.Linear(3, 2)
    with wrapper_of(layer).optim_context(layer):
        assert layer(torch.ones(1, 3)).dtype == torch.float32


def test_unknown_dtype():
    with pytest.raises(ValueError, match="int8"):
        wrapper_of(nn.Linear(1, 1), dtype="int8")
