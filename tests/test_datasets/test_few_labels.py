import itertools

import numpy as np
import pytest
from part_synth.datasets.few_labels import choose_labelled

# Three people of very different size, their instants mixed.
PEOPLE = np.random.default_rng(0).permutation(np.repeat(["S1", "S5", "S6"], [100, 200, 700]))


def test_everything_is_labelled_by_default():
    assert choose_labelled(PEOPLE).all()


@pytest.mark.parametrize("subjects", ["S5", ["S5"], ("S5", "S1"), ["S1", "S1"]])
def test_labels_of_some_people(subjects):
    wanted = [subjects] if isinstance(subjects, str) else subjects
    slow = [person in wanted for person in PEOPLE]
    assert choose_labelled(PEOPLE, subjects).tolist() == slow


@pytest.mark.parametrize("subjects", [None, ["S1", "S6"]])
@pytest.mark.parametrize("fraction", [0.01, 0.05, 0.1, 0.37, 0.5, 1.0])
def test_a_share_of_the_frames_is_the_same_share_of_every_person(subjects, fraction):
    chosen = choose_labelled(PEOPLE, subjects, fraction, seed=3)
    people = ["S1", "S5", "S6"] if subjects is None else subjects
    sizes = {person: int((person == PEOPLE).sum()) for person in people}
    assert chosen.sum() == round(fraction * sum(sizes.values()))
    for person, size in sizes.items():
        assert abs(chosen[person == PEOPLE].sum() - fraction * size) <= 1
    assert not chosen[~np.isin(PEOPLE, people)].any()


@pytest.mark.parametrize("seed", range(5))
def test_more_labels_include_fewer_labels(seed):
    steps = [choose_labelled(PEOPLE, None, f, seed) for f in (0, 0.01, 0.05, 0.1, 0.5, 1)]
    for fewer, more in itertools.pairwise(steps):
        assert more[fewer].all()
        assert more.sum() > fewer.sum()


def test_the_choice_depends_on_the_seed_alone():
    first, again, other = (choose_labelled(PEOPLE, None, 0.1, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    # Two draws of a tenth share about a hundredth.
    assert 0 < (first & other).sum() < 40


def test_the_choice_is_spread_over_a_clip():
    one = np.repeat("S1", 1000)
    places = np.flatnonzero(choose_labelled(one, None, 0.1, seed=0))
    counts = np.bincount(places // 250, minlength=4)
    assert counts.min() > 10


def test_ends_of_the_ladder():
    assert not choose_labelled(PEOPLE, None, 0.0).any()
    assert choose_labelled(PEOPLE, ["S1"], 1e-6).sum() == 1
    assert choose_labelled(np.array(["S1"]), None, 0.01).tolist() == [True]
    assert not choose_labelled(PEOPLE, []).any()


@pytest.mark.parametrize("fraction", [-0.1, 1.1, 5, float("nan")])
def test_shares_out_of_range(fraction):
    with pytest.raises(ValueError, match=r"fraction.*\[0, 1\], got"):
        choose_labelled(PEOPLE, None, fraction)


def test_people_who_are_not_there():
    with pytest.raises(ValueError, match=r"No person named S7, S8.*S1, S5, S6.*labelled.subjects"):
        choose_labelled(PEOPLE, ["S8", "S1", "S7"])


def test_only_instants_that_have_labels_are_drawn():
    available = np.arange(len(PEOPLE)) % 3 == 0
    for fraction in (0.1, 0.5, 1.0):
        chosen = choose_labelled(PEOPLE, ["S1", "S6"], fraction, seed=2, available=available)
        pool = available & np.isin(PEOPLE, ["S1", "S6"])
        assert not chosen[~pool].any()
        assert chosen.sum() == round(fraction * pool.sum())
    nothing = np.zeros(len(PEOPLE), dtype=bool)
    assert not choose_labelled(PEOPLE, None, 0.5, available=nothing).any()
    everything = choose_labelled(PEOPLE, None, 0.1, seed=1, available=~nothing)
    assert (everything == choose_labelled(PEOPLE, None, 0.1, seed=1)).all()


@pytest.mark.parametrize("wrong", [1, 2.5, True])
def test_people_that_are_no_names(wrong):
    with pytest.raises(ValueError, match=r"`labelled.subjects` must be a list of .*names"):
        choose_labelled(PEOPLE, wrong)
