"""The launch scripts with two processes on the CPU."""

import json
from datetime import timedelta

import pytest
from mmengine.config import Config
from part_synth.apis import ConfigError
from part_synth.apis.distributed import prepare_distributed
from tiny_runs import TINY_CONFIG, launch, losses, run

pytestmark = pytest.mark.timeout(300)


def test_two_processes_train_and_test(tmp_path, monkeypatch):
    work = tmp_path / "work"
    options = ["--cfg-options", "env_cfg.dist_cfg.backend=gloo", "train_cfg.max_epochs=2"]
    train = launch(tmp_path, "dist_train.sh", TINY_CONFIG, 2, "--work-dir", work, *options)
    assert train.returncode == 0, train.stderr
    # 8 samples in batches of 4 over two processes: one step an epoch, other data on each rank.
    ranks = [losses(work, rank) for rank in (0, 1)]
    assert [len(rank) for rank in ranks] == [2, 2]
    assert ranks[0] != ranks[1]
    weights = [(work / f"weights.{rank}.txt").read_text() for rank in (0, 1)]
    assert weights[0] == weights[1]
    validations = [
        json.loads(line)
        for line in next(work.glob("*/vis_data/scalars.json")).read_text().splitlines()
        if "p_mpjpe_mm" in line
    ]

    out = tmp_path / "metrics.json"
    checkpoint = work / "epoch_2.pth"
    test = launch(
        tmp_path, "dist_test.sh", TINY_CONFIG, checkpoint, 2, "--work-dir", work, "--out", out
    )
    assert test.returncode == 0, test.stderr
    shared = json.loads(out.read_text())["p_mpjpe_mm"]
    assert shared == pytest.approx(validations[1]["p_mpjpe_mm"], rel=1e-5)

    # One process reads the checkpoint that two have written.
    run("test", TINY_CONFIG, checkpoint, "--out", out, "--work-dir", work, monkeypatch=monkeypatch)
    assert json.loads(out.read_text())["p_mpjpe_mm"] == pytest.approx(shared, rel=1e-5)


@pytest.mark.parametrize("script", ["dist_train.sh", "dist_test.sh"])
def test_usage(script, tmp_path):
    result = launch(tmp_path, script)
    assert result.returncode == 2 and result.stderr.startswith("usage: ")


def prepared(monkeypatch, cuda=0, launcher="pytorch", **cfg):
    """A config after prepare_distributed, on a machine with that many GPUs."""
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr("torch.cuda.is_available", lambda: cuda > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: cuda)
    groups = []
    monkeypatch.setattr("torch.distributed.init_process_group", lambda **kw: groups.append(kw))
    cfg = Config({"launcher": launcher, **cfg})
    prepare_distributed(cfg)
    return cfg, groups


def test_wrapper_is_chosen_by_the_number_of_optimisers(monkeypatch):
    one = {"optim_wrapper": {"optimizer": {"type": "SGD"}}, "find_unused_parameters": True}
    cfg, groups = prepared(monkeypatch, **one, env_cfg={"dist_cfg": {"timeout": 60}})
    assert cfg.model_wrapper_cfg.type == "MMDistributedDataParallel"
    assert cfg.model_wrapper_cfg.find_unused_parameters
    assert cfg.model_wrapper_cfg.device_ids is None
    assert groups == [{"backend": "gloo", "timeout": timedelta(seconds=60)}]

    several = {"optim_wrapper": {"encoder": {"optimizer": {"type": "SGD"}}}}
    cfg, groups = prepared(monkeypatch, cuda=2, **several)
    wrapper = cfg.model_wrapper_cfg
    assert wrapper.type == "part_synth.engine.MultiOptimDistributedDataParallel"
    # With GPUs, mmengine opens the process group and chooses the devices.
    assert "device_ids" not in wrapper and not groups


def test_nothing_happens_without_a_launcher(monkeypatch):
    cfg, groups = prepared(monkeypatch, launcher="none")
    assert dict(cfg) == {"launcher": "none"} and not groups


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cuda": 1}, "Process 1 has no GPU: this machine has 1"),
        ({"launcher": "slurm"}, "--launcher slurm needs a GPU"),
        (
            {"model_wrapper_cfg": {"type": "MMSeparateDistributedDataParallel"}},
            "can't load the checkpoints of a MMSeparateDistributedDataParallel",
        ),
    ],
)
def test_what_can_not_run_is_refused(monkeypatch, settings, words):
    with pytest.raises(ConfigError, match=words):
        prepared(monkeypatch, **settings)
