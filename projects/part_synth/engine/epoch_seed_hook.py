"""Random numbers as a function of the epoch, so that a resumed run equals an unbroken one."""

import random

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook

from part_synth.registry import HOOKS


def epoch_seed(seed: int, epoch: int, iteration: int, rank: int) -> int:
    """Mix four counters into one well spread 32-bit seed.

    Args:
        seed (int): Seed of the run, at least 0.
        epoch (int): Epochs finished so far.
        iteration (int): Iterations finished so far. Tells apart the pieces of an iteration-based
            run, whose epoch stays 0.
        rank (int): Rank of the process; every rank draws other numbers.

    Returns:
        int: A seed in [0, 2**32).
    """
    return int(np.random.SeedSequence([seed, epoch, iteration, rank]).generate_state(1)[0])


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seed Python, NumPy and torch at the beginning of every training epoch.

    A checkpoint of mmengine holds no random state, and a validation between two epochs draws
    random numbers too. Seeding by (seed of the run, epoch, iteration, rank) makes an epoch depend
    on its number and on the checkpoint alone: ``--resume auto`` continues to the losses of an
    unbroken run. The order of the data is the sampler's part, see ``EpochSeededSampler``.
    """

    # Before the hooks and the data loader's workers that draw numbers at the start of an epoch.
    priority = "VERY_HIGH"

    def before_train_epoch(self, runner) -> None:
        """Seed all generators of this process; ``torch.manual_seed`` covers every device.

        Args:
            runner (Runner): The runner of the training process.
        """
        seed = epoch_seed(runner.seed, runner.epoch, runner.iter, get_rank())
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
