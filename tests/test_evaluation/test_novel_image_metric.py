"""NovelImageMetric, on made samples and in the loop of tools/test.py."""

import json

import numpy as np
import pytest
import torch
from data_factory import make_tiny_h36m
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData, PixelData
from mmpose.structures import PoseDataSample
from part_synth.datasets import VideoPairDataset, collate
from part_synth.evaluation.image_quality import psnr, ssim
from part_synth.models.novel_images import to_bytes
from part_synth.registry import METRICS
from tiny_runs import run
from tiny_synthesizer import SIZE, load_tiny, save_tiny, tiny_config

BACKGROUND = "baseline_background_"
COPY = "baseline_copy_source_"


def make_batch(seed=0, count=3):
    """A batch of two frames each, its samples, and the novel images (B, 3, 24, 24)."""
    rng = np.random.default_rng(seed)
    image, background = torch.from_numpy(rng.integers(0, 256, (2, count, 2, 3, 24, 24))).byte()
    novel = torch.from_numpy(rng.integers(0, 256, (count, 3, 24, 24))).byte()
    labels = torch.zeros(count, 2, 24, 24, dtype=torch.uint8)
    labels[:, 0, 8:18, 8:15] = 3
    samples = []
    for i in range(count):
        sample = PoseDataSample()
        points = rng.uniform(-0.5, 0.4, (2, 17, 2))
        sample.gt_instances = InstanceData(crop_keypoints=points)
        sample.gt_fields = PixelData(part_labels=labels[i])
        sample.pred_fields = PixelData(part_labels=labels[i, :1])
        sample.pred_fields.novel_image = novel[i]
        samples.append(sample)
    return {"inputs": {"image": image, "background": background}}, samples, novel


def evaluate(*batches):
    evaluator = Evaluator([METRICS.build({"type": "part_synth.NovelImageMetric"})])
    for batch, samples, _ in batches:
        evaluator.process(samples, batch)
    return evaluator.evaluate(sum(len(samples) for _, samples, _ in batches))


def test_numbers_are_means_over_samples_of_the_pure_functions():
    batches = [make_batch(0), make_batch(1, 2)]
    result = evaluate(*batches)
    inputs = [torch.cat([b[0]["inputs"][k] for b in batches]) for k in ("image", "background")]
    (images, backgrounds), novel = inputs, torch.cat([b[2] for b in batches])
    samples = [sample for b in batches for sample in b[1]]
    boxes = torch.zeros(5, 24, 24)
    for i, sample in enumerate(samples):
        points = sample.gt_instances.crop_keypoints[0]
        low, high = points.min(0), points.max(0)
        rim = 0.1 * (high - low).max()
        for y in range(24):
            for x in range(24):
                place = np.array([2 * x + 1, 2 * y + 1]) / 24 - 1
                boxes[i, y, x] = float(((place >= low - rim) & (place <= high + rim)).all())
    assert 0.1 < boxes.mean() < 0.9
    silhouettes = torch.stack([s.gt_fields.part_labels[0] for s in samples]) > 0
    regions = {"person": boxes, "crop": None, "silhouette": silhouettes}
    answers = {"novel_": novel, COPY: images[:, 1], BACKGROUND: backgrounds[:, 0]}
    for answer, pictures in answers.items():
        for region, mask in regions.items():
            wanted = psnr(pictures, images[:, 0], mask).mean()
            assert result[f"{answer}psnr_{region}_db"] == pytest.approx(float(wanted), rel=1e-5)
            wanted = ssim(pictures, images[:, 0], mask).mean()
            assert result[f"{answer}ssim_{region}"] == pytest.approx(float(wanted), rel=1e-4)
    assert len(result) == 18


def test_a_perfect_answer_is_finite():
    batch, samples, _ = make_batch()
    for sample, frames in zip(samples, batch["inputs"]["image"], strict=True):
        sample.pred_fields.novel_image = frames[0]
    result = evaluate((batch, samples, None))
    assert result["novel_psnr_crop_db"] == 59.0 and result["novel_ssim_crop"] == pytest.approx(1)


