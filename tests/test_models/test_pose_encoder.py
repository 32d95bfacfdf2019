import copy
import math

import pytest
import torch
from part_synth.models import PoseEncoder, TinyResNet
from part_synth.models.joint_features import SoftArgmaxHead
from part_synth.registry import MODELS
from tiny_part_synth import TINY

FIELDS = {
    "code": (3, 8),
    "view": (3, 2),
    "elevation": (3,),
    "roll": (3,),
    "scale": (3,),
    "offset": (3, 2),
    "heat_points": (3, 17, 2),
    "heat_depths": (3, 17),
    "heat_logits": None,
}
PART_HEAD = {"type": "part_synth.PartMapHead", "hidden": 8}


@pytest.fixture
def encoder():
    return MODELS.build(TINY["encoder"])


def images(batch=3, size=32):
    return torch.rand(batch, 3, size, size) * 2 - 1


@pytest.mark.parametrize(("row", "column"), [(0, 0), (2, 7), (4, 3)])
def test_soft_argmax_of_a_peak_is_its_place(row, column):
    """Six features: heat maps of two joints, their depth maps, nothing, nothing."""
    head = SoftArgmaxHead(6, 2)
    with torch.no_grad():
        head.project.weight.copy_(torch.eye(6)[:4, :, None, None])
        head.project.bias.zero_()
    features = torch.zeros(1, 6, 5, 8)
    features[0, 0, row, column] = 50.0
    features[0, 1, 4 - row, 7 - column] = 50.0
    features[0, 2] = 0.1 * torch.arange(40).reshape(5, 8)
    features[0, 3] = 7.0
    points, depths, local, logits = head(features)
    x, y = (2 * column + 1) / 8 - 1, (2 * row + 1) / 5 - 1
    assert points[0, 0].tolist() == pytest.approx([x, y], abs=1e-5)
    assert points[0, 1].tolist() == pytest.approx([-x, -y], abs=1e-5)
    assert depths[0].tolist() == pytest.approx([0.1 * (8 * row + column), 7.0], abs=1e-4)
    # The features where the joint is.
    torch.testing.assert_close(local[0, 0], features[0, :, row, column], atol=1e-4, rtol=1e-4)
    assert logits.shape == (1, 2, 5, 8)
    assert logits[0, 0].argmax() == 8 * row + column
    # The same weights that the places were read with.
    weights = logits.detach()[0, 1].flatten().softmax(0).unflatten(0, (5, 8))
    assert float((weights.sum(0) * torch.arange(8)).sum()) == pytest.approx(7 - column, abs=1e-5)


def test_soft_argmax_between_two_peaks_and_of_nothing():
    head = SoftArgmaxHead(1, 1, sharpness=2.0)
    with torch.no_grad():
        head.project.weight.copy_(torch.tensor([1.0, 0.0]).view(2, 1, 1, 1))
        head.project.bias.zero_()
    flat = torch.zeros(1, 1, 4, 4)
    assert head(flat)[0].abs().max() < 1e-6
    flat[0, 0, 1, 0] = 30.0 + math.log(3) / 2
    flat[0, 0, 1, 2] = 30.0
    # Weights 3 : 1 at x = -0.75 and x = 0.25.
    assert head(flat)[0][0, 0].tolist() == pytest.approx([-0.5, -0.25], abs=1e-5)


