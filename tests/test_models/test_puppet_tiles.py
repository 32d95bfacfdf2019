"""Maps drawn tile by tile are those of every capsule in every pixel."""

import pytest
import torch
from part_synth.models import Puppet
from part_synth.models.puppet_tiles import TileGrid, within_reach


def draw(scene, reach, **options):
    points, depths, scale = (value.clone().requires_grad_() for value in scene[:3])
    puppet = Puppet(reach=reach, learn_radii=True)
    maps = puppet(points, depths, scale, options.pop("size", (48, 48)), **options)
    return maps, (points, depths, scale, puppet.log_radii)


@pytest.mark.parametrize("blur", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("size", [(64, 64), (48, 32), (45, 33)])
def test_maps_and_gradients_are_those_of_every_capsule(scene, size, blur):
    tiles, whole = (draw(scene, reach, size=size, blur=blur) for reach in (9.0, None))
    for name in ("parts", "capsules", "foreground"):
        one, other = getattr(tiles[0], name), getattr(whole[0], name)
        # exp(-9), and what is in front of little.
        torch.testing.assert_close(one, other, atol=2e-3, rtol=0, msg=name)
    assert (tiles[0].foreground - whole[0].foreground).abs().max() < 2e-4
    weight = torch.randn(tiles[0].parts.shape, generator=torch.Generator().manual_seed(0))
    one, other = (
        torch.autograd.grad((maps.parts * weight).sum(), leaves) for maps, leaves in (tiles, whole)
    )
    for a, b in zip(one, other, strict=True):
        assert (a - b).abs().max() < 2e-3 * b.abs().max()


def test_light_on_the_person_is_that_of_every_capsule(scene):
    outline = (0.3 * torch.randn(4, 1, 48, 48)).exp()
    options = {"blur": 0.5, "details": True, "outline": outline}
    tiles, whole = (draw(scene, reach, **options)[0] for reach in (9.0, None))
    person = whole.foreground > 0.05
    for name in ("shade", "position", "lateral"):
        one, other = (getattr(maps, name)[person] for maps in (tiles, whole))
        torch.testing.assert_close(one, other, atol=2e-3, rtol=0, msg=name)


@pytest.mark.parametrize(
    ("size", "tile"),
    [((64, 64), (8, 8)), ((60, 36), (6, 6)), ((45, 35), (5, 5)), ((31, 8), (31, 8))],
)
def test_tiles_are_cut_and_put_together(size, tile):
    grid = TileGrid.of(size)
    assert grid.tile == tile
    maps = torch.rand(2, *size)
    together = torch.empty(2, 1, *size)
    grid.view(together)[:, :, :, 0] = grid.cut(maps).unflatten(1, grid.counts)
    assert torch.equal(together[:, 0], maps)
    ys, xs = grid.axes(maps)
    places = (ys[:, :, None] + 10 * xs[:, None, :]).unflatten(0, grid.counts)
    seen = torch.empty(1, 1, *size)
    grid.view(seen)[0, :, :, 0] = places
    rows, columns = ((torch.arange(n) + 0.5) * (2 / n) - 1 for n in size)
    torch.testing.assert_close(seen[0, 0], rows[:, None] + 10 * columns)


def test_every_capsule_in_reach_of_a_tile_is_drawn_there():
    generator = torch.Generator().manual_seed(1)
    start, end = torch.rand(2, 3, 20, 2, generator=generator) * 3 - 1.5
    radius = 0.1 * torch.rand(3, 20, generator=generator)
    grid = TileGrid.of((64, 64))
    ys, xs = grid.axes(start)
    points = torch.stack(torch.broadcast_tensors(xs[:, None, :], ys[:, :, None]), -1)
    axis = end - start
    away = points[None, None] - start[:, :, None, None, None]
    along = (away * axis[:, :, None, None, None]).sum(-1) / axis.square().sum(-1)[
        ..., None, None, None
    ]
    away = (away - along.clamp(0, 1)[..., None] * axis[:, :, None, None, None]).norm(dim=-1)
    near = (away - radius[..., None, None, None] < 0.05).flatten(3).any(-1)  # (3, 20, 64)
    listed = torch.zeros(3, 20, 64, dtype=torch.bool)
    tiles = set()
    for group in within_reach(grid, start, end, radius, 0.05):
        listed[group.image[:, None], group.capsule, group.tile[:, None]] = True
        here = set(zip(group.image.tolist(), group.tile.tolist(), strict=True))
        assert not here & tiles
        tiles |= here
        assert group.capsule.sort(1).values.diff(dim=1).gt(0).all()
    assert (listed | ~near).all()
    # And not nearly all of them.
    assert listed.float().mean() < 0.5


def test_no_puppets_give_no_maps(scene):
    maps = Puppet()(*(value[:0] for value in scene[:3]), (48, 48), details=True)
    assert maps.parts.shape[0] == 0 and maps.parts.shape[2:] == (48, 48)
    assert maps.shade.shape == (0, 48, 48)
