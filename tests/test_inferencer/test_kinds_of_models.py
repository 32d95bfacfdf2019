"""The kinds of models that people are found with; top-down models are in the inferencer's tests."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from part_synth.apis import init_model, predict_people
from part_synth.inferencer import PartSynthInferencer
from part_synth.registry import MODELS
from tiny_videos import write_video

BOTTOM_UP = """
_base_ = ["pose2d.py"]
data_mode = "bottomup"
test_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type="LoadImage"),
            dict(type="BottomupResize", input_size=(64, 64), size_factor=32, resize_mode="fit"),
            dict(
                type="PackPoseInputs",
                meta_keys=("ori_shape", "img_shape", "input_size", "input_center", "input_scale"),
            ),
        ]
    )
)
"""


def test_a_bottom_up_model_needs_no_boxes(models, lifter, tmp_path):
    (models / "bottomup.py").write_text(BOTTOM_UP)
    video = write_video(tmp_path / "v.mp4", 4)
    inferencer = PartSynthInferencer(
        **lifter, pose2d=models / "bottomup.py", pose2d_weights=models / "pose2d.pth"
    )
    results = list(inferencer(video))
    for result in results:
        (person,) = result["predictions"][0]
        assert person["track_id"] == 0
        left, top, right, bottom = person["bbox"][0]
        points = np.array(person["keypoints_2d"])
        assert (points > [left, top]).all() and (points < [right, bottom]).all()


@pytest.fixture(scope="module")
def image_model(tmp_path_factory):
    """Config and checkpoint of a small image model."""
    folder = tmp_path_factory.mktemp("image_model")
    backbone = dict(type="part_synth.TinyResNet", stem_channels=8, channels=(8, 16, 16))
    cfg = Config(
        dict(
            default_scope="mmpose",
            model=dict(
                type="part_synth.PartSynth",
                encoder=dict(type="part_synth.PoseEncoder", backbone=backbone),
            ),
            test_dataloader=dict(dataset=dict(crop=dict(size=32, padding=0.8))),
        )
    )
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.prior.lengths.fill_(0.25)
    torch.save({"meta": {}, "state_dict": model.state_dict()}, folder / "model.pth")
    cfg.dump(folder / "model.py")
    return folder / "model.py", folder / "model.pth"


def test_an_image_model_needs_boxes_and_no_2d_model(image_model, tmp_path):
    inferencer = PartSynthInferencer(*image_model, det_model="whole-frame")
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    (result,) = inferencer(picture, return_vis=True)
    (person,) = result["predictions"][0]
    expected = predict_people(init_model(*image_model), np.ascontiguousarray(picture[..., ::-1]))[0]
    np.testing.assert_allclose(person["keypoints"], 1000 * expected.joints, atol=0.02)
    np.testing.assert_allclose(person["keypoints_2d"], expected.keypoints, atol=0.02)
    assert any("mean build" in words for words in result["meta_info"]["assumptions"])


@pytest.mark.parametrize("box", [[10, 8, 40, 40], [-20, -20, 30, 20], [50, 30, 90, 90]])
def test_parts_lie_over_the_person(image_model, box, monkeypatch):
    from part_synth.inferencer import image_model as module

    model = module.ImageModel(*image_model)

    def labelled(*arguments):
        (person,) = predict_people(*arguments)
        person.part_labels = np.zeros_like(person.part_labels)
        person.part_labels[12:20, 12:20] = 2  # the middle quarter
        return [person]

    monkeypatch.setattr(module, "predict_people", labelled)
    image = np.full((48, 64, 3), 250, np.uint8)
    painted = (model.paint_parts(image, np.array([box], float)) != image).any(-1)
    x, y = (np.array(box[:2]) + box[2:]) / 2
    side = max(box[2] - box[0], box[3] - box[1]) / 4  # crop padding of 0.8 times 1.25
    expected = np.zeros((48, 64), bool)
    low, high = np.round([y - side / 2, x - side / 2]), np.round([y + side / 2, x + side / 2])
    (top, left), (bottom, right) = low.clip(0).astype(int), high.clip(0).astype(int)
    expected[top:bottom, left:right] = True
    assert (painted != expected).sum() <= 2 * (side + 2) * 2
    assert painted.any() == expected.any()


def test_an_image_model_with_boxes_and_nobody(image_model, tmp_path):
    video = write_video(tmp_path / "v.mp4", 3)
    boxes = [[[5, 5, 30, 40]], [], [[6, 5, 31, 40]]]
    results = list(PartSynthInferencer(*image_model)(video, bboxes=boxes))
    assert [len(result["predictions"][0]) for result in results] == [1, 0, 1]


def test_an_image_model_and_a_2d_model_are_one_too_many(image_model, pose2d):
    with pytest.raises(ValueError, match="image model, which needs no pose2d"):
        PartSynthInferencer(*image_model, **pose2d)
