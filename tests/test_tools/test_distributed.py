"""The launch scripts with two processes on the CPU."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_runs import ROOT, SUPPORT, TINY_CONFIG, losses

pytestmark = pytest.mark.timeout(300)


def launch(script, *arguments):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(SUPPORT),
        "PORT": str(port),
        "OMP_NUM_THREADS": "1",
        # Also where there are GPUs: two processes on the CPU.
        "CUDA_VISIBLE_DEVICES": "",
    }
    command = [shutil.which("bash"), str(ROOT / "tools" / script), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)


def test_two_processes_train_and_test(tmp_path):
    work = tmp_path / "work"
    options = ["--cfg-options", "env_cfg.dist_cfg.backend=gloo", "train_cfg.max_epochs=2"]
    train = launch("dist_train.sh", TINY_CONFIG, 2, "--work-dir", work, *options)
    assert train.returncode == 0, train.stderr
    # 8 samples in batches of 4 over two processes: one step an epoch, other data on each rank.
    ranks = [losses(work, rank) for rank in (0, 1)]
    assert [len(rank) for rank in ranks] == [2, 2]
    assert ranks[0] != ranks[1]

    out = tmp_path / "metrics.json"
    flags = ["--work-dir", work, "--out", out]
    test = launch("dist_test.sh", TINY_CONFIG, work / "epoch_2.pth", 2, *flags)
    assert test.returncode == 0, test.stderr
    metrics = json.loads(out.read_text())
    best = json.loads(next(work.glob("*/vis_data/scalars.json")).read_text().splitlines()[-1])
    # The last validation of the training, by the same two processes.
    assert metrics["p_mpjpe_mm"] == pytest.approx(best["p_mpjpe_mm"], rel=1e-5)


@pytest.mark.parametrize("script", ["dist_train.sh", "dist_test.sh"])
def test_usage(script):
    result = launch(script)
    assert result.returncode == 2 and result.stderr.startswith("usage: ")
