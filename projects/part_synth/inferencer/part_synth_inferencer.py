"""From a picture, folder, video or webcam to 3D poses, files and drawings."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.logging import print_log
from rich.progress import MofNCompleteColumn, Progress

from part_synth.apis import load_config, load_lifter
from part_synth.engine.checkpoint_guard import check_checkpoint_file
from part_synth.outputs import (
    PoseSequence,
    VideoFile,
    check_out_dir,
    write_bvh,
    write_csv,
    write_json,
    write_npz,
)
from part_synth.registry import INFERENCERS
from part_synth.visualization import write_image

from .collect import PeopleRows, boxes_of, collect_from_file, collect_with_models
from .drawing import SceneDrawing
from .lifting import identify, to_sequence
from .people import WHOLE_FRAME, Detector, FramePeople, ImageModel, Pose2D, WholeFrame
from .sources import PictureSource, Source, WebcamSource, open_source
from .tracking import BoxTracker

OUT_FORMATS = ("json", "csv", "npz", "bvh")
# Seconds of the past that a lifter reads when frames come live.
_LIVE_SECONDS = 2.0
_ESCAPE = 27


@INFERENCERS.register_module()
class PartSynthInferencer:
    """3D poses of the people in pictures and videos, called as mmpose's ``MMPoseInferencer`` is.

    A video is read twice: first for everybody's 2D joints, then, if there is something to draw,
    for the drawings. Between the two people are tracked and whole tracks lifted in one batch, so
    that a lifter of several frames sees the future too. No frames are kept.

    Args:
        pose3d: Config of a lifter, or of an image model of this project; None = the lifter in the
            package.
        pose3d_weights: Its checkpoint.
        pose2d: Config (or name) of a 2D model of mmpose; not needed with a file of keypoints or an
            image model.
        pose2d_weights: Its checkpoint.
        device: 'cpu', 'cuda', ...; None = a GPU if there is one.
        det_model: Config (or name) of a detector of mmdet; 'whole-frame' takes every frame as one
            person's box; None needs boxes at each call.
        det_weights: Its checkpoint.
        det_cat_ids: Categories of the detector that are people.
        bbox_thr: Boxes of the detector with lower scores are dropped.
        nms_thr: Of boxes that overlap more, the best is kept.
        skeleton: Layout of the 2D joints, where the file or the model does not tell, see
            :data:`~part_synth.geometry.keypoint_layouts.KEYPOINT_LAYOUTS`.
        batch_size: Frames at once.
        show_progress: Show a bar.

    Raises:
        FileNotFoundError: A config or checkpoint is missing; the message says which.
        ValueError: A config and its checkpoint do not belong together.

    Example::

        inferencer = PartSynthInferencer()
        for result in inferencer("walk.mp4", keypoints="walk_2d.json", out_dir="out"):
            result["predictions"][0]  # people of a frame, see PoseSequence.instances
    """

    def __init__(
        self,
        pose3d: str | Path | None = None,
        pose3d_weights: str | Path | None = None,
        pose2d: str | Path | None = None,
        pose2d_weights: str | Path | None = None,
        device: str | None = None,
        det_model: str | Path | None = None,
        det_weights: str | Path | None = None,
        det_cat_ids: Sequence[int] | int = 0,
        bbox_thr: float = 0.3,
        nms_thr: float = 0.3,
        skeleton: str | None = None,
        batch_size: int = 16,
        show_progress: bool = False,
    ) -> None:
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size must be a whole number of at least 1, got {batch_size!r}")
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.skeleton = skeleton
        self.batch_size = batch_size
        self.show_progress = show_progress
        self.sequence: PoseSequence | None = None
        self.lifter, self.finder = self._build_3d(pose3d, pose3d_weights)
        if pose2d is not None:
            if self.finder is not None:
                raise ValueError(
                    "pose3d is an image model, which needs no pose2d; leave one of them out."
                )
            self.finder = Pose2D(pose2d, pose2d_weights, self.device, skeleton)
        self.detector = None
        if det_model is not None and str(det_model) in WHOLE_FRAME:
            self.detector = WholeFrame()
        elif det_model is not None:
            self.detector = Detector(
                det_model, det_weights, self.device, np.ravel(det_cat_ids), bbox_thr, nms_thr
            )

    def _build_3d(self, config, weights):
        """Lifter or None, and image model or None."""
        if config is None:
            if weights is not None:
                raise ValueError("pose3d_weights is given without pose3d, the config it is of.")
            return load_lifter(None, self.device), None
        if weights is None:
            raise ValueError(
                "pose3d is given without a checkpoint; give pose3d_weights=FILE, or leave both out "
                "for the lifter in the package."
            )
        cfg = load_config(str(config))
        check_checkpoint_file(str(weights))
        if "lifter" in cfg.get("model", {}):
            return load_lifter((config, weights), self.device), None
        return None, ImageModel(config, weights, self.device)

    def __call__(
        self,
        inputs,
        keypoints: str | Path | None = None,
        bboxes: str | Path | Sequence | None = None,
        out_dir: str | Path | None = None,
        vis_out_dir: str | Path | None = None,
        pred_out_dir: str | Path | None = None,
        out_formats: Sequence[str] = ("json",),
        return_vis: bool = False,
        show: bool = False,
        wait_time: float = 0.0,
        kpt_thr: float = 0.3,
        camera: Mapping | None = None,
        smooth: float = 0.0,
        codec: str = "auto",
    ) -> Iterator[dict]:
        """Predict; nothing happens before the first result is asked for.

        After Ctrl-C during the first pass the frames that are done are finished and written;
        ``self.sequence.interrupted`` is True then.

        Args:
            inputs: See :func:`~part_synth.inferencer.open_source`.
            keypoints: File or folder of 2D keypoints of mmpose, OpenPose or AlphaPose, in place of
                a 2D model; see :func:`~part_synth.apis.read_keypoints`.
            bboxes: File of boxes, see :func:`~part_synth.inferencer.read_boxes`, or a list with an
                array (P, 4) px for each frame, in place of a detector.
            out_dir: Folder for both kinds of results, ``visualizations`` and ``predictions`` below.
            vis_out_dir: Folder for drawings: NAME.mp4 of a video, pictures under their names.
            pred_out_dir: Folder for poses: NAME.json, ...; of pictures a JSON for each.
            out_formats: Some of 'json', 'csv', 'npz', 'bvh' (a file for each person; not for
                several pictures).
            return_vis: Hand the drawings back.
            show: Show them in a window; Escape ends a webcam.
            wait_time: Seconds that each picture is shown; 0 = until a key is pressed for pictures,
                no longer than needed for videos.
            kpt_thr: 2D joints with lower scores are missing.
            camera: ``dict(focal=(fx, fy), centre=(cx, cy))``, px; gives the root's position too.
            smooth: Standard deviation of a Gaussian over time, seconds; 0 for none.
            codec: Of videos, see :data:`~part_synth.outputs.video.CODECS`.

        Yields:
            dict: For each frame ``predictions``, a list with one list of people as
            :meth:`~part_synth.outputs.PoseSequence.instances` gives them; ``visualization``, a list
            with a drawing (H, W, 3) uint8 RGB, or empty; ``meta_info``, units, frame and names.

        Raises:
            FileNotFoundError: A file is missing.
            ValueError: Something can't be read or written, or it is not said where 2D joints or
                boxes come from.
        """
        if out_dir is not None:
            vis_out_dir = vis_out_dir or Path(out_dir) / "visualizations"
            pred_out_dir = pred_out_dir or Path(out_dir) / "predictions"
        source = open_source(inputs)
        self._check_request(source, keypoints, bboxes, out_formats, show, smooth)
        vis_dir = check_out_dir(vis_out_dir) if vis_out_dir else None
        pred_dir = check_out_dir(pred_out_dir) if pred_out_dir else None
        _check_overwriting(source, vis_dir)
        options = {"camera": camera, "smooth": smooth, "min_score": kpt_thr}
        draw = return_vis or show or vis_dir is not None
        if isinstance(source, WebcamSource):
            yield from self._live(source, options, vis_dir, pred_dir, out_formats, show, codec)
            return
        rows = self._collect(source, keypoints, bboxes)
        sequence = to_sequence(
            identify(rows, source), source, self.lifter, device=self.device, **options
        )
        self.sequence = sequence
        if pred_dir is not None:
            _write_predictions(pred_dir, source, sequence, out_formats)
        images = self._drawings(source, sequence) if draw else None
        yield from self._results(
            source, sequence, images, vis_dir, return_vis, show, wait_time, codec
        )

    def _check_request(self, source, keypoints, bboxes, out_formats, show, smooth) -> None:
        """Raise before the work where it is clear that it can't be done."""
        unknown = [name for name in out_formats if name not in OUT_FORMATS]
        if unknown:
            raise ValueError(f"out_formats are {', '.join(OUT_FORMATS)}, got {unknown[0]!r}.")
        if "bvh" in out_formats and not source.is_video and source.num_frames > 1:
            raise ValueError("BVH files are written of videos and of single pictures only.")
        if not (np.isfinite(smooth) and smooth >= 0):
            raise ValueError(f"smooth must be seconds, at least 0, got {smooth!r}.")
        if show and sys.platform == "linux" and not _has_display():
            raise ValueError(
                "There is no display to show pictures on; leave show out and give vis_out_dir."
            )
        if keypoints is not None:
            if self.finder is not None or bboxes is not None:
                raise ValueError(
                    "2D joints come from a file; pose2d, an image model and bboxes have nothing "
                    "to do then. Leave them or keypoints out."
                )
            if isinstance(source, WebcamSource):
                raise ValueError("A webcam needs a 2D model; a file of keypoints is of a video.")
            return
        if self.finder is None:
            raise ValueError(
                "It is not said where 2D joints come from. Give a file of keypoints (mmpose, "
                "OpenPose, AlphaPose) with keypoints=FILE (--keypoints FILE), or a 2D model of "
                "mmpose with pose2d=CONFIG, pose2d_weights=CHECKPOINT (--pose2d, --pose2d-weights) "
                "and people's boxes: det_model and det_weights of mmdet, a file with bboxes=FILE "
                "(--bboxes FILE), or det_model='whole-frame'."
            )
        if self.finder.needs_boxes and self.detector is None and bboxes is None:
            raise ValueError(
                "It is not said where people are. Give a detector of mmdet with det_model=CONFIG, "
                "det_weights=CHECKPOINT (--det-model, --det-weights), a file of boxes with "
                "bboxes=FILE (--bboxes FILE), or det_model='whole-frame' (--det-model whole-frame) "
                "for one person who fills the frame."
            )

    def _collect(self, source: Source, keypoints, bboxes) -> PeopleRows:
        if keypoints is not None:
            return collect_from_file(source, keypoints, self.skeleton)
        boxes = self.detector
        if bboxes is not None:
            count = None if source.is_video else source.num_frames
            boxes = boxes_of(bboxes, count)
        with self._progress("2D poses", source.num_frames) as advance:
            return collect_with_models(source, self.finder, boxes, self.batch_size, advance)

    @contextlib.contextmanager
    def _progress(self, title: str, total: int) -> Iterator:
        """A function to call with the number of frames that are done."""
        if not self.show_progress:
            yield lambda done: None
            return
        with Progress(*Progress.get_default_columns(), MofNCompleteColumn()) as bar:
            task = bar.add_task(title, total=total or None)
            yield lambda done: bar.update(task, completed=done)

    def _drawings(self, source: Source, sequence: PoseSequence) -> Iterator[np.ndarray]:
        """Drawings of all frames that were worked on; the second pass."""
        scene = SceneDrawing(sequence)
        with self._progress("Drawings", sequence.num_frames) as advance:
            frames = source.frames()
            for number, image in zip(range(sequence.num_frames), frames, strict=False):
                boxes = sequence.boxes[sequence.rows(number)]
                if isinstance(self.finder, ImageModel) and len(boxes):
                    # Part maps of a whole video are too large to keep from the first pass.
                    image = self.finder.paint_parts(image, boxes)
                yield scene.draw(image, number)
                advance(number + 1)
            frames.close()

    def _results(self, source, sequence, images, vis_dir, return_vis, show, wait_time, codec):
        """Hand over, write and show frame by frame."""
        header = sequence.header()
        video = None
        if vis_dir is not None and source.is_video:
            video = VideoFile(vis_dir / f"{source.name}.mp4", source.fps, codec)
        try:
            for number in range(sequence.num_frames):
                image = None if images is None else next(images, None)
                if video is not None and image is not None:
                    video.write(image)
                elif vis_dir is not None and image is not None:
                    write_image(vis_dir / _picture_name(source, number), image)
                if show and image is not None:
                    _show(source.name, image, wait_time, source.is_video)
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

    def _live(self, source, options, vis_dir, pred_dir, out_formats, show, codec):
        """Frames as they come, each lifted with those before it."""
        tracker = BoxTracker(source.fps)
        keep = max(2, round(_LIVE_SECONDS * source.fps))
        window: deque[FramePeople] = deque(maxlen=keep)
        parts: list[PoseSequence] = []
        video = None
        if vis_dir is not None:
            video = VideoFile(vis_dir / f"{source.name}.mp4", source.fps, codec)
        try:
            for number, image in enumerate(source.frames()):
                boxes = self.detector.find([image]) if self.finder.needs_boxes else None
                people = self.finder.find([image], boxes)[0]
                people.person_ids = tracker.update(people.boxes, people.box_scores)
                window.append(people)
                rows = _window_rows(list(window), self.finder.layout, image)
                sequence = to_sequence(rows, source, self.lifter, device=self.device, **options)
                now = sequence.part(len(window) - 1, len(window))
                parts.append(now)
                drawing = SceneDrawing(now).draw(image, 0) if video is not None or show else None
                if video is not None:
                    video.write(drawing)
                if show and _show(source.name, drawing, 0.0, True) == _ESCAPE:
                    break
                yield {
                    "visualization": [] if drawing is None else [drawing],
                    "predictions": [now.instances(0)],
                    "meta_info": now.header() | {"num_frames": number + 1},
                }
        except KeyboardInterrupt:
            print_log("Interrupted: what was seen is written.", "current", logging.WARNING)
        finally:
            if video is not None:
                video.close()
            if parts:
                self.sequence = join_frames(parts)
                if pred_dir is not None:
                    _write_predictions(pred_dir, source, self.sequence, out_formats)


