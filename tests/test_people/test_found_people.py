"""Boxes of a detector, 2D joints of a model, and the files that both are made of."""

import numpy as np
import pytest
from part_synth.people import FramePeople, WholeFrame, boxes_around
from part_synth.people.detector import Detector
from part_synth.people.model_files import resolve_model
from part_synth.people.pose2d import Pose2D
from tiny_models import write_models
from tiny_videos import pose_2d


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return write_models(tmp_path_factory.mktemp("models"))


def test_a_detector_keeps_people_alone(models):
    image = np.full((48, 64, 3), 60, np.uint8)
    image[10:30, 20:30] = 20, 20, 250
    detector = Detector(models / "detector.py", models / "detector.pth")
    found, nothing = detector.find([image, np.full((48, 64, 3), 60, np.uint8)])
    np.testing.assert_allclose(found, [[20, 10, 30, 30, 0.9]], atol=1)
    assert nothing.shape == (0, 5)
    cars = Detector(models / "detector.py", models / "detector.pth", cat_ids=[2])
    np.testing.assert_allclose(cars.find([image])[0], [[0, 0, 3, 3, 0.9]], atol=1)
    strict = Detector(models / "detector.py", models / "detector.pth", score_thr=0.95)
    assert len(strict.find([image])[0]) == 0


def test_the_layout_is_that_of_the_data_set(models):
    assert Pose2D(models / "pose2d.py", models / "pose2d.pth").layout == "coco"
    other = Pose2D(models / "pose2d.py", models / "pose2d.pth", skeleton="h36m")
    assert other.layout == "h36m"


def test_boxes_lie_around_what_is_seen():
    points = np.stack([pose_2d((20, 20)), pose_2d((30, 30))])
    seen = np.ones((2, 17), bool)
    seen[1] = False
    boxes = boxes_around(points, seen)
    assert (boxes[0, :2] < points[0].min(0)).all() and (boxes[0, 2:] > points[0].max(0)).all()
    assert (boxes[1] == 0).all()


def test_names_of_mmpose_are_known_and_their_weights_are_looked_at():
    cfg, weights = resolve_model("human", None, "pose2d", "mmpose")
    assert "model" in cfg and weights.startswith("https://")


def test_whole_frames_are_boxes_without_joints():
    (boxes,) = WholeFrame().find([np.zeros((48, 64, 3), np.uint8)])
    np.testing.assert_array_equal(boxes, [[0, 0, 64, 48, 1]])
    people = FramePeople.of_boxes(boxes, np.array([4]))
    assert len(people) == 1 and people.person_ids.tolist() == [4]
    assert np.isnan(people.keypoints).all() and (people.scores == 0).all()


def test_files_that_are_missing_are_named(models):
    with pytest.raises(FileNotFoundError, match=r"none\.pth does not exist \(looked for at /.*\)"):
        resolve_model(models / "detector.py", models / "none.pth", "det_model", "mmdet")
    with pytest.raises(ValueError, match="give det_weights=FILE"):
        resolve_model(models / "detector.py", None, "det_model", "mmdet")
    with pytest.raises(ValueError, match=r"The 2D pose model of .*config\.py can't be built with"):
        Pose2D(models / "config.py", models / "weights.pth")
