"""Random numbers as a function of the epoch, so that a resumed run equals an unbroken one."""

import random

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook

from part_synth.registry import HOOKS


def epoch_seed(seed: int, epoch: int, iteration: int, rank: int, stage: int) -> int:
    """Mix counters into one well spread 32-bit seed.

    Args:
        seed (int): Seed of the run, at least 0.
        epoch (int): Epochs finished so far.
        iteration (int): Iterations finished so far. Tells apart the pieces of an iteration-based
            run, whose epoch stays 0.
        rank (int): Rank of the process; every rank draws other numbers.
        stage (int): 0 before the data loader starts, 1 before the first step.

    Returns:
        int: A seed in [0, 2**32).
    """
    key = [seed, epoch, iteration, rank, stage]
    return int(np.random.SeedSequence(key).generate_state(1)[0])


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seed Python, NumPy and torch at the beginning of every training epoch.

    A checkpoint of mmengine holds no random state, and a validation between two epochs draws
    random numbers too. Seeding by (seed of the run, epoch, iteration, rank) makes an epoch depend
    on its number and on the checkpoint alone: ``--resume auto`` continues to the losses of an
    unbroken run. The order of the data is the sampler's part, see ``EpochSeededSampler``.

    It seeds twice: before the data loader starts, for datasets that draw in this process, and
    before the first step, since a loader draws a number when it starts its workers, which with
    ``persistent_workers`` a resumed run does in another epoch than an unbroken one.
    """

    # Before the hooks and the data loader's workers that draw numbers at the start of an epoch.
    priority = "VERY_HIGH"

    def __init__(self) -> None:
        self._first_step_pending = False

    def before_train_epoch(self, runner) -> None:
        """Seed before the data loader starts.

        Args:
            runner (Runner): The runner of the training process.
        """
        self._seed(runner, stage=0)
        self._first_step_pending = True

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Seed before the first step of the epoch.

        Args:
            runner (Runner): The runner of the training process.
            batch_idx (int): Not used: in a run by iterations it does not start at 0.
            data_batch (dict, optional): Not used.
        """
        if self._first_step_pending:
            self._seed(runner, stage=1)
            self._first_step_pending = False

    def _seed(self, runner, stage: int) -> None:
        seed = epoch_seed(runner.seed, runner.epoch, runner.iter, get_rank(), stage)
        random.seed(seed)
        np.random.seed(seed)
        # Covers every device.
        torch.manual_seed(seed)
