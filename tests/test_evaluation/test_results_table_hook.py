"""The results-table hook inside of real training runs of a tiny model."""

from __future__ import annotations

import itertools
import json
import os

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample
from part_synth.engine.results_table_hook import ResultsTableHook
from part_synth.evaluation import PoseMetric
from torch import nn

RUN_NUMBERS = itertools.count()


class PosesAsData(torch.utils.data.Dataset):
    """Poses whose 2D joints are the input; the items of an epoch are always the same."""

    metainfo = None

    def __init__(self, poses):
        self.poses = torch.from_numpy(poses).float()

    def __len__(self):
        return len(self.poses)

    def __getitem__(self, index):
        sample = PoseDataSample(metainfo={"action": "Walk" if index % 2 else "Sit"})
        joints = self.poses[index][None]
        sample.gt_instances = InstanceData(lifting_target=joints + 4.0)
        return {"inputs": joints[0, :, :2].reshape(-1), "data_samples": sample}


class LinearLifter(BaseModel):
    """One layer from 2D to 3D; draws from the global generator in every training step."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(34, 51)
        self.seen_noise = []

    def forward(self, inputs, data_samples, mode):
        pred = self.layer(torch.stack(list(inputs))).reshape(-1, 17, 3)
        if mode == "predict":
            for sample, joints in zip(data_samples, pred, strict=True):
                sample.pred_instances = InstanceData(keypoints=joints[None])
            return data_samples
        gt = torch.cat([sample.gt_instances.lifting_target for sample in data_samples]) - 4.0
        noise = torch.rand(())
        self.seen_noise.append(float(noise))
        return {"loss": (pred - gt).square().mean() + 0 * noise}


class StopHook(Hook):
    """Breaks training off, as a kill signal would."""

    def before_train_epoch(self, runner):
        if runner.epoch == 2:
            raise KeyboardInterrupt


class RunnerFactory:
    """Makes runners below one folder; a class, so that it can be sent to another process."""

    def __init__(self, root, train, val, test, reference):
        self.root = root
        self.poses = {"train": train, "val": val, "test": test}
        np.savez(root / "reference.npz", S=reference)

    def loader(self, split):
        return {
            "batch_size": 16,
            "num_workers": 0,
            "dataset": PosesAsData(self.poses[split]),
            "sampler": {"type": "DefaultSampler", "shuffle": False},
            "collate_fn": {"type": "pseudo_collate"},
        }

    def __call__(self, work_dir, table=True, epochs=3, hooks=(), table_args=(), **changes):
        metric = {
            "type": "part_synth.PoseMetric",
            "reference_poses": str(self.root / "reference.npz"),
        }
        if table:
            hooks = [*hooks, {"type": "part_synth.ResultsTableHook", **dict(table_args)}]
        best = {"type": "CheckpointHook", "save_best": "p_mpjpe_mm", "rule": "less", "interval": 1}
        settings = {
            "model": LinearLifter(),
            "work_dir": str(self.root / work_dir),
            **{f"{split}_dataloader": self.loader(split) for split in self.poses},
            "train_cfg": {"by_epoch": True, "max_epochs": epochs, "val_interval": 1},
            "val_cfg": {},
            "test_cfg": {},
            "val_evaluator": metric,
            "test_evaluator": metric,
            "optim_wrapper": {"optimizer": {"type": "Adam", "lr": 0.01}},
            "default_hooks": {"checkpoint": changes.pop("checkpoint", best)},
            "custom_hooks": list(hooks),
            "default_scope": "mmpose",
            "randomness": {"seed": 0},
            # mmengine refuses two runners of one name.
            "experiment_name": f"toy_{work_dir}_{next(RUN_NUMBERS)}",
            "log_level": "WARNING",
            "cfg": Config({"load_from": None}),
        }
        return Runner(**{**settings, **changes})


@pytest.fixture
def make_runner(tmp_path, poses):
    return RunnerFactory(tmp_path, poses(48, 0), poses(48, 1), poses(48, 2), poses(40, 3))


def read(path):
    return json.loads(path.read_text())


def test_table_and_files_of_a_run(make_runner, tmp_path, capsys):
    (tmp_path / "twin.json").write_text('{"p_mpjpe_mm": 12.5, "note": "labels"}')
    compare = [
        {"name": "with labels", "path": str(tmp_path / "twin.json")},
        {"name": "missing", "path": str(tmp_path / "none.json")},
    ]
    runner = make_runner("run", table_args={"compare": compare, "name": "ours"})
    runner.train()
    results = read(tmp_path / "run" / "results.json")
    assert results["p_mpjpe_mm"] < 0.8 * results["untrained/p_mpjpe_mm"]
    assert results["baseline_mean_pose_p_mpjpe_mm"] > 0 and "p_mpjpe_mm/Walk" in results
    assert all(isinstance(value, float) for value in results.values())

    printed = capsys.readouterr().out
    page = (tmp_path / "run" / "results.md").read_text()
    for text in (printed, page):
        rows = [line for line in text.splitlines() if line.startswith(("|", "│"))]
        names = ["mean pose (canonical)", "random training pose", "untrained network",
                 "with labels", "ours"]  # fmt: skip
        assert all(any(name in row for row in rows) for name in names)
        assert "missing" not in "".join(rows)
        assert f"{results['p_mpjpe_mm']:.1f}" in text and "12.5" in text
    assert "best_p_mpjpe_mm_epoch_3.pth" in page

    # The reported numbers are those of the checkpoint, measured again by hand.
    again = make_runner("again", table=False, load_from=str(next((tmp_path / "run").glob("best*"))))
    metrics = again.test()
    assert metrics["p_mpjpe_mm"] == pytest.approx(results["p_mpjpe_mm"], abs=1e-4)


def test_best_is_reported_and_not_the_last(make_runner, tmp_path):
    class Spoil(Hook):
        def before_train_epoch(self, runner):
            if runner.epoch == 2:
                with torch.no_grad():
                    runner.model.layer.weight.normal_()

    runner = make_runner("spoilt", hooks=[Spoil()])
    runner.train()
    assert [p.name for p in (tmp_path / "spoilt").glob("best*")] == ["best_p_mpjpe_mm_epoch_2.pth"]
    page = (tmp_path / "spoilt" / "results.md").read_text()
    assert "best_p_mpjpe_mm_epoch_2.pth" in page and "this model (best on validation)" in page
    results = read(tmp_path / "spoilt" / "results.json")
    assert results["p_mpjpe_mm"] < results["untrained/p_mpjpe_mm"]


@pytest.mark.parametrize("loads", [False, True])
def test_a_network_that_loads_weights_is_not_called_untrained(make_runner, tmp_path, loads):
    start = {"type": "Pretrained", "checkpoint": "part_synth://lifter"} if loads else None
    cfg = Config({"load_from": None, "model": {"parts": [{"type": "A", "init_cfg": start}]}})
    make_runner("start", epochs=1, cfg=cfg).train()
    page = (tmp_path / "start" / "results.md").read_text()
    assert ("before training" in page, "untrained network" in page) == (loads, not loads)


def test_last_checkpoint_without_a_best_one(make_runner, tmp_path):
    make_runner("last", epochs=2, checkpoint={"type": "CheckpointHook", "interval": 1}).train()
    page = (tmp_path / "last" / "results.md").read_text()
    assert "epoch_2.pth" in page and "this model (last checkpoint)" in page


def test_without_validation_nothing_is_called_the_best(make_runner, tmp_path):
    """As --no-validate runs it: a checkpoint hook that watches a metric, and no validation."""
    no_validation = {"val_dataloader": None, "val_cfg": None, "val_evaluator": None}
    make_runner("blind", epochs=2, **no_validation).train()
    page = (tmp_path / "blind" / "results.md").read_text()
    assert "this model (last checkpoint)" in page and "best" not in page
    make_runner("lost", epochs=1, checkpoint=None, **no_validation).train()
    page = (tmp_path / "lost" / "results.md").read_text()
    assert "this model (last weights)" in page and "after the last iteration" in page


def test_training_is_the_same_with_and_without_the_table(make_runner):
    runs = []
    for table in (True, False):
        runner = make_runner(f"same_{table}", table=table)
        state = runner.model.state_dict()
        generator = torch.Generator().manual_seed(1)
        for value in state.values():
            value.copy_(0.1 * torch.randn(value.shape, generator=generator))
        torch.manual_seed(5)
        runner.train()
        runs.append(runner.model.seen_noise)
    assert runs[0] == runs[1] and len(runs[0]) == 9


def test_untrained_row_survives_resume(make_runner, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        make_runner("killed", epochs=4, hooks=[StopHook()]).train()
    before = read(tmp_path / "killed" / "untrained_metrics.json")
    assert not (tmp_path / "killed" / "results.json").exists()
    make_runner("killed", epochs=4, resume=True).train()
    results = read(tmp_path / "killed" / "results.json")
    for key, value in before.items():
        assert results[f"untrained/{key}"] == value
    assert results["untrained/p_mpjpe_mm"] > results["p_mpjpe_mm"]


def test_untrained_run_sees_the_initial_weights_under_ema(make_runner, tmp_path):
    class InitialisedLate(LinearLifter):
        def init_weights(self):
            nn.init.zeros_(self.layer.weight)
            nn.init.constant_(self.layer.bias, 0.125)

    ema = {"type": "EMAHook", "momentum": 0.3}
    make_runner("ema", model=InitialisedLate(), hooks=[ema]).train()
    results = read(tmp_path / "ema" / "results.json")
    metric = PoseMetric(baselines=False)
    # The initial weights predict one point: the error of all joints at the root.
    dataset = make_runner("x", table=False).test_dataloader.dataset
    gt = dataset.poses.numpy()
    metric.process(None, [{"pred_instances": {"keypoints": np.zeros_like(gt)},
                           "gt_instances": {"lifting_target": gt}}])  # fmt: skip
    expected = metric.evaluate(1)["mpjpe_mm"]
    assert results["untrained/mpjpe_mm"] == pytest.approx(expected, rel=1e-4)
    assert results["mpjpe_mm"] < 0.9 * expected


def test_plain_test_prints_no_table(make_runner, tmp_path):
    runner = make_runner("test_only")
    runner.test()
    assert not (tmp_path / "test_only" / "results.json").exists()


def test_messages(make_runner):
    with pytest.raises(ValueError, match="needs test_dataloader"):
        make_runner("no_test", test_dataloader=None, test_cfg=None, test_evaluator=None).train()
    for entry in ("results.json", {"name": "twin"}):
        with pytest.raises(ValueError, match=r"dict\(name=\.\.\., path="):
            ResultsTableHook(compare=[entry])


def train_one_of_two(rank, init_file, make_runner):
    torch.set_num_threads(1)
    # Started by hand, for mmengine's launcher asks for a GPU even with gloo.
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{init_file}", rank=rank, world_size=2
    )
    os.environ["LOCAL_RANK"] = str(rank)
    wrapper = {"type": "MMDistributedDataParallel", "device_ids": None}
    cfg = Config({"load_from": None, "model_wrapper_cfg": wrapper})
    make_runner("two", launcher="pytorch", cfg=cfg, experiment_name="two").train()
    torch.distributed.destroy_process_group()


def test_two_processes_write_one_table(make_runner, tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    arguments = (str(tmp_path / "init"), make_runner)
    # A fork can't follow a process that has used a GPU, or the autograd threads of other tests.
    mp.start_processes(train_one_of_two, arguments, nprocs=2, start_method="spawn")
    results = read(tmp_path / "two" / "results.json")
    assert results["p_mpjpe_mm"] < results["untrained/p_mpjpe_mm"]
    assert capfd.readouterr().out.count("mean pose (canonical)") == 1
    best = str(next((tmp_path / "two").glob("best*")))
    alone = make_runner("alone", table=False, load_from=best).test()
    assert alone["p_mpjpe_mm"] == pytest.approx(results["p_mpjpe_mm"], abs=1e-4)
