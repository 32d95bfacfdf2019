import numpy as np
import pytest
import torch
from mmpose.structures import PoseDataSample
from part_synth.datasets import MixtureDataset, MixtureSampler, collate


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


def batches(sampler, epoch=0):
    sampler.set_epoch(epoch)
    return np.array(list(sampler)).reshape(sampler.batches, sampler.batch_size)


def test_every_batch_has_so_many_of_each_source():
    data = mixture()
    sampler = MixtureSampler(data, {"room": 3, "street": 2}, batches=4, seed=1)
    for rows in batches(sampler):
        sources = [data[i]["data_samples"].metainfo["source"] for i in rows]
        assert sources == ["room"] * 3 + ["street"] * 2
    assert len(sampler) == 20


def test_every_source_is_gone_through_before_it_repeats():
    data = mixture()
    sampler = MixtureSampler(data, {"room": 5, "street": 1}, batches=6, seed=1)
    numbers = [int(data[i]["inputs"]["image"][0, 0, 0, 0]) for i in batches(sampler).ravel()]
    room, street = [n for n in numbers if n < 100], [n for n in numbers if n >= 100]
    for part in np.split(np.array(room), 3):
        assert sorted(part) == list(range(10))
    for part in np.split(np.array(street), 2):
        assert sorted(part) == [100, 101, 102]


def test_epochs_differ_and_repeat_themselves():
    sampler = MixtureSampler(mixture(), {"room": 3, "street": 2}, batches=4, seed=1)
    first, second = batches(sampler, 0), batches(sampler, 1)
    assert not np.array_equal(first % 20, second % 20)
    assert np.array_equal(batches(sampler, 0), first)


def test_frames_of_unknown_background_are_their_own():
    data = mixture()
    sampler = MixtureSampler(data, {"room": 1, "street": 1}, batches=1, seed=0)
    inputs = collate([data[i] for i in batches(sampler)[0]])["inputs"]
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
    "counts", [{"room": 3}, {"room": 3, "street": 0}, {"room": 3, "street": 1, "moon": 1}]
)
def test_counts_must_name_every_source(counts):
    with pytest.raises(ValueError, match="each of the sources room, street"):
        MixtureSampler(mixture(), counts, batches=2)
