"""The smallest PartSynth that has every part, and made poses, for the tests of this folder."""

import copy

import torch
from part_synth.geometry import REST_DIRECTIONS, ArticulationLimits, forward_kinematics
from part_synth.models import load_puppet
from part_synth.registry import MODELS

SIZE = 32
LENGTHS = [0.12, 0.43, 0.42] * 2 + [0.22, 0.26, 0.12, 0.13] + [0.15, 0.28, 0.25] * 2
TINY = {
    "type": "part_synth.PartSynth",
    "encoder": {
        "type": "part_synth.PoseEncoder",
        "backbone": {
            "type": "part_synth.TinyResNet",
            "stem_channels": 8,
            "channels": (8, 16, 16),
        },
        "pyramid_channels": 16,
        "global_channels": 16,
        "hidden": 32,
        "code_size": 8,
    },
    "prior": {"type": "part_synth.PosePrior", "code_size": 8, "hidden": 64},
    "puppet": {"type": "part_synth.Puppet", "learn_radii": True},
    "appearance": {"type": "part_synth.AppearanceEncoder", "channels": 4, "hidden": 8},
    "decoder": {
        "type": "part_synth.SynthesisDecoder",
        "appearance_channels": 4,
        "channels": (8, 8, 8),
    },
    "objectives": {
        "puppet": {"type": "part_synth.PuppetPretraining", "batch_size": 4, "fresh": 2},
        "synthesis": {"type": "part_synth.NovelImageSynthesis"},
        "supervised": {"type": "part_synth.SupervisedPose"},
    },
}


def tiny_model(prior_state=None, **changes):
    """A PartSynth; the prior's weights, if given, are copied in."""
    model = MODELS.build({**copy.deepcopy(TINY), **changes})
    if prior_state is not None:
        model.prior.load_state_dict(prior_state)
    return model


HEAD = {"type": "part_synth.PartMapHead", "in_channels": 16, "hidden": 16, "detail_channels": 8}


def with_head(fit, **changes):
    """A PartSynth whose encoder has a part head; its prior is that of the fixture `fit`."""
    encoder = {**TINY["encoder"], "part_head": HEAD}
    return tiny_model(fit[0].state_dict(), encoder=encoder, **changes)


def make_poses(count, seed=0, spread=0.2, dtype=torch.float32):
    """(count, 17, 3) poses that two people could take, body frame, metres."""
    generator = torch.Generator().manual_seed(seed)
    # Few degrees of freedom, as real motion has, so that a short fit can learn them.
    basis = torch.randn(4, 16, 3, generator=generator, dtype=torch.float64)
    weights = torch.randn(count, 4, generator=generator, dtype=torch.float64)
    directions = REST_DIRECTIONS + spread * torch.einsum("mb,bkc->mkc", weights, basis)
    # The hip line lies across the body frame's depth axis.
    directions[:, [0, 3]] = REST_DIRECTIONS[[0, 3]]
    directions = ArticulationLimits().clamp(torch.nn.functional.normalize(directions, dim=-1))
    build = 0.95 + 0.1 * torch.rand(count, 1, generator=generator, dtype=torch.float64)
    lengths = torch.tensor(LENGTHS, dtype=torch.float64) * build
    return forward_kinematics(directions, lengths).to(dtype)


def joint(name):
    """Index of an extended joint."""
    return load_puppet().joint_names.index(name)


def sample_at(maps, points):
    """(B, N) values of maps (B, H, W) at the pixels that hold points (B, N, 2) of [-1, 1]."""
    height, width = maps.shape[-2:]
    columns = ((points[..., 0] + 1) * width / 2).long().clamp(0, width - 1)
    rows = ((points[..., 1] + 1) * height / 2).long().clamp(0, height - 1)
    return maps[torch.arange(len(maps))[:, None], rows, columns]


class Sealed:
    """A sample whose labels nobody may look at."""

    metainfo: dict = {}  # noqa: RUF012

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise AssertionError(f"an objective without labels read data_sample.{name}")


def floats(batch):
    return {name: value.float() / 127.5 - 1 for name, value in batch.items()}