@pytest.mark.parametrize("size", [32, 36, 30])
def test_shapes(encoder, size):
    encoding = encoder(images(size=size))
    for name, shape in FIELDS.items():
        value = getattr(encoding, name)
        assert shape is None or value.shape == shape, name
        assert value.dtype == torch.float32
    assert encoding.heat_points.abs().max() <= 1
    cells = -(-size // 4)  # the finest map of the backbone has stride 4
    assert encoding.heat_logits.shape == (3, 17, cells, cells)


def test_camera_starts_frontal_level_and_centred(encoder):
    encoder.init_weights()
    encoding = encoder(images())
    camera = encoding.camera(4.5)
    assert camera.azimuth.abs().max() < 0.6
    assert camera.distance == 4.5
    for name, value in (("elevation", 0.0), ("roll", 0.0), ("scale", 0.8), ("offset", 0.0)):
        assert getattr(camera, name).detach().numpy() == pytest.approx(value, abs=0.05)


def test_azimuth_is_the_angle_of_the_view(encoder):
    encoding = encoder(images())
    angles = torch.tensor([-3.0, 0.5, 2.0])
    encoding.view = 0.3 * torch.stack([angles.sin(), angles.cos()], dim=-1)
    torch.testing.assert_close(encoding.camera(4.5).azimuth, angles)


def test_outputs_are_bounded(encoder):
    with torch.no_grad():
        for weight in encoder.parameters():
            weight.mul_(5.0)
    encoding = encoder(images())
    assert encoding.code.abs().max() <= 1
    assert encoding.elevation.abs().max() <= math.radians(50) + 1e-6
    assert encoding.roll.abs().max() <= math.radians(15) + 1e-6
    assert encoding.scale.min() > 0.8 * math.exp(-1.001)
    assert encoding.scale.max() < 0.8 * math.exp(1.001)


def test_gradient_reaches_every_weight(encoder):
    encoding = encoder(images(8))
    sum(getattr(encoding, name).square().sum() for name in FIELDS).backward()
    for name, weight in encoder.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
        assert weight.grad.abs().max() > 0, name


def test_code_does_not_bend_places_and_depths_to_its_needs(encoder):
    """Only through the features at the joints may the code move the heat maps."""
    with torch.no_grad():
        encoder.local.weight.zero_()
    encoding = encoder(images())
    (encoding.code.sum() + encoding.view.sum()).backward()
    gradient = encoder.joints_head.project.weight.grad
    assert gradient is None or gradient.abs().max() == 0
    assert encoder.backbone.stem[0].weight.grad.abs().max() > 0


def test_code_reads_the_heat_maps(encoder):
    """Its trunk gets places and depths of the joints beside the pooled features."""
    first = encoder(images(1))
    torch.manual_seed(0)
    with torch.no_grad():
        encoder.joints_head.project.bias += torch.randn(34)
        encoder.joints_head.project.weight += torch.randn_like(encoder.joints_head.project.weight)
    torch.manual_seed(0)
    batch = images(1)
    changed = encoder(batch)
    assert not torch.equal(first.heat_points, changed.heat_points)
    with torch.no_grad():
        encoder.trunk[0].weight[:, -3 * 17 :] = 0
    without = encoder(batch)
    assert torch.equal(changed.heat_points, without.heat_points)
    assert not torch.equal(changed.code, without.code)


@pytest.fixture
def watcher():
    """An encoder that looks at the background too."""
    config = copy.deepcopy(TINY["encoder"])
    config["backbone"]["in_channels"] = 6
    return MODELS.build({**config, "use_background": True}).eval()


def test_only_the_difference_to_the_background_is_seen(watcher):
    seen = []
    watcher.backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    frames, scenes = images(), images()
    watcher(frames, scenes)
    assert torch.equal(seen[0], torch.cat([frames, frames - scenes], dim=1))
    watcher(frames)
    assert torch.equal(seen[1], torch.cat([frames, torch.zeros_like(frames)], dim=1))
    assert not torch.equal(watcher(frames).code, watcher(frames, scenes).code)


def test_backgrounds_are_withheld_in_training_only(watcher):
    frames, scenes = images(1000, size=8), images(1000, size=8)
    given = watcher._with_background(frames, scenes)
    assert (given[:, 3:].flatten(1).abs().amax(1) > 0).all()
    watcher.train()
    for share in (0.0, 0.3, 1.0):
        watcher.background_dropout = share
        given = watcher._with_background(frames, scenes)
        assert torch.equal(given[:, :3], frames)
        withheld = (given[:, 3:].flatten(1) == 0).all(1)
        assert withheld.float().mean() == pytest.approx(share, abs=0.05)
        assert torch.equal(given[~withheld, 3:], (frames - scenes)[~withheld])


def test_background_means_nothing_to_an_encoder_of_images(encoder):
    frames = images()
    assert torch.equal(encoder(frames).code, encoder(frames, images()).code)


def test_background_needs_a_backbone_of_six_channels():
    with pytest.raises(ValueError, match="takes 3; set in_channels=6 of the backbone"):
        MODELS.build({**copy.deepcopy(TINY["encoder"]), "use_background": True})
    config = copy.deepcopy(TINY["encoder"])
    config["backbone"]["in_channels"] = 6
    with pytest.raises(ValueError, match="takes 6; set in_channels=3 of the backbone"):
        MODELS.build(config)


def test_channels_can_be_told_for_a_backbone_that_does_not():
    class Mute(TinyResNet):
        def __init__(self):
            super().__init__(8, (8, 16), (1, 1))
            del self.out_channels

    with MODELS_with(Mute):
        encoder = PoseEncoder(
            {"type": "part_synth.Mute"},
            backbone_channels=(8, 16),
            pyramid_channels=16,
            global_channels=16,
            local_channels=32,
        )
    assert encoder(images()).code.shape == (3, 32)


def test_a_backbone_of_mmpose():
    encoder = PoseEncoder(
        {"type": "mmpose.ResNet", "depth": 18, "out_indices": (1, 2, 3)},
        backbone_channels=(128, 256, 512),
        pyramid_channels=16,
    )
    encoding = encoder(images())
    assert encoding.code.shape == (3, 32)
    encoding.heat_points.sum().backward()
    assert encoder.backbone.conv1.weight.grad.abs().sum() > 0


class MODELS_with:
    """Register a class for the time of a test."""

    def __init__(self, cls):
        self.cls = cls

    def __enter__(self):
        MODELS.register_module(module=self.cls)

    def __exit__(self, *error):
        MODELS.module_dict.pop(self.cls.__name__)


def test_finer_maps_move_a_peak_within_its_cell():
    """A peak one cell wide, and a finer map that says in which quarter of the cell it is."""
    head = SoftArgmaxHead(4, 1)
    with torch.no_grad():
        head.project.weight.copy_(torch.eye(4)[:2, :, None, None])
        head.project.bias.zero_()
    features = torch.zeros(1, 4, 4, 4)
    features[0, 0, 1, 2] = 30.0
    features[0, 1] = torch.arange(16.0).reshape(4, 4)
    features[0, 3] = features[0, 1]
    finer = torch.zeros(1, 1, 8, 8)
    finer[0, 0, 2, 5] = 30.0
    points, depths, local, logits = head(features, finer)
    assert logits.shape == (1, 1, 8, 8)
    assert points[0, 0].tolist() == pytest.approx([11 / 8 - 1, 5 / 8 - 1], abs=1e-4)
    # Depth and features are those of the cell.
    assert float(depths.detach()) == pytest.approx(6.0, abs=1e-3)
    assert float(local.detach()[0, 0, 3]) == pytest.approx(6.0, abs=1e-3)


@pytest.fixture
def fine_encoder():
    return MODELS.build({**TINY["encoder"], "part_head": PART_HEAD, "fine_heat": True})


@pytest.mark.parametrize("size", [32, 36, 30])
def test_fine_heat_maps_are_as_large_as_the_parts(fine_encoder, size):
    encoding = fine_encoder(images(size=size))
    assert encoding.heat_logits.shape[-2:] == encoding.part_logits.shape[-2:]
    assert encoding.heat_points.shape == (3, 17, 2)
    assert encoding.heat_depths.shape == (3, 17)


def test_every_weight_of_the_fine_encoder_learns(fine_encoder):
    torch.manual_seed(0)
    with torch.no_grad():
        fine_encoder.finer.weight.normal_()
    encoding = fine_encoder(images(8))
    total = sum(getattr(encoding, name).square().sum() for name in FIELDS)
    (total + encoding.part_logits.square().sum()).backward()
    for name, weight in fine_encoder.named_parameters():
        assert weight.grad.abs().max() > 0, name


def test_the_part_head_takes_the_pyramids_channels():
    config = {**TINY["encoder"], "pyramid_channels": 24, "part_head": PART_HEAD}
    encoding = MODELS.build(config)(torch.rand(2, 3, 32, 32))
    assert encoding.part_logits.shape[:2] == (2, 15)
    other = {**config, "part_head": {**PART_HEAD, "in_channels": 64}}
    with pytest.raises(ValueError, match=r"reads 64 channels.*pyramid_channels=24; leave"):
        MODELS.build(other)


def test_fine_heat_maps_need_a_part_head():
    with pytest.raises(ValueError, match="fine_heat=True reads heat maps off the features of the"):
        MODELS.build({**TINY["encoder"], "fine_heat": True})
