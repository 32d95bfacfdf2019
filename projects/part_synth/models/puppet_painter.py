"""Painted puppets: images whose pose is known, for pre-training the encoder.

Nothing here looks at a frame of the videos except as background. Clothes are drawn from a broad
palette written without regard to any data set; small experiments found that the encoder must see
puppets before it sees people.

Symbols: B batch, C capsules, H x W image size. Colours are RGB in [0, 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from part_synth.geometry import H36M17, mirror
from part_synth.registry import MODELS

from .puppet import PartMaps, Puppet
from .puppet_file import CLOTHES
from .view import CropCamera, fit_to_crop

# What a capsule can show: rows of the colours of one person.
_SKIN, _HAIR, _TOP, _BOTTOM, _SHOES, _ACCESSORY = range(6)
_FEET = [H36M17.joint_names.index(f"{side}_foot") for side in ("left", "right")]


def _uniform(size: tuple[int, ...], low: float, high: float, like: Tensor) -> Tensor:
    return torch.rand(size, device=like.device, dtype=like.dtype) * (high - low) + low


def _hsv_to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Colours (*,) in [0, 1] -> (*, 3), by the usual hexcone formula."""
    k = torch.tensor([5.0, 3.0, 1.0], device=hue.device, dtype=hue.dtype)
    k = (k + hue[..., None] * 6) % 6
    ramp = torch.minimum(k, 4 - k).clamp(0, 1)
    return value[..., None] * (1 - saturation[..., None] * ramp)


def _lambert(shade: Tensor, lateral: Tensor) -> Tensor:
    """Light (B, H, W) from random sides on round limbs; ``shade``, ``lateral`` as in PartMaps."""
    towards = (1 - shade.square()).clamp_min(0).sqrt()
    angle = _uniform((len(shade), 1, 1), -1.2, 1.2, shade)
    ambient = _uniform((len(shade), 1, 1), 0.35, 0.95, shade)
    lambert = (towards * angle.cos() + lateral * angle.sin()).clamp_min(0)
    return ambient + (1 - ambient) * 1.25 * lambert


def _light_patches(like: Tensor) -> Tensor:
    """Patches of light (B, 1, H, W) as a factor, for maps (B, H, W)."""
    batch, *size = like.shape
    patches = torch.randn(batch, 1, 8, 8, device=like.device)
    patches = F.interpolate(patches, size, mode="bilinear", align_corners=False)
    return 1 + _uniform((batch, 1, 1, 1), 0.0, 0.2, like) * patches


@dataclass
class PaintedPuppets:
    """A batch of painted puppets.

    Attributes:
        images: (B, 3, H, W) in [-1, 1].
        backgrounds: (B, 3, H, W) the same scenes without puppet and shadow, in [-1, 1].
        joints_body: (B, 17, 3) the poses that were drawn, body frame, metres.
        camera: Their cameras.
        maps: Their part maps; None for puppets out of a bank.
    """

    images: Tensor
    backgrounds: Tensor
    joints_body: Tensor
    camera: CropCamera
    maps: PartMaps | None = None


