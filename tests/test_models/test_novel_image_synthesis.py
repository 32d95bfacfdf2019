import pytest
import torch
from part_synth.models.novel_images import novel_images, paint, pool_looks
from part_synth.models.objectives import NovelImageSynthesis, SynthesisCycle
from tiny_part_synth import SIZE, Sealed, floats


def synthesis(model, inputs):
    return model.objectives["synthesis"].loss(model, inputs, [Sealed()] * 2)


def test_pose_flows_only_through_the_maps(trained, batch, monkeypatch):
    """With the puppet's maps held fixed, no image loss depends on what the encoder says."""
    inputs = floats(batch)
    with torch.no_grad():
        decoded = trained.decode(trained.encoder(inputs["image"].flatten(0, 1)))
        maps = trained.render(decoded, (SIZE, SIZE), 1.0)
    monkeypatch.setattr(type(trained), "render", lambda *args, **kwargs: maps)
    first = synthesis(trained, inputs)
    images = [key for key in first if key.startswith("loss_") and key != "loss_tie"]
    assert len(images) == 4
    total = sum(first[key] for key in images)
    gradients = torch.autograd.grad(total, list(trained.encoder.parameters()), allow_unused=True)
    assert all(gradient is None for gradient in gradients)
    with torch.no_grad():
        for weight in trained.encoder.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
        second = synthesis(trained, inputs)
    assert not torch.equal(first["loss_tie"], second["loss_tie"])
    for key in images:
        assert torch.equal(first[key].detach(), second[key]), key


@pytest.mark.parametrize("way", ["novel_images", "paint", "cycle"])
def test_another_pose_with_the_same_maps_gives_the_same_image(trained, batch, monkeypatch, way):
    """What an image shows of the pose is what the part maps show of it."""
    inputs = floats(batch)
    flat = inputs["image"].flatten(0, 1)
    with torch.no_grad():
        decoded = trained.decode(trained.encoder(flat))
    looks = pool_looks(trained, flat, decoded)
    render, drawn, painted = type(trained).render, [], []
    trained.decoder.register_forward_hook(lambda *args: painted.append(args[-1].image))

    def synthesize():
        if way == "novel_images":
            return novel_images(trained, inputs)
        if way == "paint":
            return paint(trained, decoded, looks, (SIZE, SIZE)).image
        torch.manual_seed(0)
        SynthesisCycle(repeats=1).loss(trained, inputs, [Sealed()] * 2)
        return painted[-1]

    def keep(*args, **kwargs):
        drawn.append(render(*args, **kwargs))
        return drawn[-1]

    monkeypatch.setattr(type(trained), "render", keep)
    with torch.no_grad():
        first = synthesize()
        for weight in (trained.encoder.code_head.weight, trained.encoder.camera_head.weight):
            weight.add_(0.3 * torch.randn_like(weight))
        trained._unpaired_poses = trained.load_unpaired_poses().flip(0)
        decoded = trained.decode(trained.encoder(flat))
        changed = synthesize()
        kept = iter(drawn[: len(drawn) // 2])
        monkeypatch.setattr(type(trained), "render", lambda *args, **kwargs: next(kept))
        same = synthesize()
    assert not torch.equal(first, changed)
    assert torch.equal(first, same)


def test_image_losses_reach_the_pose_through_the_maps(trained, batch):
    losses = synthesis(trained, floats(batch))
    for key in ("loss_foreground", "loss_reconstruction", "loss_flat"):
        (gradient,) = torch.autograd.grad(
            losses[key], trained.encoder.code_head.weight, retain_graph=True
        )
        assert gradient.isfinite().all()
        assert gradient.abs().max() > 0, key


def test_target_frame_gives_no_looks(trained, batch, monkeypatch):
    """The image synthesised for a frame must not depend on that frame's own pixels."""
    inputs = floats(batch)
    with torch.no_grad():
        decoded = trained.decode(trained.encoder(inputs["image"].flatten(0, 1)))
        maps = trained.render(decoded, (SIZE, SIZE), 1.0)
    monkeypatch.setattr(type(trained), "render", lambda *args, **kwargs: maps)
    made = []
    paint = trained.decoder.forward
    monkeypatch.setattr(
        trained.decoder, "forward", lambda *args: made.append(paint(*args)) or made[-1]
    )
    inputs["image"].requires_grad_()
    synthesis(trained, inputs)
    (gradient,) = torch.autograd.grad(made[0].image[0].square().sum(), inputs["image"])
    assert (gradient[0, 0] == 0).all()
    assert gradient[0, 1].abs().max() > 0
    assert (gradient[1] == 0).all()


def test_moving_camera_compares_the_foreground_only(trained, batch, scene, monkeypatch):
    inputs = floats(batch)
    inputs.pop("background")
    maps = trained.puppet(*scene[:3], (SIZE, SIZE), blur=0.5)
    monkeypatch.setattr(type(trained), "render", lambda *args, **kwargs: maps)
    first = synthesis(trained, inputs)
    assert "loss_foreground" not in first
    assert all(value.isfinite() for value in first.values())
    # The appearance network looks three pixels far.
    near = torch.nn.functional.max_pool2d(maps.foreground.detach(), 9, 1, 4) > 1e-4
    free = ~near.unflatten(0, (2, 2))[:, :, None].expand_as(inputs["image"])
    assert free.float().mean() > 0.1
    inputs["image"] = torch.where(free, -inputs["image"], inputs["image"])
    second = synthesis(trained, inputs)
    for key in ("loss_flat", "loss_reconstruction"):
        torch.testing.assert_close(first[key], second[key], atol=1e-3, rtol=1e-3)
    inputs["image"] = torch.where(free, inputs["image"], inputs["image"] / 3)
    assert (synthesis(trained, inputs)["loss_flat"] - first["loss_flat"]).abs() > 1e-2


def test_a_moving_camera_teaches_the_foreground_loss_nothing(trained, batch):
    """Where it is the only loss a step is taken all the same: the next batch may know its scene."""
    objective = NovelImageSynthesis(
        **dict.fromkeys(("reconstruction", "flat_reconstruction", "segmentation")),
        **dict.fromkeys(("agreement", "reading", "tie")),
    )
    inputs = floats(batch)
    inputs.pop("background")
    losses = objective.loss(trained, inputs, [Sealed()] * 2)
    trained.parse_losses(losses)[0].backward()
    gradient = trained.encoder.code_head.weight.grad
    assert gradient is not None and (gradient == 0).all()


def test_single_frames_are_no_groups(trained, batch):
    inputs = {name: value[:, :1] for name, value in batch.items()}
    with pytest.raises(ValueError, match=r"groups of at least 2 frames.*got 1.*num_frames=2"):
        synthesis(trained, floats(inputs))
