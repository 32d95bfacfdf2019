import copy
import pickle

import numpy as np
import pytest
import torch
from mmengine.model import BaseModel
from mmpose.structures import PoseDataSample
from part_synth.geometry import mirror
from tiny_part_synth import SIZE, TINY, tiny_model


def samples(count, **metainfo):
    return [PoseDataSample(metainfo={"img_path": f"{i}.jpg", **metainfo}) for i in range(count)]


def pictures(count, seed=1):
    generator = torch.Generator().manual_seed(seed)
    shape = (count, 3, SIZE, SIZE)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def test_predictions_are_what_the_docstring_promises(model):
    model.eval()
    inputs = list(pictures(3).unbind())  # as mmpose's own packing gives them
    boxes = [np.array([[100.0, 80.0, 64.0]], dtype=np.float32)] * 3
    given = samples(3)
    for sample, box in zip(given, boxes, strict=True):
        sample.set_metainfo({"crop_box": box})
    results = model.test_step({"inputs": inputs, "data_samples": given})
    assert len(results) == 3
    for i, result in enumerate(results):
        assert result.img_path == f"{i}.jpg"
        instances = result.pred_instances
        assert instances.keypoints.shape == (1, 17, 3)
        assert instances.keypoint_scores.shape == (1, 17)
        assert instances.crop_keypoints.shape == (1, 17, 2)
        assert instances.keypoints_2d.shape == (1, 17, 2)
        for name in ("keypoints", "keypoint_scores", "crop_keypoints", "keypoints_2d"):
            assert instances[name].dtype == np.float32, name
            assert np.isfinite(instances[name]).all(), name
        # Metres, root-relative.
        assert np.abs(instances.keypoints[0, 0]).max() < 1e-6
        height = np.ptp(instances.keypoints[0], axis=0).max()
        assert 0.5 < height < 2.5
        # The box covers [-1, 1]: its centre is 0, a quarter of it to the right is 0.5.
        pixels = np.array([100.0, 80.0]) + instances.crop_keypoints * 32
        assert instances.keypoints_2d == pytest.approx(pixels, abs=1e-4)
        labels = result.pred_fields.part_labels
        assert labels.shape == (1, SIZE, SIZE)
        assert labels.dtype == torch.uint8
        assert labels.max() <= 14
        assert len(labels.unique()) > 3
    poses = np.stack([r.pred_instances.keypoints[0] for r in results])
    assert np.abs(poses[0] - poses[1]).max() > 1e-4


def test_a_dumped_prediction_is_no_larger_than_its_maps(model):
    many = model.test_step({"inputs": list(pictures(16)), "data_samples": samples(16)})
    assert len(pickle.dumps(many[0].to_dict())) < 2 * SIZE**2 + 4000


def test_without_a_box_there_are_no_image_pixels(model):
    (result,) = model.test_step({"inputs": list(pictures(1)), "data_samples": samples(1)})
    assert "keypoints_2d" not in result.pred_instances
    assert "crop_keypoints" in result.pred_instances


def test_points_are_the_projected_joints(model):
    images = pictures(4).float() / 127.5 - 1
    encoding = model(images)
    decoded = model.decode(encoding)
    camera = encoding.camera(model.camera_distance)
    torch.testing.assert_close(decoded["joints_cam"], camera.rotate(decoded["joints_body"]))
    torch.testing.assert_close(decoded["points"], camera.project(decoded["joints_cam"]))
    torch.testing.assert_close(decoded["extended_points"][:, :17], decoded["points"])
    torch.testing.assert_close(decoded["extended_depths"][:, :17], decoded["joints_cam"][..., 2])
    torch.testing.assert_close(decoded["joints_body"], model.prior(encoding.code))


def test_labels_are_the_puppets_until_the_decoder_has_learned(model):
    model.eval()
    data = {"inputs": list(pictures(3)), "data_samples": samples(3)}
    first = [r.pred_fields.part_labels for r in model.test_step(copy.deepcopy(data))]
    model.part_source = "puppet"
    second = [r.pred_fields.part_labels for r in model.test_step(copy.deepcopy(data))]
    agree = torch.cat(first) == torch.cat(second)
    assert agree.float().mean() > 0.99
    model.part_source = "decoder"
    torch.nn.init.normal_(model.decoder.to_parts.weight, std=1.0)
    third = [r.pred_fields.part_labels for r in model.test_step(data)]
    assert (torch.cat(third) == torch.cat(second)).float().mean() < 0.9


