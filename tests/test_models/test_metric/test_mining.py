import math

import pytest
import torch
import torch.nn.functional as F
from part_synth.models.metric import hardest_negatives, negative_mask, squared_distances

# Two people; both have a clip "walk", which are two clips.
SUBJECTS = ["S1", "S1", "S1", "S1", "S5", "S5", "S1", "S5"]
CLIPS = ["walk", "walk", "walk", "sit", "walk", "walk", "sit", "sit"]
TIMES = [0.0, 0.1, 0.5, 0.1, 0.1, 0.3, 0.5, 0.1]


def slow_mask(subjects, clips, times, gap, scope):
    """Pair by pair."""
    count = len(subjects)
    mask = torch.zeros(count, count, dtype=torch.bool)
    for i in range(count):
        for j in range(count):
            same_person = subjects[i] == subjects[j]
            same_clip = same_person and clips[i] == clips[j]
            far = abs(times[i] - times[j]) >= gap - 1e-4 and times[i] != times[j]
            if i == j:
                continue
            if same_clip:
                mask[i, j] = far
            else:
                mask[i, j] = scope == "batch" or (scope == "person" and same_person)
    return mask


@pytest.mark.parametrize("scope", ["clip", "person", "batch"])
@pytest.mark.parametrize("gap", [0.0, 0.1, 0.2, 0.3, 0.4, 0.41, 5.0])
def test_mask_against_loops(scope, gap):
    mask = negative_mask(SUBJECTS, CLIPS, torch.tensor(TIMES), gap, scope)
    assert torch.equal(mask, slow_mask(SUBJECTS, CLIPS, TIMES, gap, scope))
    assert torch.equal(mask, mask.T)
    assert not mask.diagonal().any()


def test_mask_of_made_batches_against_loops():
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        subjects, clips, frames = torch.randint(0, 3, (3, 15), generator=generator).tolist()
        # Frame numbers of one clip at 25 per second.
        times = (torch.tensor(frames) * 5 / 25).double()
        for scope in ("clip", "person", "batch"):
            mask = negative_mask(subjects, clips, times, 0.2, scope)
            assert torch.equal(mask, slow_mask(subjects, clips, times.tolist(), 0.2, scope))


def test_scopes_contain_each_other():
    one, two, three = (
        negative_mask(SUBJECTS, CLIPS, torch.tensor(TIMES), 0.2, scope)
        for scope in ("clip", "person", "batch")
    )
    assert two[one].all()
    assert three[two].all()
    assert one.sum() < two.sum() < three.sum()


def test_a_gap_is_kept_whatever_the_rounding_of_times():
    """Frames three tenths apart are negatives with a gap of 0.3, also late in a clip."""
    for first in (0, 7, 1234, 5000):
        times = torch.tensor([first / 10, (first + 3) / 10, (first + 2) / 10], dtype=torch.float32)
        mask = negative_mask(["S"] * 3, ["c"] * 3, times, 0.3)
        assert mask[0, 1]
        assert not mask[0, 2]
        assert not mask[1, 2]


def test_the_same_instant_twice_is_no_negative():
    times = torch.tensor([0.4, 0.4, 0.4])
    for scope in ("clip", "person", "batch"):
        mask = negative_mask(["S1", "S1", "S5"], ["c"] * 3, times, 0.0, scope)
        assert not mask[0, 1]
        assert mask[0, 2] == (scope == "batch")


def test_wrong_arguments_of_the_mask():
    with pytest.raises(ValueError, match=r"'clip', 'person', 'batch'\), got 'camera'"):
        negative_mask(SUBJECTS, CLIPS, torch.tensor(TIMES), 0.1, "camera")
    with pytest.raises(ValueError, match="equally many, got 8, 7 and 8"):
        negative_mask(SUBJECTS, CLIPS[1:], torch.tensor(TIMES), 0.1)


def test_squared_distances_against_loops():
    a, b = (F.normalize(torch.randn(2, n, 6, dtype=torch.float64), dim=-1) for n in (4, 5))
    got = squared_distances(a, b)
    assert got.shape == (2, 4, 5)
    for p in range(2):
        for i in range(4):
            for j in range(5):
                assert float(got[p, i, j]) == pytest.approx(float(((a[p, i] - b[p, j]) ** 2).sum()))
    same = F.normalize(torch.randn(50, 16), dim=-1)
    assert (squared_distances(same, same) >= 0).all()


def slow_hardest(distances, negatives):
    count = len(negatives)
    result = []
    for i in range(count):
        best = math.inf
        for j in range(count):
            if negatives[i, j]:
                best = min(best, float(distances[i, j]), float(distances[j, i]))
        result.append(best)
    return torch.tensor(result)


def test_hardest_negatives_against_loops():
    for scope in ("clip", "person", "batch"):
        negatives = negative_mask(SUBJECTS, CLIPS, torch.tensor(TIMES), 0.3, scope)
        distances = torch.rand(3, 8, 8)
        got = hardest_negatives(distances, negatives)
        assert torch.equal(got, torch.stack([slow_hardest(d, negatives) for d in distances]))


def test_the_nearest_negative_may_be_found_from_the_other_end():
    distances = torch.tensor([[0.0, 3.0, 2.0], [1.0, 0.0, 9.0], [9.0, 0.5, 0.0]])
    negatives = torch.tensor([[0, 1, 0], [1, 0, 0], [0, 0, 0]]).bool()
    # d(a_0, p_1) = 3 and d(a_1, p_0) = 1; the pairs with 2 are no negatives.
    assert hardest_negatives(distances, negatives).tolist() == [1.0, 1.0, math.inf]
