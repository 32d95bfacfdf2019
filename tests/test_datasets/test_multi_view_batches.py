from itertools import combinations

import numpy as np
import pytest
import torch
from data_factory import make_tiny_h36m
from mmengine.dataset import DefaultSampler
from mmengine.hooks import DistSamplerSeedHook
from mmpose.registry import DATA_SAMPLERS
from part_synth.datasets import (
    EpochSeededSampler,
    MultiViewBatchSampler,
    MultiViewDataset,
    PoseFrameDataset,
    collate,
)
from torch.utils.data import DataLoader, RandomSampler

FPS = 10


class Instants:
    """What the sampler sees of a data set: clips of so many instants, ten a second."""

    def __init__(self, clips, labelled=0.3):
        rows = [(s, c, t / FPS) for (s, c), count in clips.items() for t in range(count)]
        # A data set may have any order.
        rows = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
        rng = np.random.default_rng(1)
        self.instants = {
            "subject": np.array([row[0] for row in rows]),
            "clip": np.array([row[1] for row in rows]),
            "time": np.array([row[2] for row in rows]),
            "labelled": rng.random(len(rows)) < labelled,
        }

    def __len__(self):
        return len(self.instants["time"])


# Clips of one name belong to several people; one person has too little for a group.
CLIPS = {
    ("S1", "walk"): 40,
    ("S1", "sit"): 25,
    ("S5", "walk"): 30,
    ("S6", "walk"): 12,
    ("S6", "wave"): 60,
    ("S7", "walk"): 3,
}


def sampler(data, rank=0, world_size=1, monkeypatch=None, seed=4, **options):
    if monkeypatch is not None:
        info = (rank, world_size)
        monkeypatch.setattr("part_synth.datasets.sampler.get_dist_info", lambda: info)
    names = ("samples_per_epoch", "round_up")
    inner = {name: options.pop(name) for name in names if name in options}
    options = {"batch_size": 16, "groups": 2, "labelled": 4, **options}
    return MultiViewBatchSampler(EpochSeededSampler(data, seed=seed, **inner), **options)


