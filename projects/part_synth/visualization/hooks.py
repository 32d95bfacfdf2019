"""Hooks that draw predictions: sheets during training, one picture per sample in tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, IterBasedTrainLoop, Runner
from mmengine.structures import BaseDataElement

from part_synth.registry import HOOKS
from part_synth.visualization.sample_rows import prediction_row
from part_synth.visualization.sheets import PredictionRow, prediction_sheet


@HOOKS.register_module()
class PredictionSheetHook(Hook):
    """Write a sheet of predictions after every validation and test.

    The same samples, spread evenly over the data loader, are drawn each time, so that the sheets
    of successive epochs can be compared. Files: ``<work_dir>/<timestamp>/<out_dir>/epoch_003.png``
    (``iter_002000.png`` in training by iterations), ``test_epoch_003.png`` for tests inside of a
    training run, ``val.png`` and ``test.png`` outside of one.
    In distributed runs the main process draws its share of the data.

    Args:
        interval: Draw every that many validations.
        num_samples: Number of rows.
        out_dir: Folder, relative to the folder of the run, or absolute.
        cell: Side of a picture in the sheet, px.
    """

    priority = "LOW"

    def __init__(
        self,
        interval: int = 1,
        num_samples: int = 8,
        out_dir: str = "predictions",
        cell: int = 160,
    ) -> None:
        if interval < 1 or num_samples < 1:
            raise ValueError(
                f"interval and num_samples must be at least 1, got {interval} and {num_samples}."
            )
        self.interval = interval
        self.num_samples = num_samples
        self.out_dir = out_dir
        self.cell = cell
        self._rows: list[PredictionRow] = []
        self._num_validations = 0

    def before_val_epoch(self, runner: Runner) -> None:
        """Start a new sheet."""
        self._rows = []

    def before_test_epoch(self, runner: Runner) -> None:
        """Start a new sheet."""
        self._rows = []

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Keep the samples of this batch that go on the sheet.

        Args:
            runner: The runner.
            batch_idx: Number of the batch.
            data_batch: The batch.
            outputs: Data samples with predictions.
        """
        if self._num_validations % self.interval == 0:
            self._collect(batch_idx, len(runner.val_dataloader), data_batch, outputs)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """The same for a test; see :meth:`after_val_iter`."""
        self._collect(batch_idx, len(runner.test_dataloader), data_batch, outputs)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Write the sheet of a validation."""
        self._num_validations += 1
        self._write(runner, f"{_progress(runner) or 'val'}.png")

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Write the sheet of a test."""
        progress = _progress(runner)
        self._write(runner, f"test_{progress}.png" if progress else "test.png")

    def _collect(
        self, batch_idx: int, num_batches: int, data_batch: Any, outputs: Sequence[BaseDataElement]
    ) -> None:
        if not is_main_process():
            return
        slots = np.arange(self.num_samples) * num_batches // self.num_samples
        wanted = int((slots == batch_idx).sum())
        # Several rows from one batch are spread over the batch as well.
        for k in sorted({i * len(outputs) // wanted for i in range(wanted)}):
            self._rows.append(prediction_row(outputs[k], data_batch, k))

    def _write(self, runner: Runner, name: str) -> None:
        if not self._rows:
            return
        folder = Path(runner.work_dir, runner.timestamp, self.out_dir)
        write_image(folder / name, prediction_sheet(self._rows, self.cell))
        runner.logger.info(f"Predictions drawn in {folder / name}")
        self._rows = []


@HOOKS.register_module()
class SaveVisualizationHook(Hook):
    """Draw each test sample: the hook behind ``tools/test.py --show-dir`` and ``--show``.

    It takes the place of mmpose's ``PoseVisualizationHook``, whose arguments of the same names it
    accepts, and works for samples without images too.

    Args:
        out_dir: Folder for the pictures, relative to the folder of the run, or absolute; None
            writes nothing.
        interval: Draw every that many samples.
        show: Show each picture in a window.
        wait_time: Seconds the window waits; 0 waits for a key.
        enable: False switches the hook off.
        cell: Side of a panel, px.

    Raises:
        ValueError: ``show`` is asked for on a machine without a display.
    """

    priority = "LOW"

    def __init__(
        self,
        out_dir: str | None = None,
        interval: int = 1,
        show: bool = False,
        wait_time: float = 0.0,
        enable: bool = True,
        cell: int = 256,
    ) -> None:
        if interval < 1:
            raise ValueError(f"interval must be at least 1, got {interval}.")
        # Asked here because OpenCV's window toolkit ends the process when there is no display.
        if enable and show and sys.platform == "linux" and not _has_display():
            raise ValueError(
                "Windows can't be shown: this machine has no display (neither DISPLAY nor "
                "WAYLAND_DISPLAY is set). Use --show-dir to write pictures instead."
            )
        self.out_dir = out_dir
        self.interval = interval
        self.show = show
        self.wait_time = wait_time
        self.enable = enable
        self.cell = cell
        self._num_seen = 0

    def before_test_epoch(self, runner: Runner) -> None:
        """Count the samples of each test from 0."""
        self._num_seen = 0

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Draw the samples of this batch.

        Args:
            runner: The runner.
            batch_idx: Number of the batch.
            data_batch: The batch.
            outputs: Data samples with predictions.
        """
        if not self.enable or (self.out_dir is None and not self.show):
            return
        for k, sample in enumerate(outputs):
            number = (self._num_seen + k) * runner.world_size + runner.rank
            if (self._num_seen + k) % self.interval:
                continue
            picture = prediction_sheet([prediction_row(sample, data_batch, k)], self.cell)
            if self.out_dir is not None:
                folder = Path(runner.work_dir, runner.timestamp, self.out_dir)
                write_image(folder / f"{number:06d}_{_stem(sample)}.png", picture)
            if self.show:
                cv2.imshow("PartSynth", picture[..., ::-1])
                cv2.waitKey(round(1000 * self.wait_time))
        self._num_seen += len(outputs)


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write an RGB image, making its folder.

    Args:
        path: File name with an ending that OpenCV knows.
        image: RGB (H, W, 3) uint8.

    Raises:
        OSError: The file can't be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), np.ascontiguousarray(image[..., ::-1])):
        raise OSError(f"Could not write {path}: is the disk full, or the folder read-only?")


def _progress(runner: Runner) -> str:
    """How far training is, for file names; empty outside of training."""
    # The property `train_loop` would build the loop, and with it the training data.
    loop = runner._train_loop
    if not isinstance(loop, BaseLoop):
        return ""
    if isinstance(loop, IterBasedTrainLoop):
        return f"iter_{runner.iter:06d}"
    return f"epoch_{runner.epoch:03d}"


def _has_display() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _stem(sample: BaseDataElement) -> str:
    """Name of the sample's picture without folders and ending."""
    path = sample.metainfo.get("img_path") or sample.metainfo.get("target_img_path")
    while isinstance(path, (list, tuple)) and path:
        path = path[0]
    return Path(str(path)).stem if path else "sample"
