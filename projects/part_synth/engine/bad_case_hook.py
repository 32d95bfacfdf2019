"""The samples a model gets most wrong: the hook behind ``tools/test.py --badcase``."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook
from mmengine.structures import BaseDataElement

from part_synth.evaluation.functional import p_mpjpe
from part_synth.registry import HOOKS
from part_synth.visualization.hooks import write_image
from part_synth.visualization.sample_rows import prediction_row
from part_synth.visualization.sheets import prediction_sheet


@HOOKS.register_module()
class BadCaseHook(Hook):
    """Draw the test samples with the largest P-MPJPE and list them, worst first.

    It takes the place of mmpose's ``BadCaseAnalysisHook``, which needs 2D boxes and mmpose's
    visualiser, and accepts its arguments of the same names. Files, in
    ``<work_dir>/<timestamp>/<out_dir>/``: ``0001.png`` ... and ``results.json``, a list of
    ``{"rank", "p_mpjpe_mm", "img_path", "subject", "action", "camera"}``.

    Args:
        enable (bool): False switches the hook off. Default: False.
        out_dir (str): Folder, relative to the folder of the run. Default: ``'badcase'``.
        num_cases (int): Samples to keep. Default: 32.
        badcase_thr (float): Only samples with a P-MPJPE of at least this many mm. Default: 0.
        interval (int): Look at every that many samples. Default: 1.
        show (bool): Show each picture in a window. Default: False.
        wait_time (float): Seconds each window stays; 0 waits for a key. Default: 0.
        cell (int): Side of a panel, px. Default: 256.

    Raises:
        ValueError: ``num_cases`` or ``interval`` is less than 1.
    """

    priority = "LOW"

    def __init__(
        self,
        enable: bool = False,
        out_dir: str = "badcase",
        num_cases: int = 32,
        badcase_thr: float = 0.0,
        interval: int = 1,
        show: bool = False,
        wait_time: float = 0.0,
        cell: int = 256,
    ) -> None:
        if num_cases < 1 or interval < 1:
            raise ValueError(
                f"num_cases and interval must be at least 1, got {num_cases} and {interval}."
            )
        self.enable = enable
        self.out_dir = out_dir
        self.num_cases = num_cases
        self.badcase_thr = badcase_thr
        self.interval = interval
        self.show = show
        self.wait_time = wait_time
        self.cell = cell
        # (P-MPJPE in mm, row of a prediction sheet, what names the sample)
        self._cases: list[tuple[float, Any, dict]] = []
        self._num_seen = 0

    def before_test_epoch(self, runner) -> None:
        """Start anew.

        Args:
            runner (Runner): The runner.
        """
        self._cases, self._num_seen = [], 0

    def after_test_iter(
        self,
        runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[BaseDataElement] | None = None,
    ) -> None:
        """Keep the worst samples so far.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Number of the batch.
            data_batch (dict): The batch.
            outputs (Sequence[BaseDataElement]): Data samples with predictions and truth.
        """
        if not self.enable:
            return
        for k, sample in enumerate(outputs):
            self._num_seen += 1
            if (self._num_seen - 1) % self.interval:
                continue
            row = prediction_row(sample, data_batch, k)
            if row.gt_joints is None:
                continue
            error = float(p_mpjpe(row.joints, row.gt_joints))
            if error >= self.badcase_thr:
                self._cases.append((error, row, _names(sample)))
        self._cases = self._worst(self._cases)

    def after_test_epoch(self, runner, metrics: dict[str, float] | None = None) -> None:
        """Write pictures and list.

        Args:
            runner (Runner): The runner.
            metrics (dict, optional): Not used.
        """
        if not self.enable:
            return
        parts = all_gather_object(self._cases)
        if not is_main_process():
            return
        folder = Path(runner.work_dir, runner.timestamp, self.out_dir)
        folder.mkdir(parents=True, exist_ok=True)
        cases = [case for part in parts for case in part]
        entries = []
        for rank, (error, row, names) in enumerate(self._worst(cases), start=1):
            picture = prediction_sheet([row], self.cell)
            write_image(folder / f"{rank:04d}.png", picture)
            entries.append({"rank": rank, "p_mpjpe_mm": error, **names})
            if self.show:
                cv2.imshow("PartSynth", picture[..., ::-1])
                cv2.waitKey(round(1000 * self.wait_time))
        (folder / "results.json").write_text(json.dumps(entries, indent=2) + "\n")
        runner.logger.info(f"The {len(entries)} worst samples are drawn and listed in {folder}")

    def _worst(self, cases: list[tuple[float, Any, dict]]) -> list[tuple[float, Any, dict]]:
        return sorted(cases, key=lambda case: -case[0])[: self.num_cases]


def _names(sample: BaseDataElement) -> dict:
    """What names a sample; a missing entry is null."""
    meta = sample.metainfo
    path = meta.get("img_path")
    path = path[0] if isinstance(path, list | tuple) and path else path
    entries = {"img_path": path, **{k: meta.get(k) for k in ("subject", "action", "camera")}}
    return {key: None if value is None else str(value) for key, value in entries.items()}