def join_frames(parts: Sequence[PoseSequence]) -> PoseSequence:
    """One sequence of sequences of one frame each."""
    values = dict(parts[0].__dict__)
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            values[name] = np.concatenate([getattr(part, name) for part in parts])
    values["frames"] = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    values["num_frames"] = len(parts)
    return PoseSequence(**values)


def _window_rows(window: Sequence[FramePeople], layout: str, image: np.ndarray) -> PeopleRows:
    """Rows of the last frames, without boxes that are nobody's."""
    frames = np.repeat(np.arange(len(window)), [len(people) for people in window])
    some = [people for people in window if len(people)] or [FramePeople()]
    if some[0].person_ids is None:
        some[0].person_ids = np.zeros(0, dtype=np.int64)
    kept = np.concatenate([people.person_ids for people in some]) >= 0
    parts = {}
    for name in ("boxes", "box_scores", "keypoints", "scores", "joints", "person_ids"):
        if getattr(some[0], name) is not None:
            parts[name] = np.concatenate([getattr(people, name) for people in some])[kept]
    size = [(image.shape[1], image.shape[0])]
    return PeopleRows(
        frames[kept], FramePeople(**parts), layout, sizes=size, num_frames=len(window)
    )


def _write_predictions(
    folder: Path, source: Source, sequence: PoseSequence, formats: Sequence[str]
) -> None:
    """Write all formats, JSON for each picture as mmpose does."""
    if "json" in formats:
        if source.is_video:
            write_json(folder / f"{source.name}.json", sequence)
        else:
            stems = [Path(name).stem for name in sequence.names]
            for number, (stem, name) in enumerate(zip(stems, sequence.names, strict=True)):
                # Pictures of one name and several endings keep the ending.
                label = stem if stems.count(stem) == 1 else name
                write_json(folder / f"{label}.json", sequence.part(number, number + 1))
    if "csv" in formats:
        write_csv(folder / f"{source.name}.csv", sequence)
    if "npz" in formats:
        write_npz(folder / f"{source.name}.npz", sequence)
    if "bvh" in formats:
        for person, _ in sequence.people():
            write_bvh(folder / f"{source.name}_person{person}.bvh", sequence, person)
    print_log(f"Poses are written to {folder}.", logger="current", level=logging.INFO)


