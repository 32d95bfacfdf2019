import pytest
import torch
from part_synth.geometry import bone_lengths
from part_synth.models import PosePrior, PosePriorModel
from part_synth.registry import MODELS
from tiny_part_synth import TINY, make_poses, tiny_model

PRIOR = {"type": "part_synth.PosePrior", "code_size": 8, "hidden": 64}


def fitted_model(poses):
    torch.manual_seed(0)
    model = PosePriorModel(PRIOR)
    model.prior.set_lengths(poses)
    return model


def test_training_lowers_the_error_on_other_poses():
    poses, others = make_poses(500).split([400, 100])
    model = fitted_model(poses)

    def error():
        with torch.no_grad():
            samples = model({"pose_body": others}, mode="predict")
        gaps = [s.metainfo["rebuilt"] - s.metainfo["wanted"] for s in samples]
        return float(torch.stack(gaps).norm(dim=-1).mean())

    before = error()
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    for _ in range(100):
        losses = model({"pose_body": poses[torch.randint(400, (64,))]}, mode="loss")
        optimizer.zero_grad()
        losses["loss_reconstruction"].backward()
        optimizer.step()
    assert error() < 0.5 * before


def test_codes_and_unknown_modes():
    poses = make_poses(5)
    model = fitted_model(poses)
    codes = model({"pose_body": poses})
    assert codes.shape == (5, 8) and codes.abs().max() < 1
    with pytest.raises(ValueError, match="mode is"):
        model({"pose_body": poses}, mode="train")


def test_without_bone_lengths_the_hook_is_named():
    with pytest.raises(ValueError, match="PosePriorLengthsHook"):
        PosePriorModel(PRIOR)({"pose_body": make_poses(5)}, mode="loss")


def test_system_a_takes_it_as_it_is(tmp_path):
    model = fitted_model(make_poses(50))
    torch.save({"state_dict": model.state_dict()}, tmp_path / "prior.pth")
    pretrained = {"type": "Pretrained", "checkpoint": str(tmp_path / "prior.pth")}
    built = tiny_model(prior={**PRIOR, "init_cfg": {**pretrained, "prefix": "prior."}})
    built.init_weights()
    assert built.prior.fitted
    for name, value in model.prior.state_dict().items():
        assert torch.equal(value, built.prior.state_dict()[name]), name


@pytest.mark.parametrize("changes", [{"hidden": 32}, {"code_size": 6}])
def test_a_prior_of_other_sizes_is_refused(tmp_path, changes):
    """mmengine would log it and go on with random weights, and bone lengths that say 'fitted'."""
    torch.save({"state_dict": fitted_model(make_poses(50)).state_dict()}, tmp_path / "prior.pth")
    pretrained = {"type": "Pretrained", "checkpoint": str(tmp_path / "prior.pth")}
    prior = MODELS.build({**PRIOR, **changes, "init_cfg": {**pretrained, "prefix": "prior."}})
    (name, value) = next(iter(changes.items()))
    with pytest.raises(ValueError, match=rf"{name}={value}.*the same model\.prior\.hidden"):
        prior.init_weights()


def test_a_checkpoint_without_a_prior_is_refused(tmp_path):
    torch.save({"state_dict": fitted_model(make_poses(50)).state_dict()}, tmp_path / "prior.pth")
    pretrained = {"type": "Pretrained", "checkpoint": str(tmp_path / "prior.pth")}
    prior = MODELS.build({**PRIOR, "init_cfg": pretrained})
    with pytest.raises(ValueError, match=r"no pose prior under prefix=None.*prefix='prior\.'"):
        prior.init_weights()


def learned(**changes):
    prior = PosePrior(code_size=8, hidden=16, learn_lengths=True, **changes)
    prior.set_lengths(make_poses(20))
    return prior


def test_learned_lengths_stay_bounded_symmetric_and_of_one_size():
    prior = learned(max_log_length=0.1)
    torch.testing.assert_close(prior.bone_lengths(), prior.lengths)
    with torch.no_grad():
        prior.log_lengths.copy_(torch.linspace(-5, 5, 16))
    lengths = prior.bone_lengths()
    torch.testing.assert_close(lengths.sum(), prior.lengths.sum())
    right_leg, left_leg = lengths[0:3] / prior.lengths[0:3], lengths[3:6] / prior.lengths[3:6]
    torch.testing.assert_close(right_leg, left_leg)
    ratio = (lengths / prior.lengths).log()
    assert 0.05 < ratio.max() - ratio.min() <= 0.2 + 1e-5
    poses = prior(torch.zeros(3, 8))
    torch.testing.assert_close(bone_lengths(poses), lengths.expand(3, -1))


def test_only_the_lengths_learn_in_system_a():
    prior = {**TINY["prior"], "learn_lengths": True}
    model = tiny_model(prior=prior)
    trained = {name for name, p in model.prior.named_parameters() if p.requires_grad}
    assert trained == {"log_lengths"}
    model.prior.set_lengths(make_poses(20))
    model.prior(torch.zeros(2, 8)).square().sum().backward()
    assert model.prior.log_lengths.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in MODELS.build(TINY["prior"]).limits.parameters())
