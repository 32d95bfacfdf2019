import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from part_synth.geometry import PART_FLIP_INDICES, PART_NAMES, mirror
from part_synth.models import Capsule, CropCamera, Puppet, extend_joints
from tiny_part_synth import joint, make_poses, sample_at
from two_arms import ARMS, LEFT, RIGHT, cross, one, place


def slow_maps(capsules, points, depths, scale, size, blur, sharpness):
    """Part maps (P + 1, H, W) and union (H, W), pixel by pixel, from the formulas alone."""
    height, width = size
    parts, union = np.zeros((len(PART_NAMES), height, width)), np.zeros(size)
    for row in range(height):
        for column in range(width):
            pixel = np.array([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1])
            cover, order = [], []
            for capsule in capsules:
                a, b = (points[joint(name)] for name in (capsule.start, capsule.end))
                za, zb = (depths[joint(name)] for name in (capsule.start, capsule.end))
                # An axis shorter than half a pixel is treated as if it were that long.
                squared = max(float((b - a) @ (b - a)), (1 / width) ** 2)
                t = min(max(float((pixel - a) @ (b - a)) / squared, 0), 1)
                # The distance is rounded off within a twentieth of a pixel of the axis.
                distance = math.hypot(math.dist(pixel, a + t * (b - a)), 0.05 * 2 / width)
                radius = (1 - t) * capsule.start_radius + t * capsule.end_radius
                phi = 1 / (1 + math.exp(-(radius * scale - distance) / (blur * 2 / width)))
                cover.append(phi)
                order.append(phi**8 * math.exp(-sharpness * ((1 - t) * za + t * zb)))
            union[row, column] = min(1, sum(phi**8 for phi in cover) ** (1 / 8))
            for capsule, weight in zip(capsules, order, strict=True):
                share = weight / sum(order) * union[row, column]
                parts[PART_NAMES.index(capsule.part), row, column] += share
    parts[0] = 1 - union
    return parts, union


def test_one_tapered_capsule_against_the_formula_pixel_by_pixel():
    puppet = Puppet(ARMS[:1])
    points, depths = place(left_elbow=(-0.3, 0.2, 0.0), left_wrist=(0.5, -0.4, 0.1))
    maps = puppet(points, depths, one(2.0), (24, 24), blur=0.8)
    parts, union = slow_maps(
        ARMS[:1], points[0].numpy(), depths[0].numpy(), 2.0, (24, 24), 0.8, puppet.depth_sharpness
    )
    assert maps.foreground[0].numpy() == pytest.approx(union, abs=1e-7)
    assert maps.parts[0].numpy() == pytest.approx(parts, abs=1e-7)
    assert 0.05 < union.mean() < 0.5