@MODELS.register_module()
class PuppetPainter(BaseModule):
    """Draw random puppets of unpaired poses from random cameras on given backgrounds.

    Args:
        elevation: Mean and standard deviation of the camera's elevation, radians.
        roll_std: Standard deviation of its roll, radians.
        distance: Range of camera distances, metres.
        extent: Range of the person's size in the crop, in crop half-widths. It must cover what
            the boxes of the videos give: at 0.85 of a box a quarter larger than the person,
            varied by 12 percent, the joints fill 1.5 to 1.95.
        shift: Largest shift of the person's box from the crop's centre, crop half-widths.
        fully_random: Share of capsules with a colour of their own.
        build_std: Standard deviation of the log factor on all radii.
        radius_std: Standard deviation of the log factor on each capsule's radius.
        joint_std: Standard deviation of where a capsule's end lies about its joint, metres:
            people's flesh and clothes do not lie evenly about their joints.
        outline_std: Standard deviation of the log factor on all radii from place to place.
        blur: Range of the outline's width, pixels.
        noise: Largest standard deviation of pixel noise.
        shadow: Largest darkness of the shadow under the feet.
    """

    def __init__(
        self,
        elevation: tuple[float, float] = (math.radians(10), math.radians(9)),
        roll_std: float = math.radians(2),
        distance: tuple[float, float] = (3.0, 7.0),
        extent: tuple[float, float] = (1.45, 1.95),
        shift: float = 0.15,
        fully_random: float = 0.06,
        build_std: float = 0.13,
        radius_std: float = 0.12,
        joint_std: float = 0.03,
        outline_std: float = 0.25,
        blur: tuple[float, float] = (0.25, 0.6),
        noise: float = 0.02,
        shadow: float = 0.6,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.elevation = elevation
        self.roll_std = roll_std
        self.distance = distance
        self.extent = extent
        self.shift = shift
        self.fully_random = fully_random
        self.build_std = build_std
        self.radius_std = radius_std
        self.joint_std = joint_std
        self.outline_std = outline_std
        self.blur = blur
        self.noise = noise
        self.shadow = shadow

    def draw_camera(self, joints_body: Tensor) -> CropCamera:
        """Random cameras that frame (B, N, 3) body-frame points, metres."""
        n = (len(joints_body),)
        mean, std = self.elevation
        camera = CropCamera(
            azimuth=_uniform(n, -math.pi, math.pi, joints_body),
            elevation=mean + std * torch.randn(n, device=joints_body.device),
            roll=self.roll_std * torch.randn(n, device=joints_body.device),
            scale=torch.ones_like(joints_body[:, 0, 0]),
            offset=torch.zeros_like(joints_body[:, 0, :2]),
            distance=_uniform(n, *self.distance, joints_body),
        )
        return fit_to_crop(
            camera,
            camera.rotate(joints_body),
            extent=_uniform(n, *self.extent, joints_body),
            centre=_uniform((*n, 2), -self.shift, self.shift, joints_body),
        )

    def draw_clothes(self, puppet: Puppet, batch: int) -> Tensor:
        """Random colours per capsule, structured like clothes.

        A capsule's ``clothes`` in the puppet file say what it can show:

        - skin, hair, top, bottom: always that;
        - sleeve: the top in two thirds of the people, long_sleeve in one third (who have both),
          else skin;
        - trouser_leg: the bottom in two thirds of the people, else skin;
        - shoes: shoes, each foot bare in a tenth of the people;
        - accessory (hats, bags, tails): a colour of its own, one for all of a person's.

        Args:
            puppet: The puppet.
            batch: B.

        Returns:
            (B, C, 3) RGB in [0, 1].
        """
        like = puppet.radii
        rand = lambda *size: torch.rand(size, device=like.device)  # noqa: E731
        # Skin tones lie on a line from pale to dark; hair is dark to blond or grey.
        tone = rand(batch, 1)
        skin = (
            torch.tensor([0.95, 0.78, 0.68], device=like.device)
            * (1 - 0.72 * tone)
            * (1 - tone * torch.tensor([0.0, 0.1, 0.2], device=like.device))
        )
        hair = _hsv_to_rgb(
            0.03 + 0.1 * rand(batch), 0.7 * rand(batch), 0.05 + 0.75 * rand(batch) ** 2
        )
        cloth = _hsv_to_rgb(rand(batch, 3), rand(batch, 3) ** 1.5, 0.08 + 0.9 * rand(batch, 3))
        # One piece (dress, overall) now and then.
        cloth[:, 1] = torch.where(rand(batch, 1) < 0.15, cloth[:, 0], cloth[:, 1])
        colours = torch.stack([skin, hair, cloth[:, 0], cloth[:, 1], cloth[:, 2]], dim=1)

        sleeves = (rand(batch) * 3).long()  # 0 none, 1 short, 2 long
        legs = (rand(batch) * 3).long()  # 0 shorts, 1 or 2 long
        wears = [capsule.clothes for capsule in puppet.capsules]
        # One draw for each shoe, and none for what nobody wears: the same seed keeps giving the
        # same puppets.
        bare = {c: rand(batch) < 0.1 for c, name in enumerate(wears) if name == "shoes"}
        if "accessory" in wears:
            extra = _hsv_to_rgb(rand(batch), rand(batch), 0.08 + 0.9 * rand(batch))
            colours = torch.cat([colours, extra[:, None]], dim=1)
        always = lambda row: torch.full_like(sleeves, row)  # noqa: E731
        shown = {
            "skin": always(_SKIN),
            "hair": always(_HAIR),
            "top": always(_TOP),
            "sleeve": torch.where(sleeves >= 1, _TOP, _SKIN),
            "long_sleeve": torch.where(sleeves == 2, _TOP, _SKIN),
            "bottom": always(_BOTTOM),
            "trouser_leg": torch.where(legs >= 1, _BOTTOM, _SKIN),
            "shoes": always(_SHOES),
            "accessory": always(_ACCESSORY),
        }
        groups = torch.stack([shown[name] for name in CLOTHES], dim=1)[:, puppet.clothes]
        for c, without in bare.items():
            groups[:, c] = torch.where(without, _SKIN, groups[:, c])
        painted = colours.gather(1, groups[..., None].expand(-1, -1, 3))
        free = rand(batch, len(puppet.capsules), 1) < self.fully_random
        painted = torch.where(free, rand(batch, len(puppet.capsules), 3), painted)
        return (painted * (1 + 0.08 * torch.randn(painted.shape, device=like.device))).clamp(0, 1)

    def draw_outline(self, batch: int, size: tuple[int, int], like: Tensor) -> Tensor | None:
        """Smooth factor (B, 1, H, W) on the radii, a sixth of the crop wide; None for none."""
        if self.outline_std <= 0:
            return None
        field = torch.randn(batch, 1, 12, 12, device=like.device, dtype=like.dtype)
        field = F.interpolate(field, size, mode="bicubic", align_corners=False)
        return (self.outline_std * field).exp()

    def dress(self, puppet: Puppet, points: Tensor, maps: PartMaps) -> Tensor:
        """Colours (B, 3, H, W) of the person, dark where there is none.

        Args:
            puppet: The puppet.
            points: (B, E, 2) extended joints, crop coordinates.
            maps: What it looks like there.
        """
        colours = self.draw_clothes(puppet, len(points)).to(maps.capsules)
        return torch.einsum("bchw,bcr->brhw", maps.capsules, colours)

    def shade(self, puppet: Puppet, points: Tensor, maps: PartMaps) -> Tensor:
        """Light and texture on the visible capsules (B, 1 or 3, H, W), as a factor on colours.

        Args:
            puppet: The puppet.
            points: (B, E, 2) extended joints, crop coordinates.
            maps: What it looks like there.
        """
        like = maps.foreground
        batch = len(like)
        light = _lambert(maps.shade, maps.lateral)
        # Stripes along or across the limbs on some puppets, patches of light on all.
        frequency = _uniform((batch, 1, 1), 4, 14, like)
        along = torch.rand(batch, 1, 1, device=like.device) < 0.5
        phase = torch.where(along, maps.position, 0.5 * maps.lateral) * frequency
        amount = _uniform((batch, 1, 1), -0.5, 0.35, like).clamp_min(0)
        light = light * (1 + amount * torch.sin(2 * math.pi * phase))
        return light[:, None] * _light_patches(like)

    def cast_shadow(
        self,
        puppet: Puppet,
        extended: Tensor,
        points: Tensor,
        camera: CropCamera,
        size: tuple[int, int],
    ) -> Tensor:
        """Soft shadow (B, 1, H, W) under the feet, as a factor on the scene.

        Args:
            puppet: The puppet.
            extended: (B, E, 3) extended joints, body frame, metres.
            points: (B, E, 2) where they were drawn, crop coordinates.
            camera: Who sees them.
            size: (H, W).
        """
        batch = len(points)
        xs, ys = (torch.linspace(-1, 1, n, device=points.device) for n in reversed(size))
        # On the floor about the lower foot, drawn out to the side that the light comes from.
        feet = points[:, _FEET]
        floor = feet[..., 1].amax(1) + _uniform((batch,), -0.02, 0.06, points)
        middle = feet[..., 0].mean(1) + _uniform((batch,), -0.3, 0.3, points)
        width = _uniform((batch, 1), 0.1, 0.4, points)
        height = _uniform((batch, 1), 0.03, 0.12, points)
        x = ((xs - middle[:, None]) / width).square()
        y = ((ys - floor[:, None]) / height).square()
        falloff = torch.exp(-0.5 * (x[:, None, :] + y[:, :, None]))
        strength = _uniform((batch, 1, 1), -0.3, self.shadow, points).clamp_min(0)
        return (1 - strength * falloff)[:, None]

    @torch.no_grad()
    def forward(self, puppet: Puppet, joints_body: Tensor, backgrounds: Tensor) -> PaintedPuppets:
        """Paint puppets.

        Args:
            puppet: The puppet.
            joints_body: (B, 17, 3) unpaired poses, body frame, metres. Half of them, at
                random, are mirrored.
            backgrounds: (B, 3, H, W) crops in [-1, 1] to paint over; flipped, and their
                brightness varied, at random.

        Returns:
            The painted puppets.
        """
        batch = len(joints_body)
        flip = torch.rand(batch, 1, 1, device=joints_body.device) < 0.5
        joints_body = torch.where(flip, mirror(joints_body), joints_body)
        extended = puppet.extend_joints(joints_body)
        camera = self.draw_camera(extended)
        in_camera = camera.rotate(extended)
        build = self.build_std * torch.randn(batch, 1, device=joints_body.device)
        single = self.radius_std * torch.randn(
            batch, len(puppet.capsules), device=joints_body.device
        )
        # Loose hair and clothes are thicker more often than limbs are thinner than their flesh.
        factors = torch.exp(build + 0.5 * (single + single[:, puppet.mirror]))
        blur = float(_uniform((1,), *self.blur, joints_body))
        size = tuple(backgrounds.shape[-2:])
        if self.joint_std > 0:
            in_camera = in_camera + self.joint_std * torch.randn_like(in_camera)
        points = camera.project(in_camera)
        maps = puppet(
            points,
            in_camera[..., 2],
            camera.scale,
            size,
            blur=blur,
            radius_factors=factors,
            outline=self.draw_outline(batch, size, like=factors),
            details=True,
            nearest=camera.nearest_depth(),
        )
        person = self.dress(puppet, points, maps)
        flip = torch.rand(batch, 1, 1, 1, device=joints_body.device) < 0.5
        scene = (torch.where(flip, backgrounds.flip(-1), backgrounds) + 1) / 2
        scene = scene * _uniform((batch, 3, 1, 1), 0.75, 1.25, scene)
        shadow = self.cast_shadow(puppet, extended, points, camera, size)
        empty = (1 - maps.foreground[:, None]) * shadow
        image = person * self.shade(puppet, points, maps) + empty * scene
        exposure = _uniform((batch, 1, 1, 1), 0.75, 1.25, scene)
        sigma = _uniform((batch, 1, 1, 1), 0.0, self.noise, scene)
        image = image * exposure + sigma * torch.randn_like(image)
        # A median of many frames has their light, on average, and no noise.
        scene = scene * exposure * _uniform((batch, 1, 1, 1), 0.95, 1.05, scene)
        return PaintedPuppets(
            images=image.clamp(0, 1) * 2 - 1,
            backgrounds=scene.clamp(0, 1) * 2 - 1,
            joints_body=joints_body,
            camera=camera,
            maps=maps,
        )
