"""A tiny PartSynth with a config, for tests of synthesis outside of the models' own."""

import torch
from mmengine.config import Config
from part_synth.apis import init_model
from part_synth.geometry import REST_DIRECTIONS, forward_kinematics
from part_synth.registry import MODELS

SIZE = 32
MODEL = {
    "type": "part_synth.PartSynth",
    "encoder": {
        "type": "part_synth.PoseEncoder",
        "backbone": {
            "type": "part_synth.TinyResNet",
            "stem_channels": 8,
            "channels": (8, 16, 16),
            "in_channels": 6,
        },
        "use_background": True,
        "pyramid_channels": 16,
        "global_channels": 16,
        "hidden": 32,
        "code_size": 8,
    },
    "prior": {"type": "part_synth.PosePrior", "code_size": 8, "hidden": 16},
    "appearance": {"type": "part_synth.AppearanceEncoder", "channels": 4, "hidden": 8},
    "decoder": {
        "type": "part_synth.SynthesisDecoder",
        "appearance_channels": 4,
        "channels": (8, 8, 8),
    },
}


def tiny_config(**model):
    """Its config."""
    return Config(
        {
            "default_scope": "mmpose",
            "model": {**MODEL, **model},
            "test_dataloader": {"dataset": {"crop": {"size": SIZE, "padding": 0.8}}},
        }
    )


def save_tiny(folder, drop=(), **model):
    """Files of config and checkpoint; ``drop`` leaves out weights whose names begin so."""
    cfg = tiny_config(**model)
    torch.manual_seed(0)
    built = MODELS.build(cfg.model)
    built.init_weights()
    built.prior.lengths.fill_(0.25)
    # Pictures must make a difference to the pose and to the view.
    for layer in (built.encoder.code_head, built.encoder.camera_head):
        torch.nn.init.normal_(layer.weight, std=0.3)
    torch.nn.init.normal_(built.decoder.to_colour.weight, std=0.05)
    state = {k: v for k, v in built.state_dict().items() if not k.startswith(tuple(drop))}
    config, checkpoint = folder / "tiny_synthesis.py", folder / "tiny_synthesis.pth"
    cfg.dump(str(config))
    torch.save({"meta": {}, "state_dict": state}, checkpoint)
    return config, checkpoint


def load_tiny(folder, **model):
    """The model of :func:`save_tiny`."""
    return init_model(*save_tiny(folder, **model))


def rest_poses(count=1):
    """(count, 17, 3) mm, upright, facing the camera."""
    lengths = torch.full((16,), 0.3, dtype=torch.float64)
    pose = 1000 * forward_kinematics(torch.as_tensor(REST_DIRECTIONS, dtype=torch.float64), lengths)
    return pose.numpy()[None].repeat(count, 0)
