"""Several processes, also without a GPU."""

import datetime
import os

import torch
from mmengine.config import Config
from mmengine.dist import barrier, is_distributed

from .errors import ConfigError

# Wrappers that take the arguments of torch's DistributedDataParallel.
_DDP_WRAPPERS = ("MMDistributedDataParallel", "MMSeparateDistributedDataParallel")


def prepare_distributed(cfg: Config) -> None:
    """Make a config that names a launcher runnable on this machine.

    With CUDA mmengine does everything. Without it, its launcher would choose a CUDA device, and its
    model wrappers would be given a device number that a model on the CPU may not have: here the
    process group is opened on gloo beforehand, and the wrapper is told so.

    Args:
        cfg (Config): Changed in place; nothing happens with ``launcher='none'``.

    Raises:
        ConfigError: More processes than GPUs, or slurm / mpi without a GPU, or the launcher's
            environment variables are missing.
    """
    if cfg.launcher == "none":
        return
    if cfg.launcher == "pytorch" and "RANK" not in os.environ:
        raise ConfigError(
            "--launcher pytorch expects the environment of torch.distributed.run: start the tool "
            "with tools/dist_train.sh or tools/dist_test.sh."
        )
    if torch.cuda.is_available():
        local_rank, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if cfg.launcher == "pytorch" and local_rank >= gpus:
            raise ConfigError(
                f"Process {local_rank} has no GPU: this machine has {gpus}. Start at most {gpus} "
                "processes."
            )
        return
    if cfg.launcher != "pytorch":
        raise ConfigError(
            f"--launcher {cfg.launcher} needs a GPU; on the CPU use --launcher pytorch."
        )
    wrapper = dict(cfg.get("model_wrapper_cfg") or {})
    wrapper.setdefault("type", _DDP_WRAPPERS[0])
    if wrapper["type"] in _DDP_WRAPPERS:
        wrapper.setdefault("broadcast_buffers", False)
        wrapper.setdefault("find_unused_parameters", cfg.get("find_unused_parameters", False))
        wrapper["device_ids"] = None
    cfg.model_wrapper_cfg = wrapper
    if not is_distributed():
        settings = cfg.get("env_cfg", {}).get("dist_cfg", {})
        timeout = settings.get("timeout")
        torch.distributed.init_process_group(
            backend="gloo",
            timeout=None if timeout is None else datetime.timedelta(seconds=timeout),
        )


def close_distributed() -> None:
    """Leave the process group, if there is one, when all processes have come so far."""
    if is_distributed():
        # A process that leaves early can abort one that is still talking (gloo).
        barrier()
        torch.distributed.destroy_process_group()
