"""DressedPuppetPainter: garments are whole, hems part them, any puppet can wear them."""

import pytest
import torch
from part_synth.models import (
    DressedPuppetPainter,
    Puppet,
    PuppetPainter,
    dressed_painter,
    puppet_painter,
)
from part_synth.registry import MODELS
from small_puppets import HAT, many_parts, three_parts
from tiny_part_synth import make_poses

SIZE = (64, 64)


@pytest.fixture(scope="module")
def puppet():
    return Puppet()


def paint(painter, puppet, count=6, size=SIZE):
    torch.manual_seed(0)
    scenes = torch.zeros(count, 3, *size)
    return painter(puppet, make_poses(count, seed=1), scenes)


def even(**more):
    return DressedPuppetPainter(joint_std=0.0, outline_std=0.0, **more)


def chosen(monkeypatch, **values):
    """Let draws from a range have given values, the others the middle of their range."""

    def uniform(size, low, high, like):
        middle = 0.5 * (low + high)
        return torch.full(size, values.get(f"{low}_{high}".replace(".", "p"), middle))

    for module in (dressed_painter, puppet_painter):
        monkeypatch.setattr(module, "_uniform", uniform)


def seen(puppet, painter, count=6):
    """(points, maps) of puppets, as the painter hands them to what it dresses and lights."""
    kept = {}
    shade = painter.shade
    painter.shade = lambda *scene: kept.update(scene=scene) or shade(*scene)
    painted = paint(painter, puppet, count)
    return kept["scene"][1], painted.maps


def trunk(puppet, maps):
    return maps.parts[:, puppet.part_names.index("torso")] > 0.9


def test_is_registered_and_paints_what_the_plain_painter_draws(puppet):
    painter = MODELS.build(
        dict(type="part_synth.DressedPuppetPainter", joint_std=0.0, outline_std=0.0)
    )
    dressed = paint(painter, puppet)
    plain = paint(PuppetPainter(joint_std=0.0, outline_std=0.0), puppet)
    assert dressed.images.shape == (6, 3, *SIZE) and dressed.images.isfinite().all()
    assert dressed.images.abs().max() <= 1
    torch.testing.assert_close(dressed.maps.parts, plain.maps.parts)
    assert (dressed.images - plain.images).abs().max() > 0.1


def test_a_garment_has_one_colour(puppet):
    torch.manual_seed(0)
    colours = even(fully_random=0.5).draw_clothes(puppet, 50)
    garments = [(c.part, c.clothes) for c in puppet.capsules]
    for garment in set(garments):
        rows = [i for i, other in enumerate(garments) if other == garment]
        assert (colours[:, rows] == colours[:, rows[:1]]).all(), garment


def test_tops_end_at_the_hem(puppet, monkeypatch):
    painter = even(hem=(0.5, 0.5), fully_random=0.0)
    points, maps = seen(puppet, painter)
    monkeypatch.setattr(torch, "randn", torch.zeros)  # no tints
    torch.manual_seed(0)
    colours = painter.draw_clothes(puppet, 6)
    wears = [c.clothes for c in puppet.capsules]
    torch.manual_seed(0)
    person = painter.dress(puppet, points, maps).permute(0, 2, 3, 1)
    along, _ = dressed_painter._trunk_coordinates(points, SIZE)
    inside = maps.capsules[:, [i for i, cloth in enumerate(wears) if cloth == "top"]].sum(1) > 0.98
    for place, cloth in ((along > 0.7, "top"), (along < 0.3, "bottom")):
        rows = inside & place
        assert rows.sum() >= 50
        wanted = colours[:, wears.index(cloth)][:, None, None].expand_as(person)
        torch.testing.assert_close(person[rows], wanted[rows], atol=0.03, rtol=0)


def test_stripes_run_through_the_whole_trunk(puppet, monkeypatch):
    painter = even()
    points, maps = seen(puppet, painter)
    # Rings, sharp and strong.
    chosen(monkeypatch, **{"0_1": 0.2, "1_4": 4.0, "-0p5_0p4": 0.4, "3_14": 5.0})
    whole = trunk(puppet, maps)
    pattern = painter._pattern(points, maps, whole)
    along, _ = dressed_painter._trunk_coordinates(points, SIZE)
    wanted = 1 + 0.4 * (4 * torch.sin(2 * torch.pi * 5 * along)).clamp(-1, 1)
    torch.testing.assert_close(pattern[whole], wanted[whole])
    assert pattern[whole].std() > 0.2


def test_light_runs_over_the_trunk_without_seams(puppet, monkeypatch):
    painter, plain = even(prints=0.0), PuppetPainter(joint_std=0.0, outline_std=0.0)
    points, maps = seen(puppet, painter)
    whole = trunk(puppet, maps)
    inside = whole[:, :, 1:] & whole[:, :, :-1]
    monkeypatch.setattr(torch, "randn", torch.zeros)  # no patches of light
    steps = {}
    # Light from the side, and no stripes.
    chosen(monkeypatch, **{"-0p5_0p4": 0.0, "-0p5_0p35": 0.0, "-1p2_1p2": 1.0})
    for name, one in (("dressed", painter), ("plain", plain)):
        light = one.shade(puppet, points, maps)[:, 0]
        steps[name] = (light[:, :, 1:] - light[:, :, :-1]).abs()[inside].quantile(0.95)
    assert steps["dressed"] < 0.6 * steps["plain"]


@pytest.mark.parametrize("prints", [0.0, 1.0])
def test_share_of_prints(prints):
    torch.manual_seed(0)
    factor = even(prints=prints)._print(20, list(SIZE), torch.zeros(1))
    assert factor.shape == (20, 3, *SIZE)
    printed = (factor != 1).flatten(1).any(1)
    assert printed.float().mean() == prints


@pytest.mark.parametrize(
    "content",
    [three_parts(), many_parts(25), HAT, "slim"],
    ids=["3 parts", "25 parts", "hat", "slim"],
)
def test_any_puppet_is_dressed(content):
    painted = paint(even(), Puppet(puppet=content), size=(32, 32))
    assert painted.images.isfinite().all() and painted.images.std() > 0.05


def test_puppets_without_tops_have_no_hem():
    content = three_parts()
    for capsule in content["capsules"]:
        capsule["clothes"] = "skin"
    assert paint(even(), Puppet(puppet=content), size=(32, 32)).images.isfinite().all()


def test_a_trunk_that_points_at_the_camera(puppet):
    points = torch.zeros(2, len(puppet.joint_names), 2)
    for coordinates in dressed_painter._trunk_coordinates(points, SIZE):
        assert coordinates.shape == (2, *SIZE) and coordinates.isfinite().all()
