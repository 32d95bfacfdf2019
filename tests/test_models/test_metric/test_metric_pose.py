"""The model of metric learning says so when a loss has nothing to learn from."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample
from part_synth.engine import AtomicCheckpointHook
from part_synth.models import MetricPoseModel
from part_synth.models.losses import ArticulationLimitLoss

ENCODER = dict(
    type="part_synth.EmbeddingEncoder",
    backbone=dict(
        type="part_synth.TinyResNet", stem_channels=8, channels=(8, 16, 16), blocks=(1, 1, 1)
    ),
    embedding_size=8,
)
HEAD = dict(type="part_synth.CanonicalPoseHead", embedding_size=8)


def build(pose_loss=True):
    torch.manual_seed(0)
    return MetricPoseModel(
        encoder=ENCODER,
        head=HEAD,
        pose_loss=dict(type="part_synth.CanonicalPoseLoss") if pose_loss else None,
        metric_loss=dict(type="part_synth.InfoNCELoss"),
    )


def make_batch(labelled, views=2):
    """Inputs and samples of instants of one clip; ``labelled`` (N,) says which have labels."""
    rng = np.random.default_rng(0)
    samples = []
    for i, known in enumerate(labelled):
        sample = PoseDataSample(
            metainfo=dict(
                time=np.full(views, float(i)),
                subject="S1",
                subject_id=0,
                clip="Walk",
                camera=("a", "b"),
                flip=False,
            )
        )
        hidden = 0.0 if known else np.nan
        sample.gt_instances = InstanceData(
            lifting_target=rng.normal(size=(views, 17, 3)).astype(np.float32) + hidden,
            lifting_target_visible=np.full((views, 17), float(known), np.float32),
            crop_keypoints=rng.uniform(-1, 1, (views, 17, 2)).astype(np.float32) + hidden,
        )
        samples.append(sample)
    images = torch.from_numpy(rng.uniform(-1, 1, (len(labelled), views, 3, 32, 32)))
    return {"image": images.float()}, samples


def test_first_batch_without_labels_is_refused():
    model = build()
    with pytest.raises(ValueError, match=r"None of the 6 frames .*batch_sampler\.labelled.*None"):
        model.loss(*make_batch([False] * 3))
    losses = model.loss(*make_batch([True, False, False]))
    assert losses["loss_canonical"] > 0 and losses["loss_metric"] > 0
    # A later batch may lack labels by chance.
    losses = model.loss(*make_batch([False] * 3))
    assert losses["loss_canonical"] == 0 and losses["loss_metric"] > 0


def test_without_pose_loss_no_label_is_needed():
    assert set(build(pose_loss=False).loss(*make_batch([False] * 3))) == {"loss_metric"}


@pytest.mark.parametrize(
    ("pose_loss", "save_best", "warnings"),
    [
        (False, "p_mpjpe_mm", 1),
        (False, ["mpjpe_mm", "p_mpjpe_mm"], 2),
        (False, "cross_view_pa_mpjpe@1_mm", 0),
        (False, None, 0),
        (True, "p_mpjpe_mm", 0),
    ],
)
def test_best_checkpoint_of_an_untrained_head(
    tmp_path, monkeypatch, pose_loss, save_best, warnings
):
    told = []
    monkeypatch.setattr(
        "part_synth.engine.checkpoint_hook.print_log",
        lambda text, logger, level: told.append((text, level)),
    )
    rule = ["less"] * len(save_best) if isinstance(save_best, list) else "less"
    hook = AtomicCheckpointHook(save_best=save_best, rule=None if save_best is None else rule)
    runner = SimpleNamespace(
        model=build(pose_loss),
        work_dir=str(tmp_path),
        val_loop=object(),
        message_hub=SimpleNamespace(runtime_info={}),
    )
    monkeypatch.setattr("mmengine.hooks.CheckpointHook.before_train", lambda *_: None)
    hook.out_dir = str(tmp_path)
    hook.before_train(runner)
    assert len(told) == warnings
    for text, level in told:
        assert level == logging.WARNING
        assert "default_hooks.checkpoint.save_best='cross_view_pa_mpjpe@1_mm'" in text
        assert "part_synth.PoseRetrievalMetric" in text


def test_metric_learning_holds_unlabelled_poses_too():
    inputs, samples = make_batch([True, False, False])
    model = build()
    assert "loss_articulation" not in model.loss(inputs, samples)
    model.articulation = ArticulationLimitLoss(margin=0.0)
    with torch.no_grad():
        model.head.pose[-1].weight.normal_()
    loss = model.loss(inputs, samples)["loss_articulation"]
    assert float(loss) > 0
    loss.backward()
    assert model.head.pose[-1].weight.grad.abs().max() > 0


@pytest.mark.parametrize("scope", ["person", "clip"])
def test_cameras_may_be_moved_between_clips(scope):
    """What stands still for a person belongs together in the consensus, or for a clip only."""
    inputs, samples = make_batch([True, False, False])
    for sample, clip in zip(samples, ("Walk", "Run", "Run"), strict=True):
        sample.set_metainfo(dict(clip=clip))
    model = build()
    model.camera_scope = scope
    seen = {}

    def consensus(*arguments):
        seen["owners"] = arguments[4].tolist()
        return {}

    model.consensus = consensus
    model.loss(inputs, samples)
    assert seen["owners"] == ([0, 0, 0] if scope == "person" else [1, 0, 0])


def test_unknown_camera_scope():
    with pytest.raises(ValueError, match="`camera_scope` is 'person' or 'clip', got 'room'"):
        MetricPoseModel(ENCODER, HEAD, camera_scope="room")
