import numpy as np
import pytest
from part_synth.datasets import VideoPairDataset


def infos(data, epochs=1):
    return [data.get_data_info(i) for i in range(epochs * len(data))]


@pytest.mark.parametrize("num_frames, gap", [(2, 0.3), (2, 0.55), (3, 0.5), (4, 0.3), (3, 0.0)])
def test_frames_of_one_video_keep_their_distance(h36m_root, num_frames, gap):
    data = VideoPairDataset(h36m_root, split="train", num_frames=num_frames, min_gap=gap)
    seen = infos(data, epochs=3)
    for info in seen:
        for name in ("subject", "clip", "camera_name"):
            assert len(set(info[name])) == 1
        assert len(set(info["frame"].tolist())) == num_frames
        assert np.diff(np.sort(info["time"])).min() >= gap - 1e-6
    # 12 frames at 10 per second: every frame of every video that has company is a first frame.
    first = {info["img_path"][0] for info in seen}
    time = np.arange(12) / 10
    fits = [_fits(t, time, num_frames, gap) for t in time]
    assert len(first) == len(data) == 8 * sum(fits)


def _fits(start, time, count, gap):
    """Brute force: can the frame at `start` be one of `count` frames that keep the gap?"""
    chosen = [start]
    for t in time[time > start]:
        if t - chosen[-1] >= gap - 1e-6:
            chosen.append(t)
    low = [start]
    for t in time[time < start][::-1]:
        if low[-1] - t >= gap - 1e-6:
            low.append(t)
    return len(chosen) + len(low) - 1 >= count


def test_the_second_frame_is_any_that_is_far_enough(h36m_root):
    data = VideoPairDataset(h36m_root, split="train", min_gap=0.8)
    partners = {int(data.get_data_info(i * len(data))["frame"][1]) for i in range(80)}
    assert data.get_data_info(0)["frame"][0] == 1
    assert partners == {9, 10, 11, 12}


def test_other_clips_of_the_same_camera(h36m_root):
    data = VideoPairDataset(h36m_root, split="train", min_gap=5.0, same_clip=False)
    for info in infos(data):
        assert len(set(info["subject"])) == len(set(info["camera_name"])) == 1
        assert len(set(info["clip"])) == 2


def test_a_pair_with_backgrounds(h36m_root):
    crop = {"size": 16, "background": "median", "shift": 0.1, "flip": 0.5}
    sample = VideoPairDataset(h36m_root, split="train", crop=crop)[3]
    assert sample["inputs"]["image"].shape == sample["inputs"]["background"].shape
    assert sample["inputs"]["image"].shape == (2, 3, 16, 16)
    assert sample["data_samples"].gt_instances.crop_keypoints.shape == (2, 17, 2)
    assert sample["data_samples"].camera_rotation.shape == (2, 3, 3)


def test_too_short_clips_are_an_error(h36m_root):
    with pytest.raises(ValueError, match=r"empty or too short.*Lower `min_gap`"):
        VideoPairDataset(h36m_root, split="train", min_gap=3.0)


def test_the_frame_rate_decides(h36m_root):
    slow = VideoPairDataset(h36m_root, split="train", min_gap=3.0, layout_options={"fps": 2.0})
    assert np.abs(np.diff(slow.get_data_info(0)["time"])) >= 3.0


def test_bad_arguments(h36m_root):
    with pytest.raises(ValueError, match="num_frames"):
        VideoPairDataset(h36m_root, num_frames=1)
