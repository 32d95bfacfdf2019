"""Hand results over, show them, and write them: poses at once, drawings frame by frame."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from mmengine.logging import print_log

from part_synth.outputs import (
    PoseSequence,
    VideoFile,
    write_bvh,
    write_csv,
    write_json,
    write_npz,
)
from part_synth.visualization import write_image

from .out_files import drawing_files, json_files
from .sources import Source


def hand_over(
    source: Source,
    sequence: PoseSequence,
    images: Iterator[np.ndarray] | None,
    vis_dir: Path | None = None,
    return_vis: bool = False,
    show: bool = False,
    wait_time: float = 0.0,
    codec: str = "auto",
) -> Iterator[dict]:
    """Give the result of each frame, and draw it where that is wanted.

    Args:
        source: Where frames come from.
        sequence: Poses; ``interrupted`` is set after Ctrl-C.
        images: Drawings (H, W, 3) uint8 RGB, or None.
        vis_dir: Folder for them.
        return_vis: Hand them over.
        show: Show them in a window.
        wait_time: See :meth:`PartSynthInferencer.__call__`.
        codec: Of videos.

    Yields:
        dict: See :meth:`PartSynthInferencer.__call__`.
    """
    header = sequence.header()
    video, pictures = None, []
    if vis_dir is not None and source.is_video:
        video = VideoFile(vis_dir / f"{source.name}.mp4", source.fps, codec)
    elif vis_dir is not None:
        pictures = drawing_files(vis_dir, source)
    try:
        for number in range(sequence.num_frames):
            image = None if images is None else next(images, None)
            if video is not None and image is not None:
                video.write(image)
            elif vis_dir is not None and image is not None:
                write_image(pictures[number], image)
            if show and image is not None:
                show_picture(source.name, image, wait_time, source.is_video)
            yield {
                "visualization": [image] if return_vis and image is not None else [],
                "predictions": [sequence.instances(number)],
                "meta_info": header,
            }
    except KeyboardInterrupt:
        sequence.interrupted = True
        print_log("Interrupted: the video so far is finished.", "current", logging.WARNING)
    finally:
        if video is not None:
            video.close()
        if images is not None:
            images.close()


def write_predictions(
    folder: Path, source: Source, sequence: PoseSequence, formats: Sequence[str]
) -> None:
    """Write poses in all formats, JSON for each picture as mmpose does.

    Args:
        folder: Where to.
        source: Where frames came from; it gives the names.
        sequence: Poses.
        formats: Some of :data:`~part_synth.inferencer.OUT_FORMATS`.
    """
    files = json_files(folder, source) if "json" in formats else []
    if source.is_video:
        for file, _ in files:
            write_json(file, sequence)
    else:
        # Fewer pictures than files after Ctrl-C.
        for number, (file, origin) in zip(range(sequence.num_frames), files, strict=False):
            write_json(file, replace(sequence.part(number, number + 1), source=origin))
    if "csv" in formats:
        write_csv(folder / f"{source.name}.csv", sequence)
    if "npz" in formats:
        write_npz(folder / f"{source.name}.npz", sequence)
    if "bvh" in formats:
        for person, _ in sequence.people():
            write_bvh(folder / f"{source.name}_person{person}.bvh", sequence, person)
    print_log(f"Poses are written to {folder}.", logger="current", level=logging.INFO)


def show_picture(title: str, image: np.ndarray, wait_time: float, is_video: bool) -> int:
    """Show in a window.

    Args:
        title: Of the window.
        image: (H, W, 3) uint8 RGB.
        wait_time: Seconds; 0 = until a key is pressed for pictures, no longer than needed for
            videos.
        is_video: Whether it is a frame of a video.

    Returns:
        int: The key that was pressed, or 255.
    """
    cv2.imshow(title, np.ascontiguousarray(image[..., ::-1]))
    wait = max(1, round(1000 * wait_time)) if wait_time > 0 or is_video else 0
    return cv2.waitKey(wait) & 0xFF
