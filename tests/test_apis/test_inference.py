import numpy as np
import pytest
import torch
from mmengine.config import Config
from part_synth.apis import init_model, predict_people
from part_synth.registry import MODELS


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Config and checkpoint of a small model."""
    cfg = Config(
        {
            "default_scope": "mmpose",
            "model": {
                "type": "part_synth.PartSynth",
                "encoder": {
                    "type": "part_synth.PoseEncoder",
                    "backbone": {
                        "type": "part_synth.TinyResNet",
                        "stem_channels": 8,
                        "channels": (8, 16, 16),
                    },
                },
            },
            "test_dataloader": {"dataset": {"crop": {"size": 32, "padding": 0.8}}},
        }
    )
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.prior.lengths.fill_(0.25)
    path = tmp_path_factory.mktemp("model") / "model.pth"
    torch.save({"meta": {}, "state_dict": model.state_dict()}, path)
    return cfg, path


@pytest.fixture(scope="module")
def model(trained):
    return init_model(*trained)


def picture():
    return np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)


def test_people_come_back_in_image_coordinates(model):
    people = predict_people(model, picture(), [[10, 5, 40, 55], [50, 10, 70, 20]])
    assert len(people) == 2
    for person, centre, side in zip(people, [(25, 30), (60, 15)], (50, 20), strict=True):
        assert person.joints.shape == (17, 3) and np.isfinite(person.joints).all()
        np.testing.assert_allclose(person.joints[0], 0, atol=1e-6)
        np.testing.assert_allclose(person.crop_box, [*centre, side])  # 1.25 * 0.8 = 1
        assert person.crop.shape == (32, 32, 3) and person.part_labels.shape == (32, 32)
        # An untrained model puts the person in the middle of the crop.
        assert np.abs(person.keypoints.mean(0) - centre).max() < side / 2
    # A person is read alike alone and in company.
    alone = predict_people(model, picture(), [[50, 10, 70, 20]])[0]
    np.testing.assert_allclose(alone.joints, people[1].joints, atol=1e-5)


def test_nobody_gives_an_empty_list_and_no_box_takes_the_whole_image(model):
    assert predict_people(model, picture(), []) == []
    (person,) = predict_people(model, picture())
    np.testing.assert_allclose(person.crop_box, [45, 30, 90])


@pytest.mark.parametrize("box", [[10, 5, 10, 55], [np.nan, 0, 5, 5]])
def test_empty_boxes_are_refused(model, box):
    with pytest.raises(ValueError, match="right > left"):
        predict_people(model, picture(), [box])


@pytest.mark.parametrize("box", [[90, 5, 99, 55], [0, 60, 5, 70], [-9, 5, 0, 9], [0, -9, 5, 0]])
def test_boxes_outside_of_the_picture_are_refused(model, box):
    words = r"wholly outside of the picture of 90 x 60 px"
    with pytest.raises(ValueError, match=words):
        predict_people(model, picture(), [[10, 5, 40, 55], box])


def test_people_at_the_edge_are_seen(model):
    edges = [[-20, -20, 1, 1], [89, 59, 120, 120]]
    assert len(predict_people(model, picture(), edges)) == 2


def test_devices_that_are_not_there_are_refused(trained):
    for device in ("gpu0", "cuda:99"):
        with pytest.raises(ValueError, match=f"device '{device}' can't be used here"):
            init_model(*trained, device=device)


def test_wrong_pictures_are_refused(model):
    with pytest.raises(ValueError, match=r"uint8 RGB, got \(60, 90\)"):
        predict_people(model, picture()[..., 0])


def test_background_is_cropped_as_the_image_is(model, monkeypatch):
    seen = {}
    image = picture()
    predict = model.predict
    monkeypatch.setattr(
        model, "predict", lambda inputs, samples: seen.update(inputs) or predict(inputs, samples)
    )
    predict_people(model, image, [[10, 5, 40, 55]])
    assert set(seen) == {"image"}
    predict_people(model, image, [[10, 5, 40, 55]], background=255 - image)
    torch.testing.assert_close(seen["background"], -seen["image"], atol=0.02, rtol=0)


def test_wrong_backgrounds_are_refused(model):
    with pytest.raises(ValueError, match=r"image's shape \(60, 90, 3\), got \(30, 90, 3\)"):
        predict_people(model, picture(), background=picture()[:30])
    with pytest.raises(ValueError, match="background must be"):
        predict_people(model, picture(), background=picture().astype(float))


def test_checkpoint_of_another_model_is_refused(trained, tmp_path):
    cfg, _ = trained
    other = tmp_path / "other.pth"
    torch.save({"state_dict": torch.nn.Linear(2, 2).state_dict()}, other)
    # One sentence, without the names of all parameters.
    with pytest.raises(ValueError, match=r"other\.pth does not fit the model of [^.]*with\.$"):
        init_model(cfg, other)
    with pytest.raises(FileNotFoundError):
        init_model(cfg, tmp_path / "none.pth")
