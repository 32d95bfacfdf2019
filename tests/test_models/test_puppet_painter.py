import colorsys
import math

import pytest
import torch
from part_synth.geometry import mirror
from part_synth.models import PuppetPainter, extend_joints
from part_synth.models.puppet_painter import _hsv_to_rgb
from tiny_part_synth import make_poses, sample_at

COUNT, SIZE = 24, 48
POSES = make_poses(COUNT, seed=8)
LIMBS = [0, 2, 3, 5, 6, 7, 12, 13, 15, 16]  # joints well inside the puppet


def backgrounds(value=None):
    if value is not None:
        return torch.full((COUNT, 3, SIZE, SIZE), float(value))
    return torch.rand(COUNT, 3, SIZE, SIZE) * 2 - 1


def places(camera, joints):
    return camera.project(camera.rotate(joints))


def test_images_and_what_belongs_to_them(puppet):
    puppets = PuppetPainter()(puppet, POSES, backgrounds())
    images, camera, joints, maps = (
        puppets.images,
        puppets.camera,
        puppets.joints_body,
        puppets.maps,
    )
    assert puppets.backgrounds.shape == images.shape
    assert images.shape == (COUNT, 3, SIZE, SIZE)
    assert images.min() >= -1
    assert images.max() <= 1
    assert images.std() > 0.2
    assert not images.requires_grad
    assert joints.shape == POSES.shape
    assert maps.foreground.shape == (COUNT, SIZE, SIZE)
    for name in ("azimuth", "elevation", "roll", "scale", "distance"):
        assert getattr(camera, name).shape == (COUNT,), name


def test_camera_projects_the_pose_to_where_the_puppet_is(puppet):
    puppets = PuppetPainter(joint_std=0, outline_std=0)(puppet, POSES, backgrounds())
    camera, joints, maps = puppets.camera, puppets.joints_body, puppets.maps
    on_joints = sample_at(maps.foreground, places(camera, joints)[:, LIMBS])
    assert on_joints.min() > 0.5
    assert on_joints.mean() > 0.9
    assert maps.foreground.mean() < 0.4
    # The other joints of the pose, or those of another pose, are no such thing.
    other = sample_at(maps.foreground, places(camera, joints.roll(1, 0))[:, LIMBS])
    assert other.mean() < on_joints.mean() - 0.05


def test_person_is_painted_on_the_foreground_and_nothing_elsewhere(puppet):
    painter = PuppetPainter(noise=0.0)
    puppets = painter(puppet, POSES, backgrounds(-1))
    images, maps = puppets.images, puppets.maps
    person, wall = maps.foreground > 0.9, maps.foreground < 1e-3
    brightness = images.mean(1)
    assert brightness[wall].max() < -0.99  # black stays black whatever the gain
    assert (brightness[person] > -0.98).float().mean() > 0.95
    assert brightness[person].mean() > -0.7


def test_background_shows_around_the_person(puppet):
    scene = backgrounds()
    puppets = PuppetPainter(noise=0.0)(puppet, POSES, scene)
    images, maps = puppets.images, puppets.maps
    wall = maps.foreground < 1e-4
    flipped = 0
    for image, mask, here in zip(images, wall, scene, strict=True):
        # Two gains and the limits of the range lie between: compare by correlation.
        scores = [
            torch.corrcoef(torch.stack([image[:, mask].flatten(), wanted[:, mask].flatten()]))[0, 1]
            for wanted in (here, here.flip(-1))
        ]
        assert max(scores) > 0.8
        flipped += int(scores[1] > scores[0])
    assert 4 < flipped < COUNT - 4


def test_backgrounds_are_the_scene_without_puppet_and_shadow(puppet):
    puppets = PuppetPainter(noise=0.0, shadow=0.0)(puppet, POSES, backgrounds().clamp(-0.9, 0.2))
    difference = (puppets.images - puppets.backgrounds).abs().mean(1)
    wall, person = puppets.maps.foreground < 1e-4, puppets.maps.foreground > 0.9
    # The median's light differs from the frame's by 5 percent at most.
    assert difference[wall].max() < 0.05 * 2 * 1.01
    assert difference[person].mean() > 0.2


