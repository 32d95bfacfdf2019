import pytest
import torch
from part_synth.models.objectives import SynthesisCycle
from tiny_part_synth import Sealed, floats, with_head


def run(model, batch, **options):
    torch.manual_seed(3)
    objective = SynthesisCycle(**options)
    return objective.loss(model, floats(batch), [Sealed(), Sealed()])


def test_encoder_reads_pose_and_camera_off_its_own_synthesis(trained, batch, monkeypatch):
    seen = {}
    encode = trained.encoder.forward
    calls = []
    monkeypatch.setattr(trained.encoder, "forward", lambda *a: calls.append(a) or encode(*a))
    objective = SynthesisCycle(repeats=3)
    loss = objective.reading_loss.forward
    monkeypatch.setattr(
        objective.reading_loss, "forward", lambda *a, **k: seen.update(k) or loss(*a, **k)
    )
    objective.loss(trained, floats(batch), [Sealed(), Sealed()])
    images, scenes = calls[-1]
    assert images.shape[0] == 3 * 4
    assert not images.requires_grad
    torch.testing.assert_close(scenes[:4], floats(batch)["background"].flatten(0, 1))
    camera = seen["camera"]
    torch.testing.assert_close(seen["joints_cam"], camera.rotate(seen["joints_body"]))
    # Where there is no person, the scene shows.
    same = (images - scenes).abs().amax(1) < 0.05
    assert same.float().mean() > 0.3


def test_only_the_encoder_learns(trained, batch):
    losses = run(trained, batch)
    sum(losses.values()).backward()
    assert trained.encoder.code_head.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in trained.decoder.parameters())
    assert trained.puppet.log_radii.grad is None


def test_looks_come_from_the_videos(trained, batch):
    """Other colours of the real frames give other synthesised images, hence other losses."""
    first = run(trained, batch)
    other = {"image": 255 - batch["image"], "background": batch["background"]}
    second = run(trained, other)
    assert float(first["loss_heat_maps"]) != float(second["loss_heat_maps"])
    again = run(trained, batch)
    torch.testing.assert_close(first["loss_heat_maps"], again["loss_heat_maps"])


def test_energy_pulls_the_reading_to_what_was_painted(trained, batch):
    """The decoder judges: its own painting of the true pose has no energy, another pose's has."""
    plain = run(trained, batch)
    energy = {"type": "part_synth.MultiScaleL1Loss", "loss_weight": 2.0}
    losses = run(trained, batch, energy=energy)
    assert set(losses) - set(plain) == {"loss_energy"}
    (pull,) = torch.autograd.grad(losses["loss_energy"], trained.encoder.code_head.weight)
    assert pull.abs().sum() > 0
    half = run(trained, batch, energy={**energy, "loss_weight": 1.0})
    torch.testing.assert_close(losses["loss_energy"], 2 * half["loss_energy"])


def test_appearance_cycle_teaches_the_painter_and_no_one_else(trained, batch):
    """The looks that are found in a synthesised image are those that it was painted with."""
    plain = run(trained, batch)
    cycle = {"type": "part_synth.AppearanceCycleLoss"}
    losses = run(trained, batch, appearance_cycle=cycle, optimizers=("encoder", "synthesizer"))
    assert set(losses) - set(plain) == {"loss_appearance"}
    torch.testing.assert_close(losses["loss_heat_maps"], plain["loss_heat_maps"])
    losses["loss_appearance"].backward()
    assert trained.appearance.net[0].weight.grad.abs().sum() > 0
    assert trained.decoder.to_colour.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in trained.encoder.parameters())


def test_frames_of_a_moving_camera(trained, batch):
    """No empty scene: the encoder is shown none, the synthesised person stands before others."""
    seen = []
    trained.encoder.register_forward_pre_hook(lambda _, args: seen.append(args))
    losses = run(trained, {"image": batch["image"]}, repeats=1)
    assert all(value.isfinite() for value in losses.values())
    images, background = seen[-1]
    assert background is None
    frames = floats(batch)["image"].flatten(0, 1)
    # The left edge shows the frame's, the middle doesn't.
    assert (images - frames)[..., 0].abs().mean() < 0.1 < (images - frames).abs().mean()


@pytest.mark.parametrize(
    ("name", "kept"), [("reading_loss", "loss_parts"), ("parts_loss", "loss_heat_maps")]
)
def test_losses_can_be_left_out(fit, batch, unpaired_file, name, kept):
    model = with_head(fit, unpaired_poses=unpaired_file)
    every, fewer = run(model, batch), run(model, batch, **{name: None})
    assert {"loss_parts", "loss_heat_maps"} < set(every)
    assert kept in fewer
    assert not set(fewer) & {"loss_parts", "loss_heat_maps"} - {kept}


def test_a_cycle_without_losses_is_refused():
    with pytest.raises(ValueError, match="would teach nothing"):
        SynthesisCycle(reading_loss=None, parts_loss=None)