def batches(one, epochs):
    """All batches of some epochs as places in the data set."""
    count = len(one.sampler.dataset)
    for epoch in epochs:
        one.sampler.set_epoch(epoch)
        listed = list(one)
        assert len(listed) == len(one)
        for batch in listed:
            assert {j // count for j in batch} == {epoch}
            yield [j % count for j in batch]


def check(data, batch, groups, size, labelled, gap, scope):
    """The promises, by loops over pairs."""
    known = data.instants
    assert len(batch) == groups * size + labelled
    assert all(isinstance(i, int) for i in batch)
    owners = []
    for g in range(groups):
        group = batch[g * size : (g + 1) * size]
        assert len(set(group)) == size
        assert len({known["subject"][i] for i in group}) == 1
        owners.append(known["subject"][group[0]])
        if scope == "clip":
            assert len({known["clip"][i] for i in group}) == 1
            owners[-1] += "/" + known["clip"][group[0]]
        for i, j in combinations(group, 2):
            if known["clip"][i] == known["clip"][j]:
                assert abs(known["time"][i] - known["time"][j]) >= gap - 1e-6
    assert len(set(owners)) == groups
    tail = batch[groups * size :]
    assert known["labelled"][tail].all()
    if known["labelled"].sum() >= labelled:
        assert len(set(tail)) == labelled


@pytest.mark.parametrize(
    ("groups", "size", "labelled", "gap", "scope"),
    [
        (2, 6, 4, 0.3, "person"),
        (3, 2, 5, 0.3, "person"),
        (1, 12, 0, 0.5, "person"),
        (2, 3, 2, 0.9, "clip"),
        (4, 4, 0, 0.3, "clip"),
        (2, 6, 4, 0.0, "person"),
        (0, 0, 8, 0.3, "person"),
    ],
)
def test_promises_hold_in_every_batch(groups, size, labelled, gap, scope):
    data = Instants(CLIPS)
    one = sampler(
        data,
        batch_size=groups * size + labelled,
        groups=groups,
        labelled=labelled,
        min_gap=gap,
        scope=scope,
    )
    number = 0
    for batch in batches(one, range(30)):
        check(data, batch, groups, size, labelled, gap, scope)
        number += 1
    assert number >= 200


def test_a_tight_clip_is_still_filled():
    """Ten places with no slack: free draws hardly ever find them."""
    data = Instants({("S1", "a"): 37, ("S5", "a"): 40}, labelled=1.0)
    one = sampler(data, batch_size=10, groups=1, labelled=0, min_gap=0.4)
    for batch in batches(one, range(60)):
        check(data, batch, 1, 10, 0, 0.4, "person")


@pytest.mark.parametrize("gap", [0.0, 0.1, 0.3, 0.55, 2.0])
@pytest.mark.parametrize("scope", ["person", "clip"])
def test_groups_are_made_exactly_where_there_is_room(gap, scope):
    """The largest group that a clip or person allows, by brute force over subsets."""
    times = [0.0, 0.1, 0.4, 0.5, 0.7, 1.2]

    def fits(chosen):
        return all(b - a >= gap - 1e-9 for a, b in combinations(chosen, 2))

    most = max(n for n in range(1, 7) for part in combinations(times, n) if fits(part))
    data = Instants({("S1", "a"): 6, ("S1", "b"): 6}, labelled=0)
    for clip in "ab":
        rows = np.flatnonzero(data.instants["clip"] == clip)
        data.instants["time"][rows] = times
    room = most if scope == "clip" else 2 * most
    options = {"groups": 1, "labelled": 0, "min_gap": gap, "scope": scope}
    if room >= 2:
        one = sampler(data, batch_size=room, **options)
        for batch in batches(one, range(20)):
            check(data, batch, 1, room, 0, gap, scope)
    with pytest.raises(ValueError, match="have so many"):
        sampler(data, batch_size=room + 1, **options)


def test_every_instant_is_drawn_sometimes():
    data = Instants(CLIPS)
    one = sampler(data)
    in_groups, in_tail = set(), set()
    for batch in batches(one, range(150)):
        in_groups.update(batch[:12])
        in_tail.update(batch[12:])
    large = np.flatnonzero(data.instants["subject"] != "S7")
    assert in_groups == set(large.tolist())
    assert in_tail == set(np.flatnonzero(data.instants["labelled"]).tolist())


def test_labelled_instants_repeat_only_where_there_are_too_few():
    data = Instants(CLIPS, labelled=0)
    data.instants["labelled"][[3, 8]] = True
    for batch in batches(sampler(data), range(5)):
        assert set(batch[12:]) <= {3, 8}
    for batch in batches(sampler(data, batch_size=14, labelled=2), range(5)):
        assert set(batch[12:]) == {3, 8}


# ---- seeds, epochs, ranks -----------------------------------------------------------------------


def test_batches_depend_on_seed_and_epoch_alone():
    data = Instants(CLIPS)
    one = sampler(data)
    first = list(batches(one, range(4)))
    again = sampler(Instants(CLIPS))
    # Another object, epochs in another order.
    backwards = {epoch: list(batches(again, [epoch])) for epoch in (3, 1, 0, 2)}
    assert first == [batch for epoch in range(4) for batch in backwards[epoch]]
    assert len({tuple(batch) for batch in first}) == len(first)
    other = list(batches(sampler(data, seed=5), range(4)))
    assert not {tuple(batch) for batch in first} & {tuple(batch) for batch in other}


def test_ranks_share_the_batches_of_one_process(monkeypatch):
    data = Instants(CLIPS)
    alone = list(batches(sampler(data, samples_per_epoch=192), [2]))
    ranks = [
        list(batches(sampler(data, r, 3, monkeypatch, samples_per_epoch=192), [2]))
        for r in range(3)
    ]
    assert len(alone) == 12
    assert [len(part) for part in ranks] == [4, 4, 4]
    together = [part[n] for n in range(4) for part in ranks]
    assert together == alone
    assert len({tuple(batch) for batch in together}) == 12


@pytest.mark.parametrize("round_up", [True, False])
@pytest.mark.parametrize("size", [1, 16, 50, 97, 98, 99, 170])
def test_all_ranks_make_equally_many_steps(monkeypatch, size, round_up):
    options = {"samples_per_epoch": size, "round_up": round_up}
    data = Instants(CLIPS)
    counts = [len(sampler(data, rank, 3, monkeypatch, **options)) for rank in range(3)]
    assert len(set(counts)) == 1
    assert counts[0] == max(1, -(-size // 3) // 16)


def test_the_epoch_comes_from_the_hook_of_mmengine():
    data = Instants(CLIPS)
    one = sampler(data)
    loader = DataLoader(range(10**6), batch_sampler=one)

    class Loop:
        dataloader = loader

    class Runner:
        train_loop = Loop
        epoch = 7

    DistSamplerSeedHook().before_train_epoch(Runner)
    assert one.sampler.epoch == 7
    assert {j // len(data) for batch in one for j in batch} == {7}


# ---- with the data set --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("views")
    return make_tiny_h36m(folder, subjects=("S1", "S5"), frames=12, size=32)


def test_is_built_from_a_config_and_loaded(root):
    data = MultiViewDataset(root, split="train", crop={"size": 8}, labelled={"subjects": ["S1"]})
    config = {"type": "part_synth.MultiViewBatchSampler", "groups": 2, "labelled": 2}
    order = EpochSeededSampler(data, seed=0, samples_per_epoch=30)
    one = DATA_SAMPLERS.build(config, default_args={"sampler": order, "batch_size": 10})
    order.set_epoch(3)
    loaded = list(DataLoader(data, batch_sampler=one, collate_fn=collate))
    assert len(loaded) == 3
    for batch in loaded:
        assert batch["inputs"]["image"].shape == (10, 2, 3, 8, 8)
        meta = [sample.metainfo for sample in batch["data_samples"]]
        people = [m["subject"] for m in meta]
        assert {people[0], people[4]} == {"S1", "S5"}
        assert people[:4] == [people[0]] * 4
        assert people[4:8] == [people[4]] * 4
        assert people[8:] == ["S1"] * 2
        targets = [sample.gt_instances.lifting_target for sample in batch["data_samples"]]
        assert np.isfinite(targets[8:]).all()
    again = list(DataLoader(data, batch_sampler=one, collate_fn=collate, num_workers=1))
    for left, right in zip(loaded, again, strict=True):
        torch.testing.assert_close(left["inputs"], right["inputs"])


def test_groups_are_negatives_of_each_other_for_the_model(root):
    from part_synth.models.metric import negative_mask

    data = MultiViewDataset(root, split="train", crop={"size": 8})
    one = sampler(data, batch_size=12, groups=2, labelled=0, min_gap=0.3)
    known = data.instants
    for batch in batches(one, range(10)):
        mask = negative_mask(
            known["subject"][batch].tolist(),
            known["clip"][batch].tolist(),
            torch.as_tensor(known["time"][batch]).float(),
            0.3,
        )
        same = torch.arange(12)[:, None] // 6 == torch.arange(12) // 6
        assert torch.equal(mask, same & ~torch.eye(12, dtype=torch.bool))


def test_a_subset_of_the_data_set(root):
    data = MultiViewDataset(root, split="train", crop={"size": 8}, indices=20)
    one = sampler(data, batch_size=6, groups=1, labelled=2)
    for batch in batches(one, range(5)):
        check(data, batch, 1, 4, 2, 0.3, "person")


# ---- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 15}, r"11 instants of a batch of 15.*2 groups of at least 2"),
        ({"batch_size": 6}, r"2 instants of a batch of 6.*2 groups of at least 2"),
        ({"batch_size": 3}, r"batch of 3 instants can't be 4 labelled"),
        ({"batch_size": 4}, r"batch of 4 instants can't be 4 labelled ones and 2 groups"),
        ({"groups": 0}, r"batch of 16 instants can't be 4 labelled ones and 0 groups"),
        ({"groups": -1}, r"-1 groups"),
        ({"labelled": -2}, r"-2 labelled"),
        ({"scope": "batch"}, r"'person' or 'clip', got 'batch'"),
        ({"batch_size": 204}, r"2 groups of 100 instants.*0 of 4 people.*Lower `batch_size`"),
        ({"batch_size": 44, "scope": "clip"}, r"only 1 of 6 clips.*scope='person'"),
        ({"batch_size": 54, "groups": 5}, r"5 groups of 10 instants.*only 3 of 4 people"),
        ({"min_gap": 4.0}, r"at least 4.0 s apart.*min_gap"),
    ],
)
def test_sizes_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        sampler(Instants(CLIPS), **options)


def test_no_labels():
    data = Instants(CLIPS, labelled=0)
    with pytest.raises(ValueError, match=r"No instant.*4 labelled ones.*labelled\.fraction"):
        sampler(data)
    assert len(next(batches(sampler(data, batch_size=12, labelled=0), [0]))) == 12


@pytest.mark.parametrize("wrong", [RandomSampler, DefaultSampler])
def test_another_sampler(wrong):
    with pytest.raises(ValueError, match=rf"EpochSeededSampler'\), got {wrong.__name__}"):
        MultiViewBatchSampler(wrong(Instants(CLIPS)), batch_size=16)


def test_another_data_set(root):
    data = PoseFrameDataset(root, split="train", crop={"size": 8})
    with pytest.raises(ValueError, match=r"needs a part_synth\.MultiViewDataset, got PoseFrame"):
        sampler(data)