def test_whole_puppet_against_the_formula_pixel_by_pixel(puppet, scene):
    points, depths, scale = (value[1:2].double() for value in scene[:3])
    maps = puppet(points, depths, scale, (14, 14), blur=1.0)
    parts, union = slow_maps(
        puppet.capsules, points[0].numpy(), depths[0].numpy(), float(scale), (14, 14), 1.0, 40.0
    )
    assert maps.parts[0].numpy() == pytest.approx(parts, abs=1e-6)
    assert maps.foreground[0].numpy() == pytest.approx(union, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_maps_sum_to_one(puppet, scene, dtype):
    points, depths, scale = (value.to(dtype) for value in scene[:3])
    maps = puppet(points, depths, scale, (32, 24), blur=0.7)
    assert maps.parts.shape == (4, 15, 32, 24)
    assert maps.capsules.shape == (4, len(puppet.capsules), 32, 24)
    assert maps.parts.dtype == maps.foreground.dtype == dtype
    ones = torch.ones_like(maps.foreground)
    torch.testing.assert_close(maps.parts.sum(1), ones, atol=1e-5, rtol=0)
    torch.testing.assert_close(maps.capsules.sum(1), maps.foreground, atol=1e-5, rtol=0)
    assert maps.parts.min() >= -1e-6


def test_every_part_is_seen_where_its_limb_is(puppet, scene):
    points, depths, scale = scene[:3]
    maps = puppet(points, depths, scale, (64, 64), blur=0.5)
    for capsule in puppet.capsules:
        middle = (points[:, joint(capsule.start)] + points[:, joint(capsule.end)]) / 2
        assert sample_at(maps.foreground, middle[:, None]).min() > 0.7, capsule
    assert (maps.parts.amax((2, 3)) > 0.5).any(0).all()


@pytest.mark.parametrize(("left", "right"), [(-0.2, 0.2), (0.2, -0.2)])
def test_nearer_capsule_hides_the_farther(left, right):
    maps = Puppet(ARMS)(*cross(left, right), one(1.0), (33, 33), blur=0.5)
    nearer, farther = (LEFT, RIGHT) if left < right else (RIGHT, LEFT)
    assert maps.parts[0, nearer, 16, 16] > 0.98
    assert maps.parts[0, farther, 16, 16] < 0.01
    assert maps.parts[0, LEFT, 16, 8] > 0.9
    assert maps.parts[0, RIGHT, 8, 16] > 0.9


def test_a_nearer_limb_hides_nothing_beside_it():
    """A forearm half a metre before the other one, and 0.1 of the crop (3 pixels) beside it."""
    points, depths = place(
        left_elbow=(-0.5, -0.15, -0.3),
        left_wrist=(0.5, -0.15, -0.3),
        right_elbow=(-0.5, 0.12, 0.2),
        right_wrist=(0.5, 0.12, 0.2),
    )
    maps = Puppet(ARMS)(points, depths, one(1.0), (64, 64), blur=0.7)
    at = sample_at(maps.parts[:, RIGHT], torch.tensor([[[0.0, 0.12], [-0.3, 0.1], [0.4, 0.14]]]))
    assert at.min() > 0.9


def test_parts_are_those_of_a_hard_depth_buffer(puppet, scene):
    """Share of the person's pixels that show the part of the nearest capsule on them."""
    points, depths, scale = (value.double() for value in scene[:3])
    pixels = (torch.arange(48).double() + 0.5) * 2 / 48 - 1
    pixels = torch.stack(torch.meshgrid(pixels, pixels, indexing="xy"), dim=-1)
    nearest = torch.full((4, 48, 48), torch.inf).double()
    labels = torch.zeros(4, 48, 48, dtype=torch.long)
    for capsule in puppet.capsules:
        start, end = joint(capsule.start), joint(capsule.end)
        a, b = points[:, None, None, start], points[:, None, None, end]
        t = ((pixels - a) * (b - a)).sum(-1) / (b - a).square().sum(-1)
        t = t.clamp(0, 1)
        distance = (pixels - a - t[..., None] * (b - a)).norm(dim=-1)
        radius = capsule.start_radius + t * (capsule.end_radius - capsule.start_radius)
        depth = depths[:, None, None, start] * (1 - t) + depths[:, None, None, end] * t
        closer = (distance < radius * scale[:, None, None]) & (depth < nearest)
        nearest = torch.where(closer, depth, nearest)
        labels = torch.where(closer, PART_NAMES.index(capsule.part), labels)
    maps = puppet(points, depths, scale, (48, 48), blur=0.5)
    right = maps.parts[:, 1:].argmax(1) + 1 == labels
    assert right[labels > 0].double().mean() > 0.8


def test_depth_is_that_of_the_place_on_the_limb():
    # The left forearm comes towards the camera from left to right, the right one is level.
    points, depths = cross(0.0, 0.0, left_elbow=(-0.8, 0.0, 0.4), left_wrist=(0.8, 0.0, -0.4))
    moved = points.clone()
    for shift, seen in ((-0.5, RIGHT), (0.5, LEFT)):
        moved[0, [joint("right_elbow"), joint("right_wrist")], 0] = shift
        maps = Puppet(ARMS)(moved, depths, one(1.0), (32, 32), blur=0.5)
        # The order is in the share of the person: a thin limb is not quite opaque on its axis.
        place = torch.tensor([[[shift, 0.0]]])
        person = sample_at(maps.foreground, place)
        assert sample_at(maps.parts[:, seen], place) / person > 0.95
        assert person > 0.9


def test_depth_order_needs_differences_only():
    puppet = Puppet(ARMS)
    points, depths = cross(0.05, 0.0)
    near = puppet(points, depths, one(1.0), (16, 16))
    far = puppet(points, depths + 5.0, one(1.0), (16, 16))
    torch.testing.assert_close(near.parts, far.parts)


def test_mirrored_pose_gives_mirrored_maps(puppet):
    joints = make_poses(3, seed=4)
    zeros = torch.zeros(3)

    def draw(body, sign):
        camera = CropCamera(
            sign * torch.tensor([0.0, 0.8, 2.0]),
            zeros + 0.2,
            sign * (zeros + 0.1),
            zeros + 0.8,
            torch.tensor([[sign * 0.15, 0.05]]).expand(3, 2),
            4.5,
        )
        in_camera = camera.rotate(extend_joints(body))
        return puppet(camera.project(in_camera), in_camera[..., 2], camera.scale, (32, 32))

    maps, mirrored = draw(joints, 1), draw(mirror(joints), -1)
    assert puppet.part_mirror.tolist() == list(PART_FLIP_INDICES)
    wanted = maps.parts.flip(-1)[:, puppet.part_mirror]
    torch.testing.assert_close(mirrored.parts, wanted, atol=2e-4, rtol=0)
    assert (maps.parts - wanted).abs().max() > 0.5


def test_maps_do_not_depend_on_resolution(puppet, scene):
    points, depths, scale = scene[:3]
    fine = puppet(points, depths, scale, (64, 64), blur=2.0).parts
    coarse = puppet(points, depths, scale, (32, 32), blur=1.0).parts
    difference = (F.avg_pool2d(fine, 2) - coarse).abs()
    assert difference.mean() < 1e-3
    # The union is cut off at 1, where its slope jumps: averages of pixels differ most there.
    assert difference[:, 0].max() < 0.08


def test_learned_radii_are_bounded_and_equal_left_and_right():
    puppet = Puppet(learn_radii=True, max_log_radius=0.3)
    with torch.no_grad():
        puppet.log_radii.copy_(torch.randn(len(puppet.capsules)) * 20)
    ratio = puppet.capsule_radii() / puppet.radii
    assert ratio.max() <= math.exp(0.3) + 1e-6
    assert ratio.min() >= math.exp(-0.3) - 1e-6
    assert ratio.std() > 0.05
    by_name = {(c.part, c.start, c.end): r for c, r in zip(puppet.capsules, ratio, strict=True)}
    pairs = 0
    for (part, start, end), value in by_name.items():
        if part.startswith("left_") or start == "left_waist":
            other = tuple(name.replace("left_", "right_") for name in (part, start, end))
            assert torch.equal(value, by_name[other])
            pairs += 1
    assert pairs == 7


def test_radii_are_fixed_unless_asked_and_start_at_the_table():
    puppet = Puppet()
    assert not puppet.log_radii.requires_grad
    assert Puppet(learn_radii=True).log_radii.requires_grad
    wanted = [[c.start_radius, c.end_radius] for c in puppet.capsules]
    torch.testing.assert_close(puppet.capsule_radii(), torch.tensor(wanted))


def test_radius_factors_act_on_one_capsule_of_one_puppet():
    points, depths = cross(0.0, 0.0)
    factors = torch.ones(2, 2, dtype=torch.float64)
    factors[1, 0] = 1.5
    both = Puppet(ARMS)(
        points.expand(2, -1, -1),
        depths.expand(2, -1),
        one(1.0).expand(2),
        (24, 24),
        radius_factors=factors,
    )
    thick = Capsule("left_forearm", "left_elbow", "left_wrist", 0.18, 0.09)
    for row, capsules in enumerate((ARMS, (thick, ARMS[1]))):
        single = Puppet(capsules)(points, depths, one(1.0), (24, 24))
        torch.testing.assert_close(both.parts[row], single.parts[0], atol=1e-6, rtol=1e-6)


def test_uncertain_band_is_where_the_outline_is(puppet, scene):
    maps = puppet(*scene[:3], (32, 32))
    wanted = (maps.foreground < 0.15) | (maps.foreground > 0.85)
    assert torch.equal(maps.certain, wanted.float())
    assert 0.5 < maps.certain.mean() < 1.0
    assert not maps.certain.requires_grad


def test_details_of_one_horizontal_capsule():
    puppet = Puppet([Capsule("head", "neck_base", "head", 0.2, 0.2)])
    points, depths = place(neck_base=(-0.5, 0.0, 0.0), head=(0.5, 0.0, 0.0))
    maps = puppet(points, depths, one(1.0), (41, 41), blur=0.3, details=True)
    row, column = 20, 20  # the centre of the crop
    assert maps.shade[0, row, column] == pytest.approx(0, abs=0.02)
    assert maps.position[0, row, column] == pytest.approx(0.5, abs=1e-6)
    step = 2 / 41
    for offset in (2, -3):
        pixel = (0, row + offset, column + 5)
        assert maps.shade[pixel] == pytest.approx(abs(offset) * step / 0.2, abs=0.02)
        assert maps.position[pixel] == pytest.approx(0.5 + 5 * step, abs=1e-6)
    above, below = maps.lateral[0, row - 3, column], maps.lateral[0, row + 3, column]
    assert above == pytest.approx(-float(below), abs=1e-6)
    assert above.abs() == pytest.approx(3 * step / 0.2, abs=0.02)
    assert maps.shade.max() <= 1
    plain = puppet(points, depths, one(1.0), (41, 41))
    assert plain.shade is plain.position is plain.lateral is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"start": "left_thumb"}, "'left_thumb'.*known joints.*left_hand_tip"),
        ({"end": "tail"}, "'tail'.*known joints"),
        ({"part": "background"}, "'background'.*known parts.*torso"),
        ({"part": "wing"}, "'wing'.*known parts"),
        ({"end_radius": 0.0}, "radii above zero, in metres"),
    ],
)
def test_mistakes_in_the_table(change, words):
    fine = dict(part="head", start="neck_base", end="head", start_radius=0.1, end_radius=0.1)
    with pytest.raises(ValueError, match=words):
        Puppet([{**fine, **change}])


def test_plain_joints_are_refused():
    with pytest.raises(ValueError, match=r"\(B, 41, 2\) from its extend_joints, got \(2, 17, 2\)"):
        Puppet()(torch.zeros(2, 17, 2), torch.zeros(2, 17), torch.ones(2), (8, 8))
