"""Exported files: equal numbers, any batch size, and what they say about themselves."""

import json

import numpy as np
import pytest
import torch
from part_synth.apis import init_model, lift, load_lifter, predict_people
from part_synth.apis import onnx as onnx_api
from part_synth.apis.errors import ConfigError
from part_synth.apis.export import ImageGraph, check_parity, export_onnx
from part_synth.apis.onnx import OnnxImageModel, OnnxLifter
from part_synth.apis.onnx_metadata import META_KEYS, decode
from part_synth.geometry import H36M17, PART_NAMES
from part_synth.registry import MODELS

LIFTER = """
model = dict(
    type="part_synth.LiftingModel",
    lifter=dict(type="part_synth.ClipLifter", width=16, num_blocks=1, reach=1),
    distance=7.0,
    bones_total=3.5,
    objective=dict(type="part_synth.SupervisedLifting"),
)
test_dataloader = dict(dataset=dict(interval=0.2))
"""
IMAGE = """
default_scope = "mmpose"
model = dict(
    type="part_synth.PartSynth",
    encoder=dict(
        type="part_synth.PoseEncoder",
        backbone=dict(
            type="part_synth.TinyResNet", stem_channels=8, channels=(8, 8, 8), in_channels=6
        ),
        use_background=True,
        pyramid_channels=8,
        global_channels=8,
        hidden=16,
        code_size=8,
    ),
    prior=dict(type="part_synth.PosePrior", code_size=8, hidden=16),
    appearance=dict(type="part_synth.AppearanceEncoder", channels=4, hidden=8),
    decoder=dict(type="part_synth.SynthesisDecoder", appearance_channels=4, channels=(8, 8, 8)),
    flip_test=True,
)
test_dataloader = dict(dataset=dict(crop=dict(size=32, padding=0.8)))
"""


def points_2d(count, seed=0):
    """(count, 17, 2) px."""
    return np.random.default_rng(seed).uniform(100, 400, (count, 17, 2))


@pytest.fixture(scope="module")
def lifter(tmp_path_factory):
    """(config, checkpoint, exported file, report) of a lifter of three frames that can infill."""
    folder = tmp_path_factory.mktemp("lifter")
    config, checkpoint = folder / "config.py", folder / "weights.pth"
    config.write_text(LIFTER)
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type="part_synth.LiftingModel",
            lifter=dict(type="part_synth.ClipLifter", width=16, num_blocks=1, reach=1),
        )
    )
    model.infill.fit(torch.from_numpy(points_2d(150)))
    torch.save(model.state_dict(), checkpoint)
    report = export_onnx(config, checkpoint, folder / "deep" / "lifter.onnx")
    return config, checkpoint, report.path, report


@pytest.fixture(scope="module")
def image_model(tmp_path_factory):
    """(config, checkpoint, exported file, report) of a model with mirrored and plain views."""
    folder = tmp_path_factory.mktemp("image")
    config, checkpoint = folder / "config.py", folder / "weights.pth"
    config.write_text(IMAGE)
    torch.manual_seed(0)
    from mmengine.config import Config

    model = MODELS.build(Config.fromfile(config).model)
    model.prior.lengths.fill_(0.25)
    torch.nn.init.normal_(model.decoder.to_parts.weight, std=0.1)
    torch.save({"meta": {}, "state_dict": model.state_dict()}, checkpoint)
    report = export_onnx(config, checkpoint, folder / "model.onnx", batch_sizes=(1, 3))
    return config, checkpoint, report.path, report


def test_lifter_in_every_batch_size(lifter):
    *_, path, report = lifter
    assert [row.batch_size for row in report.parity] == [1, 2, 7]
    assert all(row.differences["joints"] < 1e-5 for row in report.parity)
    assert report.kind == "lifter" and report.size_bytes == path.stat().st_size
    assert [f.name for f in path.parent.iterdir()] == ["lifter.onnx"]
    assert OnnxLifter(path).poses(torch.zeros(0, 3, 17, 2)).shape == (0, 17, 3)


def test_lift_gives_what_the_model_gives(lifter):
    config, checkpoint, path, _ = lifter
    keypoints = points_2d(20, seed=1)
    scores = np.ones((20, 17))
    # Joints to fill in between frames, and as the model expects them.
    scores[5, 3] = scores[:, 15] = 0
    options = dict(skeleton="h36m", image_size=(500, 500), fps=10.0)
    expected = lift(keypoints, scores, model=(config, checkpoint), **options)
    found = lift(keypoints, scores, model=path, **options)
    assert expected.ok.all() and found.ok.all() and found.filled.sum() == 21
    np.testing.assert_allclose(found.joints, expected.joints, atol=1e-5)
    np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=1e-4)
    assert found.assumptions == expected.assumptions
    assert any("3.5 m" in sentence for sentence in found.assumptions)


def test_lifter_says_what_it_is(lifter):
    path = lifter[2]
    says = load_lifter(path).metadata
    assert set(says) == set(META_KEYS["lifter"])
    assert says["joint_names"] == list(H36M17.joint_names)
    assert (says["units"], says["frame"]) == ("metres", "camera, root-relative")
    assert (says["num_frames"], says["interval_s"]) == (3, 0.2)
    assert (says["distance"], says["bones_total_m"], says["flip_test"]) == (7.0, 3.5, True)
    assert np.shape(says["infill"]["covariance"]) == (34, 34)


