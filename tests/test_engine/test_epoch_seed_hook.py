import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from part_synth.engine import EpochSeedHook
from part_synth.engine.epoch_seed_hook import epoch_seed


def draws():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def draws_of_epoch(seed, epoch):
    EpochSeedHook().before_train_epoch(SimpleNamespace(seed=seed, epoch=epoch, iter=10 * epoch))
    return draws()


def test_numbers_of_an_epoch_do_not_depend_on_what_came_before():
    first = draws_of_epoch(0, 3)
    draws()
    assert draws_of_epoch(0, 3) == first


@pytest.mark.parametrize("other", [(0, 4), (1, 3)])
def test_other_epochs_and_seeds_have_other_numbers(other):
    assert not set(draws_of_epoch(0, 3)) & set(draws_of_epoch(*other))


def test_every_counter_counts():
    keys = [tuple(int(i == j) for j in range(5)) for i in range(6)]
    assert len({epoch_seed(*key) for key in keys}) == len(keys)


def test_numbers_of_the_first_step_do_not_depend_on_how_the_loader_started():
    runner, hook = SimpleNamespace(seed=0, epoch=1, iter=5), EpochSeedHook()
    found = []
    for drawn_by_the_loader in (0, 1):
        hook.before_train_epoch(runner)
        torch.rand(drawn_by_the_loader)
        hook.before_train_iter(runner, 5)
        found.append(draws())
    assert found[0] == found[1]
    # Only the first step is seeded: the second must not draw the same numbers.
    hook.before_train_iter(runner, 6)
    assert draws() != found[0]
