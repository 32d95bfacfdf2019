"""Geometry keeps full precision under bfloat16, which the shipped configs train with."""

import pytest
import torch
from mmengine.optim import OptimWrapperDict
from part_synth.engine import AutocastOptimWrapper
from tiny_part_synth import SIZE


@pytest.fixture
def bfloat16():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        yield


@pytest.fixture
def decoded(model):
    """An encoding, and what is decoded from it in float32."""
    with torch.no_grad():
        encoding = model.encoder(torch.rand(4, 3, SIZE, SIZE) * 2 - 1)
        return encoding, model.decode(encoding)


def test_decoded_poses_are_those_of_float32(model, decoded, bfloat16):
    with torch.no_grad():
        again = model.decode(decoded[0])
    for name, value in decoded[1].items():
        assert again[name].dtype == torch.float32, name
        torch.testing.assert_close(again[name], value, msg=name)


def test_part_maps_still_sum_to_one(model, decoded, bfloat16):
    maps = model.render(decoded[1], (SIZE, SIZE), 1.0)
    assert maps.parts.dtype == torch.float32
    ones = torch.ones_like(maps.foreground)
    torch.testing.assert_close(maps.parts.sum(1), ones, atol=1e-5, rtol=0)


def test_looks_of_a_frame_do_not_leak_into_its_own_appearance(model, decoded, bfloat16):
    maps = model.render(decoded[1], (SIZE, SIZE), 1.0)
    images = torch.rand(4, 3, SIZE, SIZE) * 2 - 1
    first = model.appearance(images, maps, 2)
    images[0] = -images[0]
    second = model.appearance(images, maps, 2)
    assert first.colours.dtype == first.features.dtype == torch.float32
    torch.testing.assert_close(first.colours[0], second.colours[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(first.features[0], second.features[0], atol=1e-4, rtol=0)
    assert (first.colours[1] - second.colours[1]).abs().max() > 0.05


def test_heat_maps_are_read_in_full_precision(model, bfloat16):
    features = torch.randn(2, 16, 8, 8)
    points, depths, *_ = model.encoder.joints_head(features)
    assert points.dtype == depths.dtype == torch.float32
    heat, _ = model.encoder.joints_head.project(features).float().flatten(2).chunk(2, dim=1)
    weights = (4 * heat).double().softmax(-1).unflatten(-1, (8, 8))
    places = (torch.arange(8).double() + 0.5) / 4 - 1
    wanted = torch.stack([weights.sum(2) @ places, weights.sum(3) @ places], dim=-1)
    torch.testing.assert_close(points.double(), wanted, atol=1e-5, rtol=0)


def test_encoding_is_float32(model, bfloat16):
    encoding = model.encoder(torch.rand(2, 3, SIZE, SIZE) * 2 - 1)
    for name, value in vars(encoding).items():
        # The tiny model has no part head.
        assert value is None if name == "part_logits" else value.dtype == torch.float32, name


@pytest.mark.parametrize("name", ["puppet", "synthesis"])
def test_training_step(model, batch, name):
    model.current_objective = name
    groups = {
        "encoder": [*model.encoder.parameters(), *model.puppet.parameters()],
        "synthesizer": [*model.appearance.parameters(), *model.decoder.parameters()],
    }
    wrappers = OptimWrapperDict(
        **{
            key: AutocastOptimWrapper(optimizer=torch.optim.Adam(weights, lr=1e-3))
            for key, weights in groups.items()
        }
    )
    before = model.encoder.code_head.weight.clone()
    logs = model.train_step({"inputs": batch, "data_samples": [None, None]}, wrappers)
    assert all(torch.as_tensor(value).isfinite() for value in logs.values())
    assert not torch.equal(before, model.encoder.code_head.weight)
    assert all(p.isfinite().all() for p in model.parameters())
