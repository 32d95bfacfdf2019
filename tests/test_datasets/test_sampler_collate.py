import numpy as np
import pytest
import torch
from mmengine.registry import FUNCTIONS
from mmpose.registry import DATA_SAMPLERS
from part_synth.datasets import EpochSeededSampler, PoseFrameDataset, VideoPairDataset, collate
from torch.utils.data import DataLoader

CROP = {"size": 12, "shift": 0.1, "scale": 0.1, "flip": 0.5}


def sampler(count, rank=0, world_size=1, monkeypatch=None, **options):
    if monkeypatch is not None:
        info = (rank, world_size)
        monkeypatch.setattr("part_synth.datasets.sampler.get_dist_info", lambda: info)
    return EpochSeededSampler(range(count), **{"seed": 4, **options})


def test_virtual_indices_name_the_epoch():
    one = sampler(10)
    first = list(one)
    assert sorted(first) == list(range(10))
    assert first == list(one)
    one.set_epoch(3)
    later = list(one)
    assert sorted(later) == list(range(30, 40))
    assert [i - 30 for i in later] != first
    again = sampler(10)
    again.set_epoch(3)
    assert list(again) == later
    assert list(sampler(10, seed=5)) != first


def test_without_shuffling():
    assert list(sampler(4, shuffle=False)) == [0, 1, 2, 3]


@pytest.mark.parametrize("round_up", [True, False])
def test_ranks_share_an_epoch(monkeypatch, round_up):
    parts = []
    for rank in range(3):
        one = sampler(10, rank, 3, monkeypatch, round_up=round_up)
        one.set_epoch(2)
        parts.append(list(one))
        assert len(one) == len(parts[-1])
    everything = [i for part in parts for i in part]
    assert set(everything) == set(range(20, 30))
    assert len(everything) == (12 if round_up else 10)


def test_more_ranks_than_samples(monkeypatch):
    assert [len(list(sampler(2, rank, 5, monkeypatch))) for rank in range(5)] == [1] * 5


@pytest.mark.parametrize("size", [3, 10, 25])
def test_epochs_of_another_length_go_on_where_the_last_one_stopped(size):
    one = sampler(10, samples_per_epoch=size)
    stream = []
    for epoch in range(20):
        one.set_epoch(epoch)
        part = list(one)
        assert len(part) == len(one) == size
        stream += part
    passes = [stream[i : i + 10] for i in range(0, len(stream), 10)]
    assert all(sorted(p) == list(range(10 * n, 10 * n + 10)) for n, p in enumerate(passes))
    one.set_epoch(0)
    assert list(one) == stream[:size]


def test_an_empty_data_set():
    with pytest.raises(ValueError, match="no sample"):
        EpochSeededSampler([], seed=0)
    with pytest.raises(ValueError, match="at least 1"):
        EpochSeededSampler([1], seed=0, samples_per_epoch=0)


def test_are_found_by_name(h36m_root):
    data = PoseFrameDataset(h36m_root, split="test")
    built = DATA_SAMPLERS.build(
        {"type": "part_synth.EpochSeededSampler"}, default_args={"dataset": data, "seed": 1}
    )
    assert len(built) == len(data)
    assert FUNCTIONS.get("part_synth.collate") is collate


def batches(root, epoch, workers):
    data = VideoPairDataset(root, split="train", crop=CROP)
    order = EpochSeededSampler(data, seed=1)
    order.set_epoch(epoch)
    loader = DataLoader(data, 16, sampler=order, collate_fn=collate, num_workers=workers)
    return list(loader)


def test_a_resumed_epoch_gives_the_same_batches(h36m_root):
    whole, resumed, other = (
        batches(h36m_root, 1, 0),
        batches(h36m_root, 1, 2),
        batches(h36m_root, 2, 0),
    )
    assert len(whole) == len(resumed) == 6
    for one, two in zip(whole, resumed, strict=True):
        torch.testing.assert_close(one["inputs"], two["inputs"])
        for left, right in zip(one["data_samples"], two["data_samples"], strict=True):
            assert left.img_path == right.img_path
            np.testing.assert_array_equal(left.crop_box, right.crop_box)
    assert not torch.equal(whole[0]["inputs"]["image"], other[0]["inputs"]["image"])


def test_collate(h36m_root):
    data = PoseFrameDataset(h36m_root, split="test", crop=CROP)
    batch = collate([data[0], data[1]])
    assert batch["inputs"]["image"].shape == (2, 1, 3, 12, 12)
    assert [sample.sample_idx for sample in batch["data_samples"]] == [0, 1]


def test_collate_samples_that_do_not_fit():
    one = {"inputs": {"image": torch.zeros(1, 2)}, "data_samples": None}
    other = {"inputs": {"image": torch.zeros(1, 3)}, "data_samples": None}
    more = {"inputs": {**one["inputs"], "depth": torch.zeros(1)}, "data_samples": None}
    with pytest.raises(ValueError, match="several shapes"):
        collate([one, other])
    with pytest.raises(ValueError, match="same pipeline"):
        collate([one, more])
