"""Maps drawn tile by tile, each tile with the capsules in reach alone.

Most capsules of a puppet are far from most pixels: of 21 capsules on 96 x 96 pixels a seventh of
all pairs matters. Which ones do is decided for tiles, and tiles with about as many capsules are
drawn together, so that no work is spent on the rest and no loop runs over puppets or capsules.

Symbols: B batch, C capsules, N tiles of a map, T x S pixels of a tile; M tiles drawn together and
the K capsules of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

# Sides of a tile, pixels, the largest that divides the map's. Smaller ones leave out more and
# cost more to collect.
_SIDES = (8, 6, 5, 4)

# Tiles with up to so many capsules are drawn together.
_COUNTS = (2, 4, 7, 11, 15)


@dataclass
class TileGrid:
    """How maps are cut into tiles.

    Attributes:
        size: (H, W) of the maps.
        tile: (T, S) of a tile; that of the maps where they aren't cut.
    """

    size: tuple[int, int]
    tile: tuple[int, int]

    @classmethod
    def of(cls, size: tuple[int, int], whole: bool = False) -> TileGrid:
        """Tiles for maps of ``size``; one that is the whole map where no side divides it."""
        side = next((s for s in _SIDES if size[0] % s == size[1] % s == 0), None)
        return cls(size, size if whole or side is None else (side, side))

    @property
    def counts(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        return self.size[0] // self.tile[0], self.size[1] // self.tile[1]

    def axes(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Crop coordinates [-1, 1] of pixels: (N, T) down and (N, S) across each tile."""
        ys, xs = (
            (torch.arange(n, device=like.device, dtype=like.dtype) + 0.5) * (2.0 / n) - 1
            for n in self.size
        )
        rows, columns = self.counts
        ys = ys.view(rows, 1, -1).expand(-1, columns, -1).flatten(0, 1)
        xs = xs.view(1, columns, -1).expand(rows, -1, -1).flatten(0, 1)
        return ys, xs

    def cut(self, maps: Tensor) -> Tensor:
        """(B, N, T, S) tiles of maps (B, H, W)."""
        rows, columns = self.counts
        tiles = maps.unflatten(1, (rows, -1)).unflatten(3, (columns, -1))
        return tiles.transpose(2, 3).flatten(1, 2)

    def view(self, maps: Tensor) -> Tensor:
        """(B, rows, columns, R, T, S) view of the tiles of maps (B, R, H, W)."""
        rows, columns = self.counts
        tiles = maps.unflatten(2, (rows, -1)).unflatten(4, (columns, -1))
        return tiles.permute(0, 2, 4, 1, 3, 5)


@dataclass
class Reach:
    """Capsules within reach of some tiles.

    Attributes:
        image: (M,) which of the B images.
        tile: (M,) which of the N tiles.
        capsule: (M, K) which of the C capsules, the nearest first.
    """

    image: Tensor
    tile: Tensor
    capsule: Tensor


def within_reach(
    grid: TileGrid, start: Tensor, end: Tensor, radius: Tensor, margin: float
) -> Iterator[Reach]:
    """Collect the tiles that have a capsule in reach, by how many they have.

    Args:
        grid: The tiles.
        start: (B, C, 2) first ends, crop coordinates.
        end: (B, C, 2) second ends.
        radius: (B, C) largest radius, crop half-widths.
        margin: How far a capsule reaches beyond its radius, crop half-widths.

    Yields:
        Disjoint groups of tiles; every capsule in reach of a tile is among its K.
    """
    ys, xs = grid.axes(start)
    centre = torch.stack([xs.mean(1), ys.mean(1)], dim=-1)  # (N, 2)
    axis = end - start
    away = centre - start[:, :, None]
    along = (away * axis[:, :, None]).sum(-1) / axis.square().sum(-1).clamp_min(1e-12)[..., None]
    away = (away - along.clamp(0, 1)[..., None] * axis[:, :, None]).norm(dim=-1)  # (B, C, N)
    corner = ((grid.tile[0] / grid.size[0]) ** 2 + (grid.tile[1] / grid.size[1]) ** 2) ** 0.5
    room = (away - radius[..., None] - (corner + margin)).transpose(1, 2)  # (B, N, C)
    count = (room < 0).sum(-1)
    # A puppet out of view has a gradient too, of zeros.
    count[:, 0].clamp_(min=1)
    fewest = 1
    capsules = radius.shape[1]
    for most in (*(n for n in _COUNTS if n < capsules), capsules):
        image, tile = ((count >= fewest) & (count <= most)).nonzero(as_tuple=True)
        fewest = most + 1
        if len(image):
            yield Reach(image, tile, room[image, tile].topk(most, largest=False).indices)


class _Assemble(torch.autograd.Function):
    """Maps of tiles that were drawn in groups, each written to its place once.

    Writing in place under autograd would copy all of the gradient once per group.
    """

    @staticmethod
    def forward(ctx, grid: TileGrid, shape: tuple[int, int], places: list, *groups: Tensor):
        ctx.grid, ctx.places = grid, places
        maps = groups[0].new_zeros(*shape, *grid.size)
        tiles = grid.view(maps)
        for place, group in zip(places, groups, strict=True):
            tiles[place] = group
        return maps

    @staticmethod
    def backward(ctx, gradient: Tensor):
        tiles = ctx.grid.view(gradient)
        return None, None, None, *(tiles[place] for place in ctx.places)


def draw_tiles(
    grid: TileGrid,
    reach: Iterable[Reach],
    draw: Callable[[Reach], tuple[Tensor, Tensor]],
    shape: tuple[int, int, int],
) -> tuple[Tensor, Tensor]:
    """Draw groups of tiles and put them together.

    Args:
        grid: The tiles.
        reach: The groups, at least one.
        draw: Draws a group: (M, K, T, S) of its capsules and (M, R, T, S) of other layers.
        shape: B, C and R.

    Returns:
        (B, C, H, W) of all capsules and (B, R, H, W), zero where no capsule is in reach.
    """
    batch, capsules, layers = shape
    columns = grid.counts[1]
    to_capsules, to_layers, drawn = [], [], []
    for group in reach:
        tile = tuple(i[:, None] for i in (group.image, group.tile // columns, group.tile % columns))
        to_capsules.append((*tile, group.capsule))
        to_layers.append((*tile, torch.arange(layers, device=group.tile.device)))
        drawn.append(draw(group))
    shares, others = zip(*drawn, strict=True)
    return (
        _Assemble.apply(grid, (batch, capsules), to_capsules, *shares),
        _Assemble.apply(grid, (batch, layers), to_layers, *others),
    )