def _check_overwriting(source: Source, vis_dir: Path | None) -> None:
    """Refuse to draw over the input."""
    if vis_dir is None:
        return
    if isinstance(source, PictureSource):
        inputs = [p for p in source.pictures if not isinstance(p, np.ndarray)]
        folders = {Path(p).resolve().parent for p in inputs}
        clash = vis_dir.resolve() in folders
    else:
        path = getattr(source, "path", None)
        clash = path is not None and (vis_dir / f"{source.name}.mp4").resolve() == path.resolve()
    if clash:
        raise ValueError(
            f"The drawings would overwrite the input in {vis_dir}; name another vis_out_dir."
        )


def _picture_name(source: PictureSource, number: int) -> str:
    """The picture's own name; PNG for formats that OpenCV may not write."""
    name = Path(source.names[number])
    known = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
    return name.name if name.suffix.lower() in known else f"{name.name}.png"


def _show(title: str, image: np.ndarray, wait_time: float, is_video: bool) -> int:
    """Show in a window; the key that was pressed, or -1."""
    cv2.imshow(title, np.ascontiguousarray(image[..., ::-1]))
    wait = max(1, round(1000 * wait_time)) if wait_time > 0 or is_video else 0
    return cv2.waitKey(wait) & 0xFF


def _has_display() -> bool:
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