def test_shadow_lies_at_the_feet_and_only_darkens(puppet):
    scene = backgrounds(0.0)
    feet, head = [], []
    for shadow in (0.0, 0.8):
        torch.manual_seed(3)
        puppets = PuppetPainter(noise=0.0, shadow=shadow)(puppet, POSES, scene)
        images = puppets.images.mean(1)
        wall = puppets.maps.foreground < 1e-4
        points = places(puppets.camera, puppets.joints_body)
        rows = torch.linspace(-1, 1, SIZE)[None, :, None].expand_as(wall)
        low = points[..., 1].amax(1)[:, None, None]
        feet.append(images.where(wall & ((rows - low).abs() < 0.1), torch.zeros(())))
        head.append(images.where(wall & (rows < low - 0.8), torch.zeros(())))
    assert (feet[1] - feet[0]).max() < 1e-5
    assert (feet[1] - feet[0]).min() < -0.2
    torch.testing.assert_close(head[1], head[0], atol=1e-3, rtol=0)


def test_seed_decides_the_picture(puppet):
    scene, draws = backgrounds(), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(PuppetPainter()(puppet, POSES, scene).images)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_poses_are_drawn_as_they_are_or_mirrored(puppet):
    copied = POSES.clone()
    joints = PuppetPainter()(puppet, POSES, backgrounds()).joints_body
    same = (joints == POSES).all(-1).all(-1)
    swapped = (joints == mirror(POSES)).all(-1).all(-1)
    assert (same ^ swapped).all()
    assert 4 < same.sum() < COUNT - 4
    assert torch.equal(POSES, copied)


def test_cameras_frame_the_person_as_asked():
    painter = PuppetPainter(extent=(1.1, 1.3), shift=0.1, distance=(4.0, 5.0))
    extended = extend_joints(make_poses(300, seed=9))
    camera = painter.draw_camera(extended)
    points = places(camera, extended)
    low, high = points.amin(1), points.amax(1)
    side, centre = (high - low).amax(-1), (low + high) / 2
    assert side.min() >= 1.1 - 1e-4
    assert side.max() <= 1.3 + 1e-4
    assert side.std() > 0.03
    assert centre.abs().max() <= 0.1 + 1e-4
    assert camera.distance.min() >= 4.0
    assert camera.distance.max() <= 5.0
    assert camera.azimuth.abs().max() <= math.pi
    assert camera.azimuth.std() == pytest.approx(math.pi / math.sqrt(3), rel=0.15)
    assert math.degrees(camera.elevation.mean()) == pytest.approx(10, abs=2)
    assert math.degrees(camera.elevation.std()) == pytest.approx(9, abs=1.5)


def test_clothes_hang_together(puppet, monkeypatch):
    monkeypatch.setattr(torch, "randn", torch.zeros)  # no variation between capsules
    painter = PuppetPainter(fully_random=0.0)
    colours = painter.draw_clothes(puppet, 200)
    assert colours.shape == (200, len(puppet.capsules), 3)
    index = {(c.part, c.start): i for i, c in enumerate(puppet.capsules)}

    def colour(part, start):
        return colours[:, index[part, start]]

    def same(a, b):
        return (a == b).all(-1)

    skin = colour("head", "face")
    top, bottom = colour("torso", "belly"), colour("torso", "right_pelvis")
    for side in ("left", "right"):
        hand = colour(f"{side}_hand", f"{side}_wrist")
        upper, lower = (
            colour(f"{side}_upper_arm", f"{side}_shoulder"),
            colour(f"{side}_forearm", f"{side}_elbow"),
        )
        thigh, shank = (
            colour(f"{side}_thigh", f"{side}_thigh_top"),
            colour(f"{side}_shank", f"{side}_calf"),
        )
        assert same(hand, skin).all()
        assert same(thigh, bottom).all()
        assert (same(upper, skin) | same(upper, top)).all()
        assert (same(lower, skin) | same(lower, top)).all()
        assert (same(lower, skin) | same(upper, top)).all()  # no sleeve below a bare arm
        assert (same(shank, skin) | same(shank, bottom)).all()
        for share in (same(upper, skin), same(lower, skin), same(shank, skin)):
            assert 0.2 < share.float().mean() < 0.8
    assert not same(colour("head", "hair_low"), skin).any()
    for a, b in (("left_forearm", "right_forearm"), ("left_shank", "right_shank")):
        start = {"forearm": "elbow", "shank": "calf"}[a.split("_")[1]]
        assert same(colour(a, f"left_{start}"), colour(b, f"right_{start}")).all()
    assert 0.05 < same(top, bottom).float().mean() < 0.3  # dresses


