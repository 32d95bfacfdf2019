"""The usual chain of transforms."""

from __future__ import annotations


def person_crop_pipeline(
    size: int = 64,
    padding: float = 1.0,
    shift: float = 0.0,
    scale: float = 0.0,
    flip: float = 0.0,
    background: str | None = None,
    part_labels: bool = True,
    labels: bool = True,
    cache: str | None = None,
    cache_mib: float = 1024.0,
) -> list[dict]:
    """Load frames, cut out the person, pack.

    Args:
        size (int): Side of the crop, px.
        padding (float): Side of the box relative to the annotated one.
        shift (float): Jitter of the centre, part of the side.
        scale (float): Jitter of the side, relative.
        flip (float): Probability of mirroring.
        background (str | None): ``'median'`` adds the temporal-median background of static cameras.
        part_labels (bool): Read part label images where the data set has them.
        labels (bool): False packs no ground truth at all.
        cache (str | None): None, ``'encoded'`` or ``'decoded'``: what to keep in memory.
        cache_mib (float): Limit of each cache in MiB per process.

    Returns:
        list[dict]: Configs of the transforms.

    Raises:
        ValueError: If ``background`` is unknown.
    """
    if background not in (None, "median"):
        raise ValueError(f"`background` must be None or 'median', got {background!r}.")
    keep = {"cache": cache, "cache_mib": cache_mib}
    chain = [{"type": "part_synth.LoadFrames", **keep}]
    if background == "median":
        chain.append({"type": "part_synth.LoadBackground"})
    if part_labels and labels:
        chain.append({"type": "part_synth.LoadPartLabels", **keep})
    crop = {"size": size, "padding": padding, "shift": shift, "scale": scale, "flip": flip}
    chain.append({"type": "part_synth.CropPerson", **crop})
    chain.append({"type": "part_synth.PackFrames", "labels": labels})
    return chain
