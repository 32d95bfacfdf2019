"""Pictures that were never taken: the looks of some frames in the pose of another.

Symbols: B samples of F frames, L pictures of one person, S side of the crops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from .puppet import PartMaps
from .synthesizer import Appearance, SynthesizedImage

if TYPE_CHECKING:
    from .part_synth import PartSynth

# Pixels; sharp maps, as PartSynth.predict draws them. Training blurs more, for the gradient.
TEST_BLUR = 0.7


def pool_looks(model: PartSynth, images: Tensor, decoded: dict[str, Tensor]) -> Appearance:
    """Looks of one person from several pictures: what one hides another shows.

    Args:
        model: Its puppet and its appearance encoder are used.
        images: (L, 3, S, S) in [-1, 1].
        decoded: What ``model.read`` gave for them.

    Returns:
        The appearance, one entry.
    """
    maps = model.render(decoded, images.shape[-2:], blur=TEST_BLUR)
    # A frame's looks come from the OTHERS of its group; an empty one more gets the mean over all.
    blank = (0, 0) * 3 + (0, 1)
    maps = PartMaps(
        *(F.pad(part, blank[-2 * part.ndim :]) for part in (maps.parts, maps.capsules)),
        *(F.pad(part, blank[-2 * part.ndim :]) for part in (maps.foreground, maps.certain)),
    )
    pooled = model.appearance(F.pad(images, blank), maps, len(images) + 1)
    return Appearance(pooled.colours[-1:], pooled.features[-1:])


def paint(
    model: PartSynth,
    decoded: dict[str, Tensor],
    appearance: Appearance,
    size: tuple[int, int],
    background: Tensor | None = None,
) -> SynthesizedImage:
    """Paint one person's looks on decoded poses.

    Args:
        model: Its puppet and its decoder are used.
        decoded: B poses, from ``model.read`` or ``model.place``.
        appearance: One entry.
        size: (H, W) px.
        background: (B or 1, 3, H, W) in [-1, 1]; None paints before grey.

    Returns:
        B synthesised images.
    """
    maps = model.render(decoded, size, blur=TEST_BLUR)
    count = len(maps.parts)
    looks = Appearance(
        appearance.colours.expand(count, -1, -1), appearance.features.expand(count, -1, -1)
    )
    if background is not None:
        background = background.expand(count, -1, -1, -1)
    return model.decoder(maps, looks, background)


def to_bytes(images: Tensor) -> Tensor:
    """Images in [-1, 1] as uint8, values beyond cut off."""
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def change_light(images: Tensor, gain: Tensor) -> Tensor:
    """Images (B, 3, H, W) in [-1, 1] whose channels are ``gain`` (B, 3, 1, 1) times as bright."""
    return ((images + 1) * gain - 1).clamp(-1, 1)


def novel_images(model: PartSynth, inputs: dict[str, Tensor]) -> Tensor:
    """Synthesise the first frame of each sample from the looks of its other frames.

    The pose is read off the first frame; as in training, none of its pixels gives looks.

    Args:
        model: The model.
        inputs: ``image`` (B, F, 3, S, S) in [-1, 1], frames of one person, and where it is known
            ``background`` of the same shape.

    Returns:
        (B, 3, S, S) uint8.

    Raises:
        ValueError: F is 1.
    """
    images, backgrounds = inputs["image"], inputs.get("background")
    frames = images.shape[1]
    if frames < 2:
        raise ValueError(
            "predict_novel_images needs samples of at least 2 frames of one person, got 1; test on "
            "type='part_synth.VideoPairDataset' with num_frames=2."
        )
    flat = images.flatten(0, 1)
    decoded = model.fitted(
        model.read(flat, None if backgrounds is None else backgrounds.flatten(0, 1))
    )
    maps = model.render(decoded, images.shape[-2:], blur=TEST_BLUR)
    looks = model.appearance(flat, maps, frames)
    first = PartMaps(
        *(part[::frames] for part in (maps.parts, maps.capsules, maps.foreground, maps.certain))
    )
    looks = Appearance(looks.colours[::frames], looks.features[::frames])
    background = None if backgrounds is None else backgrounds[:, 0]
    return to_bytes(model.decoder(first, looks, background).image)
