import re
import subprocess

import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from part_synth.outputs import VideoFile, h264
from part_synth.outputs import video as video_module
from part_synth.outputs.video import fit
from tiny_videos import frames_of


def picture(value, width=65, height=47):
    return np.full((height, width, 3), value, np.uint8)


def test_frames_and_rate_come_back(tmp_path):
    with VideoFile(tmp_path / "deep" / "out.mp4", fps=12.5) as video:
        for value in (10, 90, 200):
            video.write(picture(value))
    assert video.codec == "avc1" and video.frames == 3
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
    monkeypatch.setattr(video_module, "ffmpeg_with_h264", lambda: None)
    with pytest.raises(OSError, match=r"can't be written .* H\.264 needs .*imageio-ffmpeg"):
        VideoFile(tmp_path / "out.mp4", 5).write(picture(3))


def test_the_codec_for_browsers(tmp_path):
    with VideoFile(tmp_path / "out.mp4", 5, codec="vp09") as video:
        video.write(picture(90))
        video.write(picture(200))
    assert video.codec == "vp09"
    values = [float(frame[:40, :60].mean()) for frame in frames_of(video.path)[0]]
    np.testing.assert_allclose(values, [90, 200], atol=5)


def told_by_ffmpeg(path):
    """What ffmpeg finds when it decodes a whole file: its words, which must hold no error."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", path, "-f", "null", "-"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


@pytest.mark.parametrize(("fps", "told"), [(12.5, "12.50 fps"), (30000 / 1001, "29.97 fps")])
def test_ffmpeg_decodes_what_browsers_play(tmp_path, fps, told):
    """H.264, 4:2:0, even sides, the index before the pictures."""
    with VideoFile(tmp_path / "out.mp4", fps) as video:
        for value in range(20):
            video.write(picture(10 * value))
    said = told_by_ffmpeg(video.path)
    assert re.search(r"Video: h264 .*avc1.* yuv420p\(.*bt709.*\), 66x48", said), said
    assert told in said, said
    assert re.search(r"frame= *20 ", said), said
    data = video.path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_without_ffmpeg_it_says_what_to_install(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(video_module, "ffmpeg_with_h264", lambda: None)
    monkeypatch.setattr(video_module, "print_log", lambda text, **_: said.append(text))
    with VideoFile(tmp_path / "out.mp4", 10) as video:
        video.write(picture(100))
    assert video.codec == "mp4v" and "Browsers do not play it" in said[0]
    assert "pip install imageio-ffmpeg" in said[0]
    assert len(frames_of(video.path)[0]) == 1


def test_an_ffmpeg_without_h264_is_none(monkeypatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/bin/true")
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: "/bin/true")
    assert h264.ffmpeg_with_h264.__wrapped__() is None


def test_what_ffmpeg_can_not_write_is_an_error(tmp_path):
    (tmp_path / "out.mp4").mkdir()
    words = r"ffmpeg can't write the video .*out\.mp4: .*directory"
    with pytest.raises(OSError, match=words), VideoFile(tmp_path / "out.mp4", 10) as video:
        for _ in range(200):
            video.write(picture(100, 640, 480))


def test_a_frame_that_is_cut_off_harms_nothing(tmp_path):
    """As Ctrl-C in the middle of a write leaves it."""
    with VideoFile(tmp_path / "out.mp4", 10) as video:
        for _ in range(3):
            video.write(picture(100))
        video._writer._process.stdin.write(bytes(1000))
    assert re.search(r"frame= *3 ", told_by_ffmpeg(video.path))
