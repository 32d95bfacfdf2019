import cv2
import numpy as np
import pytest
from data_factory import make_tiny_h36m
from part_synth.datasets import Human36mFrames, MedianBackgrounds, VideoPairDataset, temporal_median
from part_synth.datasets.backgrounds import spread_frames


def write(folder, images):
    paths = [folder / f"{i}.png" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        cv2.imwrite(str(path), image)
    return paths


@pytest.mark.parametrize("memory", [256.0, 0.01])
def test_median_equals_numpys(tmp_path, memory):
    images = np.random.default_rng(0).integers(0, 256, (9, 37, 23, 3), dtype=np.uint8)
    median = temporal_median(write(tmp_path, images), memory_mib=memory)
    np.testing.assert_array_equal(median, np.median(images, axis=0))


def test_median_of_images_of_several_sizes(tmp_path):
    images = [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)]
    with pytest.raises(ValueError, match="equally large"):
        temporal_median(write(tmp_path, images))


@pytest.mark.parametrize("count, expected", [(7, 7), (8, 7), (61, 61), (500, 99)])
def test_frames_are_spread_over_all_clips(count, expected):
    clips = np.repeat([0, 1, 2], [10, 60, 30])
    chosen = spread_frames(np.arange(100), clips, count)
    assert len(chosen) == len(set(chosen.tolist())) == expected
    shares = np.bincount(clips[chosen], minlength=3) / expected
    np.testing.assert_allclose(shares, [0.1, 0.6, 0.3], atol=1.5 / expected)


def test_a_walker_vanishes(tmp_path):
    """A person who is at no place most of the time leaves the empty scene."""
    root = make_tiny_h36m(tmp_path, subjects=("S1",), cameras=("a",), frames=31, size=48)
    backdrop = cv2.imread(str(next((root / "images").rglob("*.jpg"))))
    rng = np.random.default_rng(0)
    for path in (root / "images").rglob("*.jpg"):
        image = np.full_like(backdrop, (30, 90, 160))
        column = rng.integers(0, 44)
        image[:, column : column + 4] = 255
        cv2.imwrite(str(path), image)
    background = MedianBackgrounds(Human36mFrames.from_disk(root, split="train"))["S1_a"]
    assert np.abs(background.astype(int) - (30, 90, 160)).max() < 12


def test_kept_on_disk_and_found_again(h36m_copy, monkeypatch):
    index = Human36mFrames.from_disk(h36m_copy, split="train")
    name = index.column("background")[0]
    first = MedianBackgrounds(index)[name]
    files = list((h36m_copy / "backgrounds").iterdir())
    assert [file.suffix for file in files] == [".png"]

    def never(*args, **kwargs):
        raise AssertionError("computed again")

    with monkeypatch.context() as patch:
        patch.setattr("part_synth.datasets.backgrounds.temporal_median", never)
        np.testing.assert_array_equal(MedianBackgrounds(index)[name], first)
    # One frame changes: the old picture is not taken any more.
    path = index.image_path(int(MedianBackgrounds(index).frames_of(name)[0]))
    cv2.imwrite(str(path), 255 - cv2.imread(str(path)))
    MedianBackgrounds(index)[name]
    assert len(list((h36m_copy / "backgrounds").iterdir())) == 2


def test_a_folder_that_cannot_be_written(h36m_copy):
    (h36m_copy / "backgrounds").write_text("in the way")
    index = Human36mFrames.from_disk(h36m_copy, split="train")
    backgrounds = MedianBackgrounds(index)
    assert backgrounds[index.column("background")[0]].shape == (96, 96, 3)


def test_moving_cameras_have_none(tmp_path):
    root = make_tiny_h36m(tmp_path, subjects=("S1",), frames=8, size=32, moving_camera=True)
    data = VideoPairDataset(root, split="train", crop={"size": 8, "background": "median"})
    with pytest.raises(ValueError, match=r"moves.*`background=None`"):
        data[0]
    assert "background" not in VideoPairDataset(root, split="train")[0]["inputs"]
