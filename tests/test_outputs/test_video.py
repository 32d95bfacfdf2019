import cv2
import numpy as np
import pytest
from part_synth.outputs import VideoFile
from part_synth.outputs.video import fit
from tiny_videos import frames_of


def picture(value, width=65, height=47):
    return np.full((height, width, 3), value, np.uint8)


def test_frames_and_rate_come_back(tmp_path):
    with VideoFile(tmp_path / "deep" / "out.mp4", fps=12.5) as video:
        for value in (10, 90, 200):
            video.write(picture(value))
    assert video.codec in ("avc1", "mp4v") and video.frames == 3
    frames, fps = frames_of(video.path)
    assert fps == pytest.approx(12.5)
    # Encoders want even sides.
    assert [frame.shape for frame in frames] == [(48, 66, 3)] * 3
    for frame, value in zip(frames, (10, 90, 200), strict=True):
        assert abs(float(frame[:40, :60].mean()) - value) < 4


def test_colours_are_rgb(tmp_path):
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 250
    with VideoFile(tmp_path / "out.mp4", fps=10) as video:
        video.write(red)
    blue, _, value = frames_of(video.path)[0][0].reshape(-1, 3).mean(0)
    assert value > 230 and blue < 30


def test_frames_of_other_sizes_are_fitted(tmp_path):
    with VideoFile(tmp_path / "out.mp4", fps=10) as video:
        video.write(picture(100))
        video.write(picture(100, 300, 20))
        video.write(picture(100, 1, 1))
    frames, _ = frames_of(video.path)
    assert [frame.shape for frame in frames] == [(48, 66, 3)] * 3


def test_fit_keeps_proportions():
    out = fit(picture(0, 40, 10), (20, 20))
    assert (out[8:12] < 5).all() and (out[:7] == 255).all() and (out[13:] == 255).all()
    same = picture(3)
    assert fit(same, (65, 47)) is same


@pytest.mark.parametrize("fps", [None, 0, float("nan"), 90000])
def test_unusable_rates(tmp_path, fps):
    with VideoFile(tmp_path / "out.mp4", fps) as video:
        video.write(picture(3))
    assert frames_of(video.path)[1] == 25


def test_a_tiny_picture(tmp_path):
    with VideoFile(tmp_path / "out.mp4", 5) as video:
        video.write(picture(3, 1, 1))
    assert frames_of(video.path)[0][0].shape == (16, 16, 3)


def test_no_frames_no_file(tmp_path):
    with VideoFile(tmp_path / "out.mp4", 5):
        pass
    assert not list(tmp_path.iterdir())


def test_the_file_is_whole_after_an_error(tmp_path):
    with pytest.raises(KeyboardInterrupt), VideoFile(tmp_path / "out.mp4", 5) as video:
        video.write(picture(3))
        raise KeyboardInterrupt
    assert len(frames_of(video.path)[0]) == 1


@pytest.mark.parametrize(
    ("name", "codec", "message"),
    [("out.avi", "auto", r"written as \.mp4"), ("out.mp4", "theora", "codec must be 'auto' or")],
)
def test_unknown_kinds(tmp_path, name, codec, message):
    with pytest.raises(ValueError, match=message):
        VideoFile(tmp_path / name, 5, codec)


def test_no_codec_that_works(tmp_path, monkeypatch):
    class Closed:
        def __init__(self, *_):
            pass

        def isOpened(self):
            return False

    monkeypatch.setattr(cv2, "VideoWriter", Closed)
    with pytest.raises(OSError, match="OpenCV can't write the video"):
        VideoFile(tmp_path / "out.mp4", 5).write(picture(3))


def test_the_codec_for_browsers(tmp_path):
    with VideoFile(tmp_path / "out.mp4", 5, codec="vp09") as video:
        video.write(picture(90))
        video.write(picture(200))
    assert video.codec == "vp09"
    values = [float(frame[:40, :60].mean()) for frame in frames_of(video.path)[0]]
    np.testing.assert_allclose(values, [90, 200], atol=5)
