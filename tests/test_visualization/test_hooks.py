"""The drawing hooks, called in the order in which mmengine's loops call them."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.structures import InstanceData, PixelData
from mmpose.structures import PoseDataSample
from part_synth.registry import HOOKS
from part_synth.visualization import PredictionSheetHook, SaveVisualizationHook, prediction_row
from part_synth.visualization import hooks as hooks_module


def make_sample(joints, number, images=True):
    meta = {"action": "Walk", "img_path": f"S1/S1_Walk/S1_Walk_{number:06d}.jpg"}
    sample = PoseDataSample(metainfo={**meta, "camera_rotation": np.diag([1.0, -1.0, -1.0])})
    sample.pred_instances = InstanceData(keypoints=torch.from_numpy(joints)[None].float())
    sample.gt_instances = InstanceData(lifting_target=torch.from_numpy(joints)[None] + 4.0)
    if images:
        points = torch.from_numpy(joints[None, :, :2])
        sample.pred_instances.crop_keypoints = points
        sample.gt_instances.crop_keypoints = points
        sample.gt_fields = PixelData(part_labels=torch.ones(1, 24, 24, dtype=torch.uint8))
        sample.pred_fields = PixelData(part_labels=torch.ones(1, 12, 12, dtype=torch.long))
    return sample


def make_batches(joints, num_batches, batch_size, images=True):
    batches = []
    for b in range(num_batches):
        samples = [make_sample(joints, b * batch_size + i, images) for i in range(batch_size)]
        picture = torch.full((batch_size, 1, 3, 24, 24), b, dtype=torch.uint8)
        inputs = {"image": picture} if images else torch.zeros(batch_size, 17, 2)
        batches.append(({"inputs": inputs, "data_samples": samples}, samples))
    return batches


@pytest.fixture
def runner(tmp_path):
    return SimpleNamespace(
        work_dir=str(tmp_path), timestamp="run", epoch=3, iter=30, rank=0, world_size=1,
        _train_loop=None, logger=MMLogger.get_instance("drawing"), val_dataloader=range(5),
        test_dataloader=range(5),
    )  # fmt: skip


def run_loop(hook, runner, batches, mode):
    getattr(hook, f"before_{mode}_epoch")(runner)
    for i, (batch, outputs) in enumerate(batches):
        getattr(hook, f"after_{mode}_iter")(runner, i, batch, outputs)
    getattr(hook, f"after_{mode}_epoch")(runner, {})


def test_row_of_a_sample(standing):
    batch, samples = make_batches(standing, 1, 2)[0]
    row = prediction_row(samples[1], batch, 1)
    np.testing.assert_allclose(row.joints, standing, atol=1e-6)
    assert row.image.shape == (24, 24, 3)
    # -1 and 1 are the edges of the crop, half a pixel outside of the first and last centre.
    np.testing.assert_allclose(row.keypoints, (standing[:, :2] + 1) * 12 - 0.5)
    assert row.part_labels.shape == (12, 12) and row.gt_part_labels.shape == (24, 24)
    np.testing.assert_allclose(row.gravity, [0, 0, 1])  # rotation takes z (up) to -z
    assert row.caption == "Walk  P-MPJPE 0 mm"


@pytest.mark.parametrize("images", [True, False])
def test_sheet_of_a_validation(runner, standing, images, tmp_path):
    hook = HOOKS.build(
        {"type": "part_synth.PredictionSheetHook", "num_samples": 8, "cell": 40, "interval": 2}
    )
    assert isinstance(hook, PredictionSheetHook)
    for _ in range(3):  # the second validation is skipped
        run_loop(hook, runner, make_batches(standing, 5, 4, images), "val")
    written = sorted((tmp_path / "run" / "predictions").iterdir())
    assert [path.name for path in written] == ["val.png"]
    sheet = cv2.imread(str(written[0]))
    assert sheet.shape[0] == 18 + 4 + 8 * (40 + 18 + 4)
    if images:  # the input column shows that the rows are spread over all five batches
        inputs = sheet[18 + 4 + 20 :: 62, 4 + 20, 0]
        assert inputs.tolist() == [0, 0, 1, 1, 2, 3, 3, 4]


def test_interval_skips_sheets(runner, standing, tmp_path):
    hook = PredictionSheetHook(interval=2, num_samples=1, cell=24)
    folder = tmp_path / "run" / "predictions"
    for epoch, there in enumerate([True, False, True]):
        run_loop(hook, runner, make_batches(standing, 5, 1), "val")
        assert (folder / "val.png").exists() is there, epoch
        (folder / "val.png").unlink(missing_ok=True)


def test_file_names_tell_the_epoch(runner, standing, tmp_path, monkeypatch):
    class Loop:
        pass

    class IterLoop(Loop):
        pass

    monkeypatch.setattr(hooks_module, "BaseLoop", Loop)
    monkeypatch.setattr(hooks_module, "IterBasedTrainLoop", IterLoop)
    hook = PredictionSheetHook(num_samples=1, cell=24)
    batches = make_batches(standing, 5, 1)
    for loop in (None, Loop(), IterLoop()):
        runner._train_loop = loop
        for mode in ("val", "test"):
            run_loop(hook, runner, batches, mode)
    names = {path.name for path in (tmp_path / "run" / "predictions").iterdir()}
    assert names == {
        "val.png", "test.png", "epoch_003.png", "test_epoch_003.png", "iter_000030.png",
        "test_iter_000030.png",
    }  # fmt: skip


def test_fewer_samples_than_rows(runner, standing, tmp_path):
    runner.test_dataloader = range(1)
    hook = PredictionSheetHook(num_samples=8, cell=24)
    run_loop(hook, runner, make_batches(standing, 1, 3), "test")
    sheet = cv2.imread(str(tmp_path / "run" / "predictions" / "test.png"))
    assert sheet.shape[0] == 18 + 4 + 3 * (24 + 18 + 4)


@pytest.mark.parametrize("images", [True, False])
def test_show_dir(runner, standing, images, tmp_path):
    hook = HOOKS.build(
        {"type": "part_synth.SaveVisualizationHook", "out_dir": "show", "interval": 3, "cell": 24}
    )
    hook.before_test_epoch(runner)
    for i, (batch, outputs) in enumerate(make_batches(standing, 2, 4, images)):
        hook.after_test_iter(runner, i, batch, outputs)
    names = sorted(path.name for path in (tmp_path / "run" / "show").iterdir())
    assert names == [
        "000000_S1_Walk_000000.png", "000003_S1_Walk_000003.png", "000006_S1_Walk_000006.png",
    ]  # fmt: skip


def test_show_dir_can_be_absolute_or_off(runner, standing, tmp_path):
    batch, outputs = make_batches(standing, 1, 1)[0]
    for hook in (SaveVisualizationHook(), SaveVisualizationHook("x", enable=False)):
        hook.after_test_iter(runner, 0, batch, outputs)
    assert not list(tmp_path.rglob("*.png"))
    SaveVisualizationHook(str(tmp_path / "abs"), cell=24).after_test_iter(runner, 0, batch, outputs)
    assert len(list((tmp_path / "abs").iterdir())) == 1


def test_windows(runner, standing, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(ValueError, match=r"no display.*--show-dir"):
        SaveVisualizationHook(show=True)
    monkeypatch.setenv("DISPLAY", ":0")
    calls = []
    monkeypatch.setattr(hooks_module.cv2, "imshow", lambda name, image: calls.append(image.shape))
    monkeypatch.setattr(hooks_module.cv2, "waitKey", lambda wait: calls.append(wait))
    batch, outputs = make_batches(standing, 1, 1)[0]
    SaveVisualizationHook(show=True, wait_time=0.25, cell=24).after_test_iter(
        runner, 0, batch, outputs
    )
    assert calls[0][2] == 3 and calls[1] == 250


def test_messages(standing):
    with pytest.raises(ValueError, match="at least 1"):
        PredictionSheetHook(interval=0)
    with pytest.raises(ValueError, match="at least 1"):
        SaveVisualizationHook(interval=0)
    with pytest.raises(ValueError, match=r"no pred_instances\.keypoints"):
        prediction_row(PoseDataSample())
