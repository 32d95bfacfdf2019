"""Every shipped config of metric learning trains, tests and resumes on small made data."""

import json
import math

import pytest
import torch
from data_factory import make_tiny_3dhp, make_tiny_h36m, make_unpaired_poses
from tiny_runs import ROOT, logged_losses, run

CONFIGS = [
    "metric_synthetic",
    "metric_synthetic_supervised",
    "metric_synthetic_lifted",
    "metric_synthetic_joined",
    "ablations/metric_joined_supervised",
    "metric_h36m",
    "metric_3dhp",
]
POSE = {"canonical", "joints_cam", "reading", "orientation", "heat", "heat_maps", "distance"}
CONSENSUS = {"consensus_joints", "consensus_reading", "consensus_orientation"}
# Sizes that a test can afford; everything else is as shipped.
SMALL = [
    "train_dataloader.batch_size=4",
    "train_dataloader.batch_sampler.labelled=2",
    "train_dataloader.sampler.samples_per_epoch=8",
    "train_dataloader.dataset.num_views=2",
    "train_dataloader.num_workers=0",
    "train_dataloader.persistent_workers=False",
    "val_dataloader.num_workers=0",
    "val_dataloader.persistent_workers=False",
    "test_dataloader.num_workers=0",
    "default_hooks.logger.interval=1",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    people = ("S1", "S5", "S8", "S9", "S11")
    make_tiny_h36m(root / "h36m", subjects=people, parts=False)
    make_tiny_3dhp(root / "3dhp", subjects=("S1", "S8"), frames=40)
    return {
        "h36m": root / "h36m",
        "3dhp": root / "3dhp",
        "poses": make_unpaired_poses(root / "unpaired.npz", frames=150),
    }


def options(config, data, epochs=1):
    """--cfg-options that point a shipped config to the tiny data."""
    splits = ("train", "val", "test")
    root = data["3dhp" if config == "metric_3dhp" else "h36m"]
    chosen = [
        *SMALL,
        *(f"{s}_dataloader.dataset.data_root={root}" for s in splits),
        *(f"{s}_dataloader.dataset.crop.size=32" for s in splits),
        "val_evaluator.reference_poses=" + str(data["poses"]),
        "test_evaluator.0.reference_poses=" + str(data["poses"]),
        f"train_cfg.max_epochs={epochs}",
    ]
    if config.endswith("supervised"):
        chosen.append("train_dataloader.batch_sampler.labelled=4")
    if "synthetic" in config or "joined" in config:
        chosen += [f"{s}_dataloader.dataset.synthetic=None" for s in splits]
        chosen += [f"{s}_dataloader.dataset.crop.cache=None" for s in splits]
        chosen += ["val_dataloader.dataset.frame_step=1", "test_evaluator.1.topk=(1,5)"]
    else:
        # The tiny sets have fewer people than the protocol, and few frames.
        chosen += ["train_dataloader.dataset.frame_step=1", "val_dataloader.dataset.frame_step=1"]
        chosen += ["train_dataloader.dataset.subjects=['S1']"]
        chosen += ["train_dataloader.batch_sampler.min_gap=0.2", "model.min_gap=0.2"]
        chosen += ["test_dataloader.dataset.frame_step=1", "test_evaluator.1.topk=(1,)"]
    if config == "metric_h36m":
        # The tiny set keeps S8 in a file of its own.
        chosen.append("val_dataloader.dataset.split=val")
    if config == "metric_3dhp":
        chosen.append("test_evaluator.1.min_gap=0.02")
    return chosen


def train(config, data, work, monkeypatch, *arguments, epochs=1, extra=()):
    monkeypatch.delenv("RANK", raising=False)
    path = ROOT / "configs" / f"{config}.py"
    status = run(
        "train",
        path,
        "--work-dir",
        work,
        *arguments,
        monkeypatch=monkeypatch,
        options=[*options(config, data, epochs), *extra],
    )
    assert not status
    return path


@pytest.mark.parametrize("config", CONFIGS)
def test_trains_and_tests(config, data, tmp_path, monkeypatch):
    work = tmp_path / "work"
    supervised = config.endswith("supervised")
    # The consensus speaks from the first step.
    extra = [] if supervised else ["model.consensus.start=0"]
    # Its labels are few: S1 alone, and there are others whose labels stay in the data set.
    path = train(config, data, work, monkeypatch, extra=extra)
    results = json.loads((work / "results.json").read_text())
    for key in ("mpjpe_mm", "p_mpjpe_mm", "untrained/p_mpjpe_mm"):
        assert math.isfinite(results[key])
    losses = next(iter(logged_losses(work).values()))
    assert all(math.isfinite(value) for value in losses.values())
    expected = POSE if supervised else POSE | {"metric"}
    if "3dhp" not in config and not supervised and "synthetic" in config:
        expected = expected | CONSENSUS
    assert set(losses) - {"loss"} >= {f"loss_{name}" for name in expected}
    if config == "metric_synthetic":
        for protocol in ("same_view", "cross_view"):
            ours, oracle, chance = (
                results[f"{protocol}_{key}_mm/person"]
                for key in ("pa_mpjpe@1", "oracle_pa_mpjpe@1", "chance_pa_mpjpe")
            )
            assert oracle <= ours and oracle < chance
        assert 0 <= results["identity_probe_acc_pct"] <= 100
        assert "view_offset_max_s" in results

    # tools/test.py reproduces the last row from the best checkpoint.
    out = tmp_path / "metrics.json"
    status = run(
        "test",
        path,
        next(work.glob("best_p_mpjpe_mm_*.pth")),
        "--work-dir",
        tmp_path / "test",
        "--out",
        out,
        monkeypatch=monkeypatch,
        options=options(config, data),
    )
    assert not status
    assert json.loads(out.read_text())["p_mpjpe_mm"] == pytest.approx(results["p_mpjpe_mm"])


def test_resumed_run_has_the_losses_of_an_unbroken_one(data, tmp_path, monkeypatch):
    extra = ["model.consensus.start=2", "default_hooks.checkpoint.max_keep_ckpts=3"]
    train("metric_synthetic", data, tmp_path / "whole", monkeypatch, epochs=3, extra=extra)
    broken = tmp_path / "broken"
    train("metric_synthetic", data, broken, monkeypatch, "--no-validate", epochs=3, extra=extra)
    # As if killed in the third epoch: its checkpoint and all later traces are gone.
    (broken / "epoch_3.pth").unlink()
    (broken / "last_checkpoint").write_text(str(broken / "epoch_2.pth"))
    for log in broken.glob("*/vis_data/scalars.json"):
        log.unlink()
    train("metric_synthetic", data, broken, monkeypatch, "--resume", "auto", epochs=3, extra=extra)
    whole, resumed = logged_losses(tmp_path / "whole"), logged_losses(broken)
    assert {epoch for epoch, _ in resumed} == {3}
    assert resumed == {key: losses for key, losses in whole.items() if key[0] == 3}


@pytest.mark.parametrize("kind", ["part_synth.TripletLoss", "part_synth.HardestNegativeLoss"])
def test_other_losses_by_config(kind, data, tmp_path, monkeypatch):
    config = tmp_path / "config.py"
    config.write_text(
        f"_base_ = [{str(ROOT / 'configs' / 'metric_synthetic.py')!r}]\n"
        f"model = dict(metric_loss=dict(_delete_=True, type={kind!r}), "
        "identity=dict(type='part_synth.IdentityAdversary', num_people=2))\n"
    )
    status = run(
        "train",
        config,
        "--work-dir",
        tmp_path / "work",
        "--no-validate",
        monkeypatch=monkeypatch,
        options=options("metric_synthetic", data),
    )
    assert not status
    found = next(iter(logged_losses(tmp_path / "work").values()))
    assert {"loss_metric", "loss_identity"} <= set(found)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("train_dataloader.dataset.labelled.fraction=0", "No instant of the training set has"),
        ("train_dataloader.dataset.labelled.subjects=['S7']", "No person named S7"),
        ("train_dataloader.dataset.cameras=['54138969']", "seen by 2 cameras"),
        ("train_dataloader.batch_sampler.groups=3", "can't be shared out"),
        ("train_dataloader.batch_size=34", "groups of 32 instants at least 0.3 s apart"),
        ("model.scope=room", "scope"),
        ("model.head.embedding_size=64", "embedding_size of both"),
        ("model.metric_loss.temperature=0", "temperature"),
    ],
)
def test_bad_options_are_explained(changed, said, data, tmp_path, monkeypatch, capsys):
    status = run(
        "train",
        ROOT / "configs" / "metric_synthetic.py",
        "--work-dir",
        tmp_path,
        "--no-validate",
        monkeypatch=monkeypatch,
        options=[*options("metric_synthetic", data), changed],
    )
    assert status == 2
    assert said in capsys.readouterr().err


def test_weights_initialise_the_encoder_of_synthesis(data, tmp_path, monkeypatch):
    """By config alone: init_cfg of PoseEncoder reads the trunk from a checkpoint of metric."""
    from part_synth.registry import MODELS

    work = tmp_path / "work"
    train("metric_synthetic", data, work, monkeypatch, "--no-validate")
    checkpoint = work / "epoch_1.pth"
    encoder = MODELS.build(
        dict(
            type="part_synth.PoseEncoder",
            backbone=dict(
                type="part_synth.TinyResNet",
                stem_channels=24,
                channels=(48, 96, 192),
                blocks=(1, 2, 3),
                in_channels=6,
            ),
            use_background=True,
            init_cfg=dict(type="Pretrained", checkpoint=str(checkpoint), prefix="encoder."),
        )
    )
    encoder.init_weights()
    state = torch.load(checkpoint, map_location="cpu", weights_only=False)["state_dict"]
    own = encoder.state_dict()
    shared = [name for name in own if f"encoder.{name}" in state]
    assert {"backbone", "laterals", "smooth", "joints_head", "pool", "local", "trunk"} == {
        name.split(".")[0] for name in shared
    }
    for name in shared:
        assert torch.equal(own[name], state[f"encoder.{name}"])
