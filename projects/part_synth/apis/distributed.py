"""Several processes, also without a GPU."""

import datetime
import os

import torch
from mmengine.config import Config
from mmengine.dist import barrier, is_distributed

from .errors import ConfigError

_ONE_OPTIMISER = "MMDistributedDataParallel"
_SEPARATE = "MMSeparateDistributedDataParallel"
_SEVERAL_OPTIMISERS = "part_synth.engine.MultiOptimDistributedDataParallel"


def prepare_distributed(cfg: Config) -> None:
    """Make a config that names a launcher runnable on this machine.

    A config with several optimisers gets the model wrapper for them. Without a GPU, mmengine's
    launcher would choose a CUDA device, and its wrappers would be given a device number that a
    model on the CPU may not have: then the process group is opened on gloo here, and the wrapper is
    told so.

    Args:
        cfg (Config): Changed in place; nothing happens with ``launcher='none'``.

    Raises:
        ConfigError: More processes than GPUs; slurm or mpi without a GPU; the environment of
            torch's launcher is missing; a wrapper whose checkpoints can't be loaded.
    """
    if cfg.launcher == "none":
        return
    if cfg.launcher == "pytorch" and "RANK" not in os.environ:
        raise ConfigError(
            "--launcher pytorch expects the environment of torch.distributed.run: start the tool "
            "with tools/dist_train.sh or tools/dist_test.sh."
        )
    _set_wrapper(cfg)
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
    cfg.model_wrapper_cfg.device_ids = None
    if not is_distributed():
        timeout = cfg.get("env_cfg", {}).get("dist_cfg", {}).get("timeout")
        torch.distributed.init_process_group(
            backend="gloo",
            timeout=None if timeout is None else datetime.timedelta(seconds=timeout),
        )


def _set_wrapper(cfg: Config) -> None:
    wrapper = dict(cfg.get("model_wrapper_cfg") or {})
    if wrapper.get("type") == _SEPARATE:
        raise ConfigError(
            f"mmengine can't load the checkpoints of a {_SEPARATE}: leave model_wrapper_cfg out of "
            f"the config, or set its type to '{_SEVERAL_OPTIMISERS}'."
        )
    if "optimizer" in (cfg.get("optim_wrapper") or {"optimizer": None}):
        wrapper.setdefault("type", _ONE_OPTIMISER)
        wrapper.setdefault("broadcast_buffers", False)
        wrapper.setdefault("find_unused_parameters", cfg.get("find_unused_parameters", False))
    else:
        wrapper.setdefault("type", _SEVERAL_OPTIMISERS)
    cfg.model_wrapper_cfg = wrapper


def close_distributed() -> None:
    """Leave the process group, if there is one, when all processes have come so far."""
    if is_distributed():
        # A process that leaves early can abort one that is still talking (gloo).
        barrier()
        torch.distributed.destroy_process_group()
