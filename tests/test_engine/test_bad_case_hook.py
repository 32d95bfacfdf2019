import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmengine.logging import MMLogger
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample
from part_synth.engine import BadCaseHook
from part_synth.evaluation.functional import p_mpjpe


def sample(rng, name, noise):
    truth = rng.normal(size=(1, 17, 3)).astype(np.float32) * 0.3
    result = PoseDataSample(metainfo={"img_path": [name], "subject": "S9", "action": "walk"})
    result.gt_instances = InstanceData(lifting_target=truth)
    joints = truth + noise * rng.normal(size=truth.shape).astype(np.float32)
    result.pred_instances = InstanceData(keypoints=joints)
    return result


def run(tmp_path, batches, **kwargs):
    runner = SimpleNamespace(
        work_dir=str(tmp_path), timestamp="now", logger=MMLogger.get_instance("bad_case")
    )
    hook = BadCaseHook(enable=True, **kwargs)
    hook.before_test_epoch(runner)
    for i, batch in enumerate(batches):
        hook.after_test_iter(runner, i, {}, batch)
    hook.after_test_epoch(runner)
    folder = tmp_path / "now" / "badcase"
    return folder, json.loads((folder / "results.json").read_text())


@pytest.fixture
def batches():
    rng = np.random.default_rng(0)
    noises = [0.01, 0.2, 0.05, 0.1, 0.02]
    samples = [sample(rng, f"{i}.jpg", noise) for i, noise in enumerate(noises)]
    return [samples[:2], samples[2:]]


def test_worst_first(tmp_path, batches):
    folder, entries = run(tmp_path, batches, num_cases=3)
    assert [e["img_path"] for e in entries] == ["1.jpg", "3.jpg", "2.jpg"]
    assert [e["rank"] for e in entries] == [1, 2, 3]
    worst = batches[0][1]
    error = p_mpjpe(worst.pred_instances.keypoints[0], worst.gt_instances.lifting_target[0])
    assert entries[0]["p_mpjpe_mm"] == pytest.approx(float(error))
    assert entries[0]["action"] == "walk" and entries[0]["camera"] is None
    assert cv2.imread(str(folder / "0003.png")).std() > 0
    assert not (folder / "0004.png").exists()


def test_threshold_and_interval(tmp_path, batches):
    _, entries = run(tmp_path, batches, badcase_thr=40.0)
    assert all(e["p_mpjpe_mm"] >= 40.0 for e in entries) and 0 < len(entries) < 5
    _, entries = run(tmp_path, batches, interval=2)
    assert {e["img_path"] for e in entries} == {"0.jpg", "2.jpg", "4.jpg"}


def test_off_by_default(tmp_path):
    runner = SimpleNamespace(work_dir=str(tmp_path))
    hook = BadCaseHook()
    hook.after_test_iter(runner, 0, {}, [])
    hook.after_test_epoch(runner)
    assert not list(tmp_path.iterdir())


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="num_cases"):
        BadCaseHook(num_cases=0)
