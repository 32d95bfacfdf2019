import cv2
import numpy as np
import pytest
from part_synth.datasets.video_reader import VideoReader, find_videos
from tiny_wild import retime_mp4, ticks, turn_mp4, write_video


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "walk.mp4"
    write_video(path, seconds=2.0, fps=10.0)
    return path


def read(path, fps=None, max_side=4000):
    file = VideoReader(path, fps, max_side)
    return list(file.frames()), file


@pytest.mark.parametrize(
    ("fps", "numbers"),
    [
        (None, range(20)),
        (10.0, range(20)),
        (100.0, range(20)),
        (5.0, range(0, 20, 2)),
        (4.0, [0, 3, 5, 8, 10, 13, 15, 18]),
        (0.5, [0]),
    ],
)
def test_sampled_evenly_in_time(video, fps, numbers):
    frames, file = read(video, fps)
    assert [frame.number for frame in frames] == list(numbers)
    np.testing.assert_allclose([f.time for f in frames], np.array(numbers) / 10, atol=1e-3)
    assert file.size == (192, 144) and file.announced == 20 and not file.notes
    # The same frames come again.
    assert [f.number for f in file.frames()] == list(numbers)


def test_large_frames_are_made_smaller(video):
    frames, file = read(video, 1.0, max_side=96)
    assert file.size == (96, 72) and frames[0].image.shape == (72, 96, 3)
    assert frames[0].scale == 0.5


def test_rotation_flag_is_respected(video):
    upright = read(video, 1.0)[0][0].image
    turn_mp4(video)
    frames, file = read(video, 1.0)
    assert file.size == (144, 192)
    turned = cv2.rotate(upright, cv2.ROTATE_90_CLOCKWISE)
    assert np.abs(frames[0].image.astype(int) - turned).mean() < 3


def test_varying_rate_is_respected(video):
    tick = ticks(video)
    # Every other frame stays three times as long.
    retime_mp4(video, [tick // 2, tick // 2 * 3] * 10)
    frames, _ = read(video)
    expected = np.cumsum([0, *[0.05, 0.15] * 10])[:20]
    np.testing.assert_allclose([f.time for f in frames], expected, atol=2e-3)
    sampled, _ = read(video, fps=5)
    np.testing.assert_allclose([f.time for f in sampled], np.arange(10) * 0.2, atol=2e-3)


def test_what_is_no_video_is_refused(tmp_path, video):
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").touch()
    data = video.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    for name, words in (
        ("text.mp4", r"text\.mp4 \(8 bytes\) can't be read as a video"),
        ("empty.mp4", r"\(0 bytes\) can't be read"),
        ("cut.mp4", "cut short and its table of frames is missing"),
    ):
        with pytest.raises(ValueError, match=words):
            VideoReader(tmp_path / name, None, 1000)
    with pytest.raises(FileNotFoundError, match="There is no video"):
        VideoReader(tmp_path / "none.mp4", None, 1000)


def test_no_frames_and_tiny_frames_are_refused(tmp_path):
    write_video(tmp_path / "none.avi", seconds=0, codec="MJPG")
    with pytest.raises(ValueError, match=r"no frame that can be decoded|can't be read"):
        VideoReader(tmp_path / "none.avi", None, 1000)
    # The one encoder of OpenCV that takes frames of a pixel.
    fourcc = cv2.VideoWriter_fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(tmp_path / "dot.avi"), fourcc, 10, (1, 1))
    for _ in range(5):
        writer.write(np.zeros((1, 1, 3), np.uint8))
    writer.release()
    with pytest.raises(ValueError, match="have 1 x 1 px"):
        VideoReader(tmp_path / "dot.avi", min_side=32)


def test_a_truncated_file_gives_what_it_has(tmp_path):
    path = tmp_path / "walk.avi"
    write_video(path, seconds=3.0, codec="MJPG")
    data = path.read_bytes()
    # An AVI without its index at the end, and without its last frames.
    path.write_bytes(data[: len(data) // 2])
    file = VideoReader(path, None, 1000)
    frames = list(file.frames())
    assert 5 < len(frames) < 30
    assert not file.announced or "cut short" in " ".join(file.notes) or file.announced < 30


def test_videos_of_folders(tmp_path, video):
    (tmp_path / "notes.txt").touch()
    (tmp_path / "sub").mkdir()
    write_video(tmp_path / "b.avi", seconds=0.2, codec="MJPG")
    assert find_videos([tmp_path, video]) == [tmp_path / "b.avi", video]
    with pytest.raises(FileNotFoundError, match=r"holds no video .* or their folder\."):
        find_videos([tmp_path / "sub"])
    (tmp_path / "sub" / "deep").mkdir()
    video.rename(tmp_path / "sub" / "deep" / "walk.mp4")
    words = r"Folders in it are not searched; .* their folder, such as .*/sub/deep, which holds"
    with pytest.raises(FileNotFoundError, match=words):
        find_videos([tmp_path / "sub"])
    with pytest.raises(FileNotFoundError, match=r"no video .*none\.mp4"):
        find_videos([tmp_path / "none.mp4"])