def test_a_lifter_without_infill_says_so(lifter, tmp_path):
    config, checkpoint, *_ = lifter
    state = torch.load(checkpoint)
    state["infill.covariance"].zero_()
    torch.save(state, tmp_path / "weights.pth")
    path = export_onnx(config, tmp_path / "weights.pth", tmp_path / "x.onnx", [1]).path
    assert OnnxLifter(path).infill is None


def test_files_hold_no_folders_of_this_machine(lifter, image_model):
    for path in (lifter[2], image_model[2]):
        assert b"site-packages" not in path.read_bytes()
        assert b"/apis/" not in path.read_bytes()


def test_image_model_in_every_batch_size(image_model):
    report = image_model[3]
    assert [row.batch_size for row in report.parity] == [1, 3]
    for row in report.parity:
        assert set(row.differences) == {"joints", "keypoints", "part_maps"}
        assert max(row.differences.values()) < 1e-4
    says = report.metadata
    assert set(says) == set(META_KEYS["image"])
    assert (says["crop_size_px"], says["crop_padding"]) == (32, 0.8)
    assert says["part_names"] == list(PART_NAMES) and says["uses_background"]


@pytest.mark.parametrize("with_background", [False, True])
def test_predict_people_gives_what_the_model_gives(image_model, with_background):
    config, checkpoint, path, _ = image_model
    picture = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    boxes = [[10, 5, 40, 55], [50, 10, 70, 20], [-5, 0, 30, 60]]
    background = 255 - picture if with_background else None
    expected = predict_people(init_model(config, checkpoint), picture, boxes, background)
    found = predict_people(OnnxImageModel(path), picture, boxes, background)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.joints, b.joints, atol=1e-5)
        np.testing.assert_allclose(a.keypoints, b.keypoints, atol=1e-3)
        np.testing.assert_array_equal(a.crop, b.crop)
        # Two parts may share a pixel by halves.
        assert (a.part_labels == b.part_labels).mean() > 0.995
    assert len({*np.unique(found[0].part_labels)}) > 1


def test_a_file_of_other_numbers_is_noticed(image_model):
    """The check itself: another model's file is far off."""
    config, checkpoint, path, _ = image_model
    model = init_model(config, checkpoint)
    with torch.no_grad():
        model.encoder.camera_head.bias += 0.5
    row = check_parity(ImageGraph(model, model.cfg).eval(), path, 2)
    assert row.differences["joints"] > 0.01


def test_weights_that_are_not_finite_write_nothing(lifter, tmp_path):
    config, checkpoint, *_ = lifter
    state = torch.load(checkpoint)
    state["lifter.net.0.weight"][0, 0] = torch.nan
    torch.save(state, tmp_path / "weights.pth")
    (tmp_path / "out").mkdir()
    with pytest.raises(ValueError, match=r"joints of a batch of 1 differ .* by nan"):
        export_onnx(config, tmp_path / "weights.pth", tmp_path / "out" / "x.onnx")
    assert not list((tmp_path / "out").iterdir())


def test_files_of_another_kind_are_refused(lifter, image_model, tmp_path):
    with pytest.raises(ValueError, match="kind 'image', which does not lift 2D keypoints"):
        load_lifter(image_model[2])
    with pytest.raises(ValueError, match="kind 'lifter', which does not read pictures"):
        OnnxImageModel(lifter[2])
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(ValueError, match=r"text\.onnx can't be read as an ONNX model"):
        OnnxLifter(tmp_path / "text.onnx")
    with pytest.raises(FileNotFoundError, match=r"no model .*none\.onnx"):
        OnnxLifter(tmp_path / "none.onnx")
    with pytest.raises(ValueError, match="device 'cuda' can't be used by this onnxruntime"):
        OnnxLifter(lifter[2], "cuda")
    with pytest.raises(ValueError, match=r"takes clips \(B, 3, 17, 2\), got \(1, 1, 17, 2\)"):
        OnnxLifter(lifter[2]).poses(torch.zeros(1, 1, 17, 2))


def test_metadata_is_checked(lifter):
    report = lifter[3]
    good = {key: json.dumps(value) for key, value in report.metadata.items()}
    assert decode(good, "lifter", "f") == report.metadata
    for change, words in (
        ({"format": None}, "says nothing about itself"),
        ({"format": '"part_synth/9"'}, "is of the format 'part_synth/9'"),
        ({"num_frames": None}, "lacks num_frames"),
        ({"units": '"miles"'}, "another units: 'miles'"),
        ({"distance": "{"}, "can't be read"),
    ):
        strings = {k: v for k, v in {**good, **change}.items() if v is not None}
        with pytest.raises(ValueError, match=words):
            decode(strings, "lifter", "f.onnx")


def test_without_the_packages_one_sentence(lifter, tmp_path, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(onnx_api.importlib, "import_module", absent)
    with pytest.raises(ConfigError, match=r"needs the package onnxruntime.*uv sync --extra onnx"):
        OnnxLifter(lifter[2])
    with pytest.raises(ConfigError, match="needs the package onnxruntime"):
        export_onnx(*lifter[:2], tmp_path / "x.onnx")