def test_colours_are_colours(puppet):
    colours = PuppetPainter(fully_random=1.0).draw_clothes(puppet, 50)
    assert colours.min() >= 0
    assert colours.max() <= 1
    assert colours.std(1).mean() > 0.2


def test_hsv_to_rgb():
    hue, saturation, value = torch.rand(3, 50)
    wanted = [
        colorsys.hsv_to_rgb(*(float(channel[i]) for channel in (hue, saturation, value)))
        for i in range(50)
    ]
    torch.testing.assert_close(_hsv_to_rgb(hue, saturation, value), torch.tensor(wanted))


def test_build_varies_but_alike_on_both_sides(puppet, monkeypatch):
    factors = []
    draw = puppet.forward
    monkeypatch.setattr(
        puppet,
        "forward",
        lambda *args, **kwargs: factors.append(kwargs["radius_factors"]) or draw(*args, **kwargs),
    )
    PuppetPainter()(puppet, POSES, backgrounds())
    (factor,) = factors
    assert factor.shape == (COUNT, len(puppet.capsules))
    assert factor.std(0).min() > 0.03
    for i, capsule in enumerate(puppet.capsules):
        other = capsule.start.replace("left_", "right_"), capsule.part.replace("left_", "right_")
        for j, twin in enumerate(puppet.capsules):
            if (twin.start, twin.part) == other:
                torch.testing.assert_close(factor[:, i], factor[:, j])


def shape_only(joint_std=0.0, outline_std=0.0):
    """A painter whose puppets are even but for what is asked for."""
    return PuppetPainter(
        build_std=0.0, radius_std=0.0, joint_std=joint_std, outline_std=outline_std, blur=(0.4, 0.4)
    )


@pytest.mark.parametrize("option", [{"joint_std": 0.03}, {"outline_std": 0.3}])
def test_uneven_puppets_keep_their_pose_and_change_their_outline(puppet, option):
    torch.manual_seed(1)
    even = shape_only()(puppet, POSES, backgrounds())
    torch.manual_seed(1)
    uneven = shape_only(**option)(puppet, POSES, backgrounds())
    # What is drawn before the shape is the same: poses, cameras.
    torch.testing.assert_close(even.joints_body, uneven.joints_body)
    torch.testing.assert_close(even.camera.azimuth, uneven.camera.azimuth)
    one, two = even.maps.foreground > 0.5, uneven.maps.foreground > 0.5
    overlap = (one & two).sum() / (one | two).sum()
    assert 0.6 < overlap < 0.95
    # The truth is still where the person is.
    joints = places(uneven.camera, uneven.joints_body)[:, LIMBS]
    assert sample_at(uneven.maps.foreground, joints).mean() > 0.85


def test_outline_factors_vary_smoothly_about_one():
    torch.manual_seed(0)
    field = PuppetPainter(outline_std=0.2).draw_outline(64, (48, 40), torch.zeros(1))
    assert field.shape == (64, 1, 48, 40)
    assert abs(float(field.log().mean())) < 0.01
    assert 0.1 < float(field.log().std()) < 0.25
    assert (field.diff(dim=-1).abs().mean() / field.std()) < 0.5
    assert PuppetPainter(outline_std=0).draw_outline(4, (8, 8), torch.zeros(1)) is None
