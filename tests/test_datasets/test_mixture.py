import numpy as np
import pytest
import torch
from mmpose.structures import PoseDataSample
from part_synth.datasets import (
    EpochSeededSampler,
    MixtureBatchSampler,
    MixtureDataset,
    collate,
)


class Numbers(torch.utils.data.Dataset):
    """Samples that tell their number."""

    def __init__(self, count, offset=0, background=True):
        self.count, self.offset, self.background = count, offset, background
        self.metainfo = {"offset": offset}

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        index = index % self.count
        image = torch.full((1, 3, 2, 2), self.offset + index)
        inputs = {"image": image}
        if self.background:
            inputs["background"] = image + 1
        return {"inputs": inputs, "data_samples": PoseDataSample()}


def mixture():
    return MixtureDataset({"room": Numbers(10), "street": Numbers(3, 100, background=False)})


def draw(data, epoch=0, batches=4, **counts):
    """(batches, batch size) indices of an epoch."""
    size = sum(counts.values())
    sampler = EpochSeededSampler(data, seed=1, samples_per_epoch=batches * size)
    sampler.set_epoch(epoch)
    drawn = MixtureBatchSampler(sampler, size, counts)
    assert len(drawn) == batches
    return np.array(list(drawn))


def test_every_batch_has_so_many_of_each_source():
    data = mixture()
    for rows in draw(data, room=3, street=2):
        sources = [data[i]["data_samples"].metainfo["source"] for i in rows]
        assert sources == ["room"] * 3 + ["street"] * 2


def test_every_source_is_gone_through_before_it_repeats():
    data = mixture()
    drawn = draw(data, batches=6, room=5, street=1).ravel()
    numbers = [int(data[i]["inputs"]["image"][0, 0, 0, 0]) for i in drawn]
    room, street = [n for n in numbers if n < 100], [n for n in numbers if n >= 100]
    for part in np.split(np.array(room), 3):
        assert sorted(part) == list(range(10))
    for part in np.split(np.array(street), 2):
        assert sorted(part) == [100, 101, 102]


def test_epochs_differ_and_repeat_themselves():
    data = mixture()
    first, second = (draw(data, epoch, room=3, street=2) for epoch in (0, 1))
    assert not np.array_equal(first % 20, second % 20)
    assert np.array_equal(draw(data, 0, room=3, street=2), first)


def test_a_loader_takes_it():
    data = mixture()
    sampler = EpochSeededSampler(data, seed=1, samples_per_epoch=15)
    shares = MixtureBatchSampler(sampler, 3, {"room": 2, "street": 1})
    loader = torch.utils.data.DataLoader(data, batch_sampler=shares, collate_fn=collate)
    taken = list(loader)
    assert len(taken) == len(loader) == 5
    for batch in taken:
        names = [sample.metainfo["source"] for sample in batch["data_samples"]]
        assert names == ["room", "room", "street"]


def test_frames_of_unknown_background_are_their_own():
    data = mixture()
    inputs = collate([data[i] for i in draw(data, batches=1, room=1, street=1)[0]])["inputs"]
    difference = (inputs["background"] - inputs["image"]).flatten(1)
    assert difference[0].eq(1).all()
    assert difference[1].eq(0).all()


def test_length_and_metainfo():
    data = mixture()
    assert len(data) == 13
    assert data.metainfo == {"offset": 0}


@pytest.mark.parametrize("datasets", [{}, [Numbers(3)], None])
def test_mixture_of_nothing(datasets):
    with pytest.raises(ValueError, match="must be a dict of data sets by name"):
        MixtureDataset(datasets)


@pytest.mark.parametrize(
    ("counts", "batch_size"),
    [
        ({"room": 3}, 3),
        ({"room": 3, "street": 0}, 3),
        ({"room": 3, "street": 1, "moon": 1}, 5),
        ({"room": 3, "street": 1}, 5),
    ],
)
def test_counts_must_name_every_source_and_add_up(counts, batch_size):
    sampler = EpochSeededSampler(mixture(), seed=0)
    with pytest.raises(ValueError, match=r"each of the sources room, street, \d \(the batch_size"):
        MixtureBatchSampler(sampler, batch_size, counts)


def test_only_mixtures_are_shared_out():
    with pytest.raises(ValueError, match=r"needs sampler=dict\(type='part_synth.EpochSeededS"):
        MixtureBatchSampler(EpochSeededSampler(Numbers(3), seed=0), 1, {"room": 1})