def test_only_the_first_frame_of_a_sample_is_predicted(model):
    model.eval()
    images = pictures(4).unflatten(0, (2, 2))
    pairs = model.val_step({"inputs": {"image": images}, "data_samples": samples(2)})
    single = model.val_step({"inputs": {"image": images[:, :1]}, "data_samples": samples(2)})
    other = model.val_step({"inputs": {"image": images[:, 1:]}, "data_samples": samples(2)})
    for a, b, c in zip(pairs, single, other, strict=True):
        assert np.array_equal(a.pred_instances.keypoints, b.pred_instances.keypoints)
        assert not np.array_equal(a.pred_instances.keypoints, c.pred_instances.keypoints)


def test_batches_do_not_mix_people(model):
    """Not even through the appearance: every sample keeps its own looks."""
    torch.nn.init.normal_(model.decoder.to_parts.weight, std=0.5)
    model.eval()
    images, scenes = pictures(3)[:, None], pictures(3, seed=2)[:, None]

    def predict(rows):
        inputs = {"image": images[rows], "background": scenes[rows]}
        return model.test_step({"inputs": inputs, "data_samples": samples(len(rows))})

    together, alone = predict([0, 1, 2]), predict([1])
    assert alone[0].pred_instances.keypoints == pytest.approx(
        together[1].pred_instances.keypoints, abs=1e-5
    )
    same = alone[0].pred_fields.part_labels == together[1].pred_fields.part_labels
    assert same.float().mean() > 0.995


def test_flip_test_averages_the_mirrored_reading(model):
    model.eval()
    images = pictures(3).float() / 127.5 - 1
    with torch.no_grad():
        plain, mirrored = model.read(images), model.read(images.flip(-1))
        model.flip_test = True
        both, other = model.read(images), model.read(images.flip(-1))
    wanted = (plain["joints_body"] + mirror(mirrored["joints_body"])) / 2
    torch.testing.assert_close(both["joints_body"], wanted)
    # A mirrored picture has the mirrored pose.
    torch.testing.assert_close(other["joints_body"], mirror(wanted))
    # The view stays that of the picture itself.
    camera = model.encoder(images).camera(model.camera_distance)
    torch.testing.assert_close(both["joints_cam"], camera.rotate(wanted))
    torch.testing.assert_close(both["points"], camera.project(both["joints_cam"]))
    assert (both["joints_body"] - plain["joints_body"]).abs().max() > 1e-4


def test_flipped_reading_flips_the_background_too(model):
    model.eval()
    model.flip_test = True
    seen = []
    model.encoder.register_forward_pre_hook(lambda _, args: seen.append(args))
    image, scene = (pictures(2, seed=s).float() / 127.5 - 1 for s in (1, 2))
    inputs = {"image": image[:, None], "background": scene[:, None]}
    model.predict(inputs, samples(2))
    (first, second) = seen
    assert torch.equal(first[0], image) and torch.equal(first[1], scene)
    assert torch.equal(second[0], image.flip(-1)) and torch.equal(second[1], scene.flip(-1))


def test_prediction_needs_samples(model):
    with pytest.raises(ValueError, match="needs the data_samples to fill in, got None"):
        model(torch.zeros(1, 3, SIZE, SIZE), None, mode="predict")


def test_unknown_mode(model):
    with pytest.raises(ValueError, match="'tensor', 'loss' or 'predict', got 'train'"):
        model(torch.zeros(1, 3, SIZE, SIZE), mode="train")


def test_state_dict_is_the_whole_model(model, fit):
    model.eval()
    with torch.no_grad():
        model.puppet.log_radii.uniform_(-0.5, 0.5)
    torch.manual_seed(9)
    twin = tiny_model().eval()
    data = {"inputs": list(pictures(2)), "data_samples": samples(2)}
    assert not twin.prior.fitted
    twin.load_state_dict(model.state_dict())
    for a, b in zip(
        model.test_step(copy.deepcopy(data)), twin.test_step(copy.deepcopy(data)), strict=True
    ):
        assert np.array_equal(a.pred_instances.keypoints, b.pred_instances.keypoints)
        assert torch.equal(a.pred_fields.part_labels, b.pred_fields.part_labels)


def test_copies_as_moving_averages_make_them(model):
    twin = copy.deepcopy(model)
    assert isinstance(twin, BaseModel)
    assert twin.state_dict().keys() == model.state_dict().keys()
    assert twin.prior.fitted


def test_prior_is_frozen_from_the_start():
    assert not any(p.requires_grad for p in tiny_model().prior.parameters())


@pytest.mark.parametrize(
    ("part", "name", "message"),
    [
        ("prior", "code_size", "encoder.code_size=8 and prior.code_size=9; write the same"),
        ("appearance", "channels", "appearance.channels=9 and decoder.appearance_channels=4"),
    ],
)
def test_networks_that_do_not_fit_together(part, name, message):
    with pytest.raises(ValueError, match=message):
        tiny_model(**{part: {**TINY[part], name: 9}})
