import cv2
import numpy as np
import pytest
from part_synth.inferencer import open_source
from tiny_videos import FPS, write_video


def test_a_video_is_decoded_anew_in_each_pass(tmp_path):
    source = open_source(write_video(tmp_path / "v.mp4"))
    assert source.is_video and source.fps == pytest.approx(FPS) and source.num_frames == 8
    for _ in range(2):
        values = [float(frame.mean()) for frame in source.frames()]
        np.testing.assert_allclose(values, 20 * np.arange(1, 9), atol=4)
    assert source.count() == 8 and source.notes == []


def test_rotation_flags_are_respected(tmp_path):
    path = write_video(tmp_path / "v.mp4", size=(64, 48))
    data = path.read_bytes()
    # The matrix of the track's header: a quarter turn in place of none.
    start = data.index(b"tkhd") + 4 + 40
    quarter = np.array([0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30], dtype=">i4")
    path.write_bytes(data[:start] + quarter.tobytes() + data[start + 36 :])
    assert next(open_source(path).frames()).shape == (64, 48, 3)


def test_a_file_cut_short_gives_what_is_there(tmp_path):
    path = write_video(tmp_path / "v.avi", num_frames=40, codec="MJPG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = open_source(path)
    count = len(list(source.frames()))
    assert 5 < count < 40
    assert source.num_frames == count
    assert source.count() == count


@pytest.mark.parametrize("channels", [None, 1, 3, 4])
def test_pictures_of_all_kinds(tmp_path, channels):
    shape = (6, 5) if channels is None else (6, 5, channels)
    picture = np.full(shape, 77, np.uint8)
    cv2.imwrite(str(tmp_path / "p.png"), picture)
    for given in (picture, tmp_path / "p.png"):
        (image,) = open_source(given).frames()
        assert image.shape == (6, 5, 3) and (image == 77).all()


def test_a_folder_leaves_out_what_is_damaged(tmp_path):
    for name in ("b.png", "a.jpg"):
        cv2.imwrite(str(tmp_path / name), np.zeros((4, 6, 3), np.uint8))
    (tmp_path / "c.png").write_text("no picture")
    (tmp_path / "notes.txt").write_text("x")
    source = open_source(tmp_path)
    assert not source.is_video and source.names == ("a.jpg", "b.png")
    assert [image.shape for image in source.frames()] == [(4, 6, 3)] * 2


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "text.mp4").write_text("this is no video")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.png").write_text("this is no picture")
    whole = write_video(tmp_path / "whole.mp4", 40)
    (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (tmp_path / "nothing").mkdir()
    # A file of an encoder that was never given a frame.
    (tmp_path / "none.avi").write_bytes(
        write_video(tmp_path / "x.avi", 3, codec="MJPG").read_bytes()[:5000]
    )
    return tmp_path


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        ("{tmp}/absent.mp4", FileNotFoundError, r"no file or folder .*absent\.mp4"),
        ("{tmp}/text.mp4", ValueError, r"text\.mp4 \(16 bytes\) can't be read as a video"),
        ("{tmp}/empty.mp4", ValueError, r"empty\.mp4 \(0 bytes\) can't be read as a video"),
        ("{tmp}/cut.mp4", ValueError, r"cut\.mp4 \(\d+ bytes\).* cut short"),
        ("{tmp}/none.avi", ValueError, r"none\.avi .*(no frame|can't be read as a video)"),
        ("{tmp}/text.png", ValueError, r"text\.png can't be read as a picture"),
        ("{tmp}/nothing", FileNotFoundError, "holds no picture that can be read"),
        ("webcam:99", ValueError, "There is no webcam 99, or another program uses it"),
        ("98", ValueError, "There is no webcam 98"),
        ([], ValueError, "empty list"),
        (np.zeros((4, 4, 2), np.uint8), ValueError, r"must be \(H, W\).* got \(4, 4, 2\)"),
        (np.zeros((4, 4, 3)), ValueError, "got .* float64"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, "empty"),
    ],
)
def test_bad_input(folder, inputs, error, message):
    if isinstance(inputs, str):
        inputs = inputs.replace("{tmp}", str(folder))
    with pytest.raises(error, match=message):
        open_source(inputs)


def test_a_jpeg_cut_short_is_refused_and_a_thumbnail_is_no_end(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    data = cv2.imencode(".jpg", image)[1].tobytes()
    # A thumbnail before the picture, and a trailer, as cameras write them.
    small = cv2.imencode(".jpg", image[::8, ::8])[1].tobytes()
    length = (len(small) + 2).to_bytes(2, "big")
    camera = data[:2] + b"\xff\xe1" + length + small + data[2:] + b"trailer"
    path = tmp_path / "a.jpg"
    for whole in (data, camera):
        path.write_bytes(whole)
        assert next(open_source(path).frames()).shape == (40, 60, 3)
        path.write_bytes(whole[: len(whole) - 200])
        with pytest.raises(ValueError, match=r"a\.jpg can't be read as a picture: it is damaged"):
            next(open_source(path).frames())