def test_what_is_unknown_is_left_out():
    batch, samples, _ = make_batch()
    del batch["inputs"]["background"]
    for sample in samples:
        del sample.gt_fields
    result = evaluate((batch, samples, None))
    assert not any("background" in key or "silhouette" in key for key in result)
    assert len(result) == 8


def test_mistakes():
    batch, samples, _ = make_batch()
    with pytest.raises(ValueError, match=r"at least 2 frames .*got \(3, 1, 3, 24, 24\)"):
        evaluate(({"inputs": {"image": batch["inputs"]["image"][:, :1]}}, samples, None))
    del samples[1].pred_fields.novel_image
    with pytest.raises(ValueError, match=r"novel_image.*predict_novel_images=True"):
        evaluate((batch, samples, None))
    batch, samples, _ = make_batch()
    del samples[0].gt_instances
    with pytest.raises(ValueError, match=r"no gt_instances\.crop_keypoints"):
        evaluate((batch, samples, None))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_tiny_h36m(tmp_path_factory.mktemp("data"), subjects=("S9",), actions=("Walk",))


def pairs(data):
    return dict(
        type="part_synth.VideoPairDataset",
        data_root=str(data),
        split="test",
        crop=dict(size=SIZE, background="median"),
        test_mode=True,
    )


def test_the_first_frame_is_made_of_the_others_looks(data, tmp_path):
    """None of its own pixels gives looks; its pose and its background are its own."""
    model = load_tiny(tmp_path, predict_novel_images=True)
    settings = {key: value for key, value in pairs(data).items() if key != "type"}
    dataset = VideoPairDataset(**settings)
    batch = collate([dataset[0], dataset[7]])
    images = batch["inputs"]["image"].clone()
    first = [sample.pred_fields.novel_image for sample in model.val_step(batch)]
    assert first[0].shape == (3, SIZE, SIZE) and first[0].dtype == torch.uint8
    read = model.data_preprocessor(batch)["inputs"]
    with torch.no_grad():
        source, target = (model.read(read["image"][:, i], read["background"][:, i]) for i in (1, 0))
        size = (SIZE, SIZE)
        looks = model.appearance(read["image"][:, 1], model.render(source, size, 0.7), 1)
        wanted = model.decoder(model.render(target, size, 0.7), looks, read["background"][:, 0])
    difference = torch.stack(first).int() - to_bytes(wanted.image).int()
    assert difference.abs().max() <= 2
    assert torch.equal(batch["inputs"]["image"], images)
    single = {"inputs": {"image": images[:, :1]}, "data_samples": batch["data_samples"]}
    assert "novel_image" not in model.val_step(single)[0].pred_fields


def test_in_the_loop(data, tmp_path, monkeypatch):
    _, checkpoint = save_tiny(tmp_path)
    cfg = tiny_config(predict_novel_images=True)
    cfg.test_dataloader = dict(
        batch_size=5,
        num_workers=0,
        sampler=dict(type="DefaultSampler", shuffle=False),
        collate_fn=dict(type="part_synth.collate"),
        dataset=pairs(data),
    )
    cfg.test_cfg = dict(type="TestLoop")
    cfg.test_evaluator = dict(type="part_synth.NovelImageMetric")
    config, out = tmp_path / "novel.py", tmp_path / "metrics.json"
    cfg.dump(str(config))
    flags = ["--work-dir", tmp_path / "work", "--out", out]
    assert run("test", config, checkpoint, *flags, monkeypatch=monkeypatch) == 0
    metrics = json.loads(out.read_text())
    assert len(metrics) == 18 and all(np.isfinite(value) for value in metrics.values())
    # The scene does not move and the person fills a small part of it.
    assert (
        metrics["baseline_background_psnr_crop_db"] > metrics["baseline_copy_source_psnr_crop_db"]
    )
