import torch
from part_synth.models.objectives import SynthesisCycle
from tiny_part_synth import Sealed, floats


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
