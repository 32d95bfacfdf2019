"""A real detector of mmdet, from its config over a few steps of training to both tools."""

import json
import sys

import cv2
import numpy as np
import pytest
from part_synth.apis.cli import run_tool
from part_synth.datasets import WildFrames
from part_synth.people.detector import Detector
from small_detector import film, make_pictures, train_detector
from tiny_models import write_models
from tiny_runs import tool_main

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folder with detector.py and detector.pth, a video of the pictures, and their boxes."""
    folder = tmp_path_factory.mktemp("detector")
    boxes = make_pictures(folder)
    train_detector(folder)
    film(folder / "walk.avi", boxes)
    return folder, boxes


def overlap(first, second):
    """Intersection over union of (N, 4) boxes, row by row."""
    low, high = np.maximum(first[:, :2], second[:, :2]), np.minimum(first[:, 2:], second[:, 2:])
    both = (high - low).clip(0).prod(1)
    sizes = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (first, second)]
    return both / (sizes[0] + sizes[1] - both)


def test_it_finds_the_people_it_was_trained_on(trained):
    folder, boxes = trained
    detector = Detector(folder / "detector.py", folder / "detector.pth", cat_ids=None)
    assert detector.model.dataset_meta["classes"] == ("person",) and detector.cat_ids == [0]
    found = detector.find([cv2.imread(name) for name in boxes])
    best = np.array([of_image[of_image[:, 4].argmax(), :4] for of_image in found])
    assert overlap(best, np.array(list(boxes.values()))).mean() > 0.5


def test_prepare_videos_takes_it(trained, tmp_path, monkeypatch):
    folder, boxes = trained
    arguments = [folder / "walk.avi", "--out", tmp_path / "set", "--min-size", 32]
    arguments += ["--det-model", folder / "detector.py", "--det-weights", folder / "detector.pth"]
    monkeypatch.setattr(sys, "argv", ["prepare_videos.py", *map(str, arguments)])
    assert run_tool(tool_main("dataset_converters/prepare_videos")) == 0
    index = WildFrames.from_disk(tmp_path / "set")
    person = index.column("subject") == "walk.p0"
    assert person.sum() > 10
    true = np.array(list(boxes.values()))[np.rint(index.time[person] * 10).astype(int)]
    away = np.abs(index.center[person] - (true[:, :2] + true[:, 2:]) / 2)
    assert (away < 0.5 * (true[:, 2:] - true[:, :2])).all(1).mean() > 0.8


def test_the_demo_takes_it(trained, tmp_path, monkeypatch):
    folder, boxes = trained
    models = write_models(tmp_path)
    arguments = [folder / "walk.avi", "--pred-out-dir", tmp_path / "out", "--quiet"]
    arguments += ["--det-model", folder / "detector.py", "--det-weights", folder / "detector.pth"]
    arguments += ["--pose2d", models / "pose2d.py", "--pose2d-weights", models / "pose2d.pth"]
    monkeypatch.setattr(sys, "argv", ["demo.py", *map(str, arguments), "--device", "cpu"])
    assert run_tool(tool_main("../demo/inferencer_demo")) == 0
    content = json.loads((tmp_path / "out" / "walk.json").read_text())
    people = [[p for p in f["instances"] if p["track_id"] == 0] for f in content["instance_info"]]
    assert len(people) == len(boxes) and sum(map(bool, people)) > 10
    seen = [(p[0]["bbox"][0], box) for p, box in zip(people, boxes.values(), strict=True) if p]
    found, true = (np.array(column) for column in zip(*seen, strict=True))
    assert overlap(found, true).mean() > 0.5
