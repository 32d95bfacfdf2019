"""From a picture, folder, video or webcam to 3D poses, files and drawings."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from rich.progress import MofNCompleteColumn, Progress

from part_synth.apis import load_config, load_lifter
from part_synth.apis.inference import check_batch_size
from part_synth.apis.lifting import camera_numbers
from part_synth.apis.zoo import SHIPPED, shipped_model
from part_synth.engine.checkpoint_guard import check_checkpoint_file
from part_synth.outputs import PoseSequence, check_out_dir
from part_synth.people import WHOLE_FRAME, WholeFrame
from part_synth.people.detector import Detector
from part_synth.people.pose2d import Pose2D
from part_synth.registry import INFERENCERS

from .checks import check_options, check_people
from .collect import PeopleRows, boxes_of, collect_from_file, collect_with_models
from .drawing import SceneDrawing
from .image_model import ImageModel
from .interrupts import held_interrupt
from .lifting import identify, to_sequence
from .live import join_frames, run_live
from .out_files import check_drawings, check_predictions
from .results import hand_over, write_predictions
from .sources import Source, WebcamSource, open_source


@INFERENCERS.register_module()
class PartSynthInferencer:
    """3D poses of the people in pictures and videos, called as mmpose's ``MMPoseInferencer`` is.

    A video is read twice: first for everybody's 2D joints, then, if there is something to draw,
    for the drawings. Between the two people are tracked and whole tracks lifted in one batch, so
    that a lifter of several frames sees the future too. No frames are kept.

    Args:
        pose3d: Config of a lifter, or of an image model of this project; or the name of a model in
            the package, such as 'lifter' or 'part_synth_synthetic_long'; None = 'lifter'.
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
        check_batch_size(batch_size)
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
        if weights is None and str(config) in SHIPPED:
            config, weights = shipped_model(str(config))
        if not Path(config).expanduser().is_file():
            if str(config) in SHIPPED:
                raise ValueError(
                    f"pose3d={str(config)!r} names a model in the package, which brings its own "
                    "weights; leave pose3d_weights (--pose3d-weights) out, or give the config that "
                    "they were trained with as pose3d."
                )
            raise FileNotFoundError(
                f"Config {config} does not exist, which pose3d names. Give the path of a config, "
                f"or the name of a model in the package: {' or '.join(SHIPPED)}."
            )
        if weights is None:
            raise ValueError(
                "pose3d is given without a checkpoint; give pose3d_weights=FILE, or name a model "
                f"in the package: {' or '.join(SHIPPED)}."
            )
        config = Path(config).expanduser()
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

        After Ctrl-C during the first pass the frames that are done are finished and written; during
        the second the video ends where it is. ``self.sequence.interrupted`` is True then.

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
        if camera is not None:
            camera_numbers(camera)
        source = open_source(inputs)
        check_options(source, out_formats, show, smooth)
        check_people(
            source,
            self.finder,
            has_detector=self.detector is not None,
            has_keypoints=keypoints is not None,
            has_boxes=bboxes is not None,
        )
        vis_dir = check_out_dir(vis_out_dir, make=False) if vis_out_dir else None
        pred_dir = check_out_dir(pred_out_dir, make=False) if pred_out_dir else None
        if vis_dir is not None:
            check_drawings(source, vis_dir)
        if pred_dir is not None:
            check_predictions(source, pred_dir, out_formats, (keypoints, bboxes))
        options = {"camera": camera, "smooth": smooth, "min_score": kpt_thr, "device": self.device}
        draw = return_vis or show or vis_dir is not None
        if isinstance(source, WebcamSource):
            yield from self._live(source, options, vis_dir, pred_dir, out_formats, show, codec)
            return
        rows = self._collect(source, keypoints, bboxes)
        with held_interrupt() as interrupt:
            sequence = to_sequence(identify(rows, source), source, self.lifter, **options)
            self.sequence = sequence
            if pred_dir is not None:
                write_predictions(pred_dir, source, sequence, out_formats)
        if interrupt.came:
            sequence.interrupted = True
            return
        images = self._drawings(source, sequence) if draw else None
        yield from hand_over(source, sequence, images, vis_dir, return_vis, show, wait_time, codec)

    def _collect(self, source: Source, keypoints, bboxes) -> PeopleRows:
        if keypoints is not None:
            return collect_from_file(source, keypoints, self.skeleton)
        boxes, notes = self.detector, []
        if bboxes is not None:
            boxes, notes = boxes_of(bboxes, source)
        with self._progress("2D poses", source.num_frames) as advance:
            rows = collect_with_models(source, self.finder, boxes, self.batch_size, advance)
        rows.notes += notes
        return rows

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
        with (
            self._progress("Drawings", sequence.num_frames) as advance,
            contextlib.closing(source.frames()) as frames,
        ):
            for number, image in zip(range(sequence.num_frames), frames, strict=False):
                boxes = sequence.boxes[sequence.rows(number)]
                if isinstance(self.finder, ImageModel) and len(boxes):
                    # Part maps of a whole video are too large to keep from the first pass.
                    image = self.finder.paint_parts(image, boxes)
                drawing = scene.draw(image, number)
                # Before the drawing is given: nothing is asked for after the last one.
                advance(number + 1)
                yield drawing

    def _live(self, source, options, vis_dir, pred_dir, out_formats, show, codec):
        """Frames of a webcam; their poses are written at the end."""
        parts: list[PoseSequence] = []
        try:
            yield from run_live(
                source,
                self.finder,
                self.detector,
                self.lifter,
                options,
                parts,
                vis_dir,
                show,
                codec,
            )
        finally:
            if parts:
                self.sequence = join_frames(parts)
                if pred_dir is not None:
                    write_predictions(pred_dir, source, self.sequence, out_formats)
