"""The command line of demo/synthesis_demo.py, with a tiny model."""

import re
import sys

import cv2
import numpy as np
import pytest
from part_synth.apis.cli import run_tool
from part_synth.outputs.files import write_npz
from tiny_runs import TINY_CONFIG, load_script
from tiny_synthesizer import rest_poses, save_tiny
from tiny_videos import frames_of, motion_sequence, write_video


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures, a folder of pictures, a video, 3D poses, broken files and a model."""
    folder = tmp_path_factory.mktemp("synthesis")
    save_tiny(folder)
    (folder / "several").mkdir()
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png", "several/0.png", "several/1.png"):
        cv2.imwrite(str(folder / name), rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    write_video(folder / "walk.mp4", 5)
    np.savez(folder / "poses.npz", joints=rest_poses(4))
    write_npz(folder / "two.npz", motion_sequence())
    (folder / "text.mp4").write_text("no video")
    return folder


@pytest.fixture
def demo(folder, tmp_path, monkeypatch):
    """Exit status of the demo with these arguments."""
    monkeypatch.delenv("PART_SYNTH_DEBUG", raising=False)

    def run(*arguments, model=True):
        places = {"{in}": str(folder), "{out}": str(tmp_path)}
        words = [str(word) for word in arguments]
        if model:
            words += [
                "--config",
                "{in}/tiny_synthesis.py",
                "--checkpoint",
                "{in}/tiny_synthesis.pth",
            ]
        for key, value in places.items():
            words = [word.replace(key, value) for word in words]
        monkeypatch.setattr(sys, "argv", ["synthesis_demo.py", *words])
        return run_tool(load_script("demo/synthesis_demo.py").main)

    return run


def test_everyone_in_the_pose_of_everyone(demo, tmp_path, capsys):
    boxes = ["--box", 5, 5, 40, 45, "--box", 0, 0, 64, 48]
    scenes = ["--scene", "{in}/b.png", "--scene", "{in}/a.png"]
    arguments = ["{in}/a.png", "{in}/b.png", *boxes, *scenes, "--background", "poses"]
    assert demo(*arguments, "--out", "{out}/new/sheet.png") == 0
    assert "4 images of 2 people" in capsys.readouterr().out
    # Three rows and columns with the margins.
    sheet = cv2.imread(str(tmp_path / "new" / "sheet.png"))
    assert sheet.shape[1] == 4 + 3 * 164 and sheet.shape[0] == 18 + 4 + 3 * 164
    corner, inner = sheet[22 : 22 + 160, 4:164], sheet[186:346, 168:328]
    assert np.ptp(corner) == 0 and inner.std() > 10


def test_no_picture_of_a_folder_is_overwritten(demo, folder, capsys):
    before = {path: path.read_bytes() for path in (folder / "several").iterdir()}
    file = min(before).name
    assert demo("{in}/several", "--out", "{in}/several/" + file) == 2
    assert "is a file of a folder that is read; name another" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("role", ["looks", "poses", "scene"])
def test_no_input_is_overwritten(demo, folder, capsys, role):
    looks = "{in}/b.png" if role == "looks" else "{in}/a.png"
    more = [] if role == "looks" else [f"--{role}", "{in}/b.png"]
    before = (folder / "b.png").read_bytes()
    assert demo(looks, *more, "--out", "{in}/b.png") == 2
    assert "b.png is a file that is read; name another" in capsys.readouterr().err
    assert (folder / "b.png").read_bytes() == before


def test_around_a_person_of_several_pictures(demo, tmp_path):
    arguments = ["{in}/several", "--rotate", 5, "--background", "250,250,250"]
    assert demo(*arguments, "--out", "{out}/around") == 0
    names = sorted(path.name for path in (tmp_path / "around").iterdir())
    assert names == ["pictures", "sheet.png", "video.mp4"]
    assert len(list((tmp_path / "around" / "pictures").iterdir())) == 5
    # One row: nothing to show above it.
    assert cv2.imread(str(tmp_path / "around" / "sheet.png")).shape[:2] == (186, 4 + 6 * 164)
    frames, fps = frames_of(tmp_path / "around" / "video.mp4")
    assert len(frames) == 5 and fps == pytest.approx(12.5)


def test_files_of_an_earlier_run_are_told_of(demo, tmp_path, capsys):
    arguments = ["{in}/a.png", "--out", "{out}/around", "--rotate"]
    assert demo(*arguments, 4) == 0
    assert "stayed" not in capsys.readouterr().out
    assert demo(*arguments, 3) == 0
    assert f"1 other file of {tmp_path / 'around'} stayed as they were." in capsys.readouterr().out


def test_poses_of_a_video(demo, tmp_path):
    arguments = ["{in}/a.png", "{in}/b.png", "--poses", "{in}/walk.mp4", "--pose-box", 5, 5, 40, 45]
    more = ["--pose-scene", "median", "--background", "poses", "--every", 2]
    assert demo(*arguments, *more, "--out", "{out}/dance.mp4") == 0
    frames, fps = frames_of(tmp_path / "dance.mp4")
    assert len(frames) == 3 and fps == pytest.approx(12.5 / 2)
    # Above the looks, beside the pose the images.
    assert frames[0].shape[1] == 4 + 3 * 164


def test_3d_poses_of_a_file(demo, tmp_path):
    arguments = ["{in}/a.png", "--poses", "{in}/poses.npz", "--rotate", 2]
    assert demo(*arguments, "--out", "{out}/mocap.png") == 0
    assert cv2.imread(str(tmp_path / "mocap.png")).shape[1] == 4 + 9 * 164


def test_one_of_two_people_of_a_file(demo, tmp_path, capsys):
    arguments = ["{in}/a.png", "--poses", "{in}/two.npz", "--every", 20, "--person"]
    # Person 0 is there in frames 0 to 19, person 1 from frame 5.
    for person in (0, 1):
        assert demo(*arguments, person, "--out", f"{{out}}/{person}.png") == 0
        assert "1 image of 1 person\n" in capsys.readouterr().out
    sheets = [cv2.imread(str(tmp_path / f"{person}.png")) for person in (0, 1)]
    assert sheets[0].shape == sheets[1].shape and (sheets[0] != sheets[1]).any()


def test_long_videos_give_sheets_of_a_few_columns(demo, tmp_path):
    arguments = ["{in}/a.png", "--poses", "{in}/walk.mp4", "--rotate", 4]
    assert demo(*arguments, "--out", "{out}/sheet.jpg") == 0
    assert cv2.imread(str(tmp_path / "sheet.jpg")).shape[1] == 4 + 13 * 164


ROWS = [
    (["{in}/none.png"], "no picture, folder or video .*none.png"),
    (["{in}/a.png", "--box", "64", "0", "70", "9"], "wholly outside of the picture of 64 x 48"),
    (["{in}/a.png", "{in}/b.png", "--box", "0", "0", "9", "9"], "--box is given 1 times for 2 LOO"),
    (["{in}/a.png", "--rotate", "1"], "--rotate is the number of views .*2 to 360, got 1"),
    (["{in}/a.png", "--rotate", "-4"], "2 to 360, got -4"),
    (["{in}/a.png", "--every", "0"], "--every must be at least 1, got 0"),
    (["{in}/a.png", "--pose-box", "0", "0", "9", "9"], "belong to --poses"),
    (["{in}/a.png", "--poses", "{in}/text.mp4"], r"text\.mp4 .*can't be read as a video"),
    (["{in}/a.png", "--poses", "{in}/none.npz"], r"no file .*none\.npz"),
    (["{in}/a.png", "--poses", "{in}/two.npz"], r"several people: 0 \(19 poses\), 1 .*--person ID"),
    (["{in}/a.png", "--poses", "{in}/two.npz", "--person", "7"], "no person 7, but these: 0 .19 "),
    (["{in}/a.png", "--poses", "{in}/poses.npz", "--person", "0"], "names no people; leave"),
    (["{in}/a.png", "--poses", "{in}/walk.mp4", "--person", "0"], "--person belongs to a file of"),
    (["{in}/a.png", "--background", "looks"], "needs the empty scene behind the looks"),
    (["{in}/a.png", "--background", "1,2,999"], "of 0 to 255"),
    (["{in}/a.png", "--out", "{in}/a.png/x.png"], "can't be written"),
    (["{in}/a.png", "--out", "{in}/a.png/folder"], "Results can't be written to"),
    (["{in}/a.png", "--out", "{out}/x.gif"], r"--out must end with \.png"),
    (["{in}/a.png", "--fps", "0"], "--fps must be between"),
]


@pytest.mark.parametrize(("arguments", "message"), ROWS)
def test_mistakes(demo, capfd, arguments, message):
    if "--out" not in arguments:
        arguments = [*arguments, "--out", "{out}/out.png"]
    assert demo(*arguments) == 2
    told = capfd.readouterr().err.partition("error: ")[2]
    assert re.search(message, told), told


def test_wrong_models(demo, capfd, monkeypatch, tmp_path):
    monkeypatch.setattr("part_synth.apis.zoo.ZOO", tmp_path)
    rows = [
        (
            [],
            "own model part_synth_synthetic_long is not there: .*train.py configs/part_synth",
        ),
        (["--config", TINY_CONFIG], "Give both the config and the checkpoint of a model"),
        (["--config", "part_synth_synthetic_64px"], "own model part_synth_synthetic_64px is not"),
        (["--config", "{in}/tiny_synthesis.py", "--checkpoint", "{in}/a.png"], "not a torch check"),
    ]
    for flags, message in rows:
        assert demo("{in}/a.png", *flags, "--out", "{out}/out.png", model=False) == 2
        told = capfd.readouterr().err.partition("error: ")[2]
        assert re.search(message, told), told


def test_other_checkpoint_is_refused(demo, capfd):
    """A lifter's, such as the one in the package."""
    import part_synth

    zoo = str(part_synth.__path__[0]) + "/zoo/lifter"
    flags = ["--config", f"{zoo}/config.py", "--checkpoint", f"{zoo}/weights.pth"]
    assert demo("{in}/a.png", *flags, "--out", "{out}/out.png", model=False) == 2
    told = capfd.readouterr().err.partition("error: ")[2]
    assert re.search("does not synthesise|does not fit", told), told
