"""Read the frames of a data set, which is made first if it is the embedded one."""

from __future__ import annotations

from pathlib import Path

from part_synth.datasets.frame_index import LAYOUTS, FrameIndex


def read_frames(
    data_root: str | Path, layout: str, synthetic: dict | None = None, **options
) -> FrameIndex:
    """Frames of a data set.

    Args:
        data_root (str | Path): Folder of the data set.
        layout (str): A name registered in ``LAYOUTS``, such as 'h36m'.
        synthetic (dict | None): Recipe of the embedded synthetic set, made at ``data_root`` if it
            is not there yet.
        **options: Arguments of the layout's ``from_disk``.

    Returns:
        FrameIndex: The frames.

    Raises:
        FileNotFoundError: If files are missing.
        ValueError: If there is no such layout, or files hold something else.
    """
    if synthetic is not None:
        from part_synth.datasets.synthetic import ensure_synthetic_mocap

        ensure_synthetic_mocap(data_root, **synthetic)
    kind = LAYOUTS.get(layout)
    if kind is None:
        raise ValueError(
            f"There is no layout '{layout}'; registered are "
            f"{', '.join(sorted(LAYOUTS.module_dict))}."
        )
    return kind.from_disk(data_root, **options)
