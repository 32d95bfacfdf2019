"""The command line of tools/dataset_converters/prepare_videos.py."""

import json
import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from part_synth.apis.cli import run_tool
from part_synth.datasets import WildFrames
from part_synth.datasets.video_reader import VideoReader
from part_synth.datasets.wild import people
from part_synth.people.detector import person_category
from tiny_runs import tool_main
from tiny_wild import save_boxes, save_keypoints, write_video

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Good and bad videos, with boxes and joints of the good one."""
    folder = tmp_path_factory.mktemp("videos")
    boxes = write_video(folder / "room.mp4", seconds=1.5, people=2)
    save_boxes(folder / "room_boxes.npz", boxes)
    save_keypoints(folder / "room_joints.npz", boxes)
    (folder / "by_name").mkdir()
    save_boxes(folder / "by_name" / "room.npz", boxes)
    (folder / "other").mkdir()
    (folder / "other" / "room.mp4").write_bytes((folder / "room.mp4").read_bytes())
    np.savez(folder / "nobody.npz", boxes=np.zeros((0, 4)), frames=np.zeros(0, int))
    (folder / "text.mp4").write_text("no video")
    (folder / "empty.mp4").touch()
    data = (folder / "room.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(data[: len(data) // 2])
    fourcc = cv2.VideoWriter_fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(folder / "dot.avi"), fourcc, 10, (1, 1))
    for _ in range(5):
        writer.write(np.zeros((1, 1, 3), np.uint8))
    writer.release()
    writer = cv2.VideoWriter(str(folder / "large.avi"), fourcc, 2, (7680, 4320))
    for _ in range(3):
        writer.write(np.full((4320, 7680, 3), 90, np.uint8))
    writer.release()
    (folder / "file").touch()
    (folder / "photos").mkdir()
    (folder / "photos" / "me.jpg").touch()
    (folder / "config.py").write_text("model = dict(type='Nonsense')\n")
    torch.save({"state_dict": {}}, folder / "weights.pth")
    return folder


@pytest.fixture
def tool(videos, tmp_path, monkeypatch):
    """Exit status of the tool; '{v}' is the folder of videos, '{tmp}' an empty one."""
    monkeypatch.delenv("PART_SYNTH_DEBUG", raising=False)

    def run(*arguments):
        filled = [
            str(a).replace("{v}", str(videos)).replace("{tmp}", str(tmp_path)) for a in arguments
        ]
        monkeypatch.setattr(sys, "argv", ["prepare_videos.py", *filled])
        return run_tool(tool_main("dataset_converters/prepare_videos"))

    return run


def test_joints_of_a_file(tool, tmp_path, capsys):
    common = ["--out", "{tmp}/set", "--keypoints", "{v}/room_joints.npz", "--min-size", 40]
    assert tool("{v}/room.mp4", *common) == 0
    said = capsys.readouterr().out
    assert re.search(r"room +│ 2 +│ 2 +│ 30 +│ 30 +│ stands still", said), said
    assert "look at" in said and (tmp_path / "set" / "contact_sheet.jpg").is_file()
    assert "Warning: 30 frames of the set have all 17 joints; configs/lifter_wild.py needs" in said
    assert "at least 100. Give more or longer videos, or take every frame (--fps 0 --force)" in said
    index = WildFrames.from_disk(tmp_path / "set", require_keypoints=True)
    assert len(index) == 30 and np.isfinite(index.keypoints).all()
    # A second run has nothing to do.
    assert tool("{v}/room.mp4", *common) == 0
    assert re.search(r"room .* as it was", capsys.readouterr().out)


@pytest.mark.parametrize(
    "source",
    [
        ["--boxes", "{v}/room_boxes.npz"],
        ["--detector", "{v}/room_boxes.npz"],
        ["--boxes", "{v}/by_name"],
        ["--detector", "{v}/by_name"],
        ["--detector", "whole-frame"],
    ],
)
def test_boxes_of_a_file_and_whole_frames(tool, tmp_path, source):
    out = ["--out", "{tmp}/set", "--min-size", 40, "--fps", 5]
    assert tool("{v}/room.mp4", *source, *out) == 0
    index = WildFrames.from_disk(tmp_path / "set")
    assert len(index) == (8 if "whole-frame" in source else 16)


def test_bad_videos_beside_a_good_one_are_named(tool, tmp_path, capsys):
    names = ["text.mp4", "empty.mp4", "cut.mp4", "dot.avi", "room.mp4"]
    out = ["--out", "{tmp}/set", "--detector", "whole-frame"]
    assert tool(*(f"{{v}}/{name}" for name in names), *out) == 0
    said = capsys.readouterr().out
    assert said.count("can't be read as a video") == 3 and "have 1 x 1 px" in said
    summary = json.loads((tmp_path / "set" / "summary.json").read_text())
    assert [bool(video["error"]) for video in summary["videos"]] == [True] * 4 + [False]


def test_frames_of_8k_are_made_smaller(tool, tmp_path):
    assert tool("{v}/large.avi", "--out", "{tmp}/set", "--detector", "whole-frame") == 0
    record = json.loads((tmp_path / "set" / "videos" / "large.json").read_text())
    assert record["size"] == [1280, 720] and record["frames"] == 3
    # A plain grey scene.
    assert any("can't be told" in note for note in record["notes"])


WHOLE = ["--detector", "whole-frame"]
MISTAKES = [
    ("no such video", ["{v}/none.mp4", *WHOLE], r"There is no video .*none\.mp4"),
    ("folder without videos", ["{v}/photos", *WHOLE], "holds no video"),
    ("not a video", ["{v}/text.mp4", *WHOLE], r"No clip was kept\. .*can't be read as a video"),
    ("zero bytes", ["{v}/empty.mp4", *WHOLE], r"\(0 bytes\) can't be read as a video"),
    ("truncated", ["{v}/cut.mp4", *WHOLE], "cut short and its table of frames is missing"),
    ("1 x 1 px", ["{v}/dot.avi", *WHOLE], "have 1 x 1 px; people can be seen in 32 x 32"),
    ("nobody", ["{v}/room.mp4", "--boxes", "{v}/nobody.npz"], "nobody was found in 15 frames"),
    (
        "too short",
        ["{v}/room.mp4", *WHOLE, "--min-length", "9"],
        "of 15 boxes 15 seen for less than 9 s dropped",
    ),
    (
        "too small",
        ["{v}/room.mp4", "--boxes", "{v}/room_boxes.npz", "--min-size", "500"],
        "of 30 boxes 30 smaller than 500 px dropped",
    ),
    ("no word of people", ["{v}/room.mp4"], "Say where people are by one of"),
    (
        "two words of people",
        ["{v}/room.mp4", *WHOLE, "--boxes", "{v}/room_boxes.npz"],
        "got --detector, --boxes",
    ),
    ("missing boxes", ["{v}/room.mp4", "--boxes", "{v}/none.npz"], r"no .*none\.npz.*--boxes"),
    (
        "one file for several videos",
        ["{v}/room.mp4", "{v}/cut.mp4", "--boxes", "{v}/room_boxes.npz"],
        "is one file, but there are several videos",
    ),
    *(
        (
            f"videos of one name with {flag}",
            ["{v}/room.mp4", "{v}/other/room.mp4", flag, "{v}/by_name"],
            rf"/room\.mp4 and .*/other/room\.mp4 would both take the file room\.\* in {flag} "
            r".*by_name\. Rename one of them",
        )
        for flag in ("--keypoints", "--boxes", "--detector")
    ),
    (
        "folder without the video's file",
        ["{v}/dot.avi", "{v}/room.mp4", "--boxes", "{v}/photos"],
        r"has no file room\.json",
    ),
    (
        "detector without weights",
        ["{v}/room.mp4", "--detector", "{v}/config.py"],
        "needs --detector-checkpoint FILE",
    ),
    (
        "missing checkpoint",
        ["{v}/room.mp4", "--detector", "{v}/config.py", "--detector-checkpoint", "{v}/none.pth"],
        r"none\.pth does not exist \(looked for at /.*\), which the detector needs; name a local",
    ),
    (
        "detector that is none",
        ["{v}/room.mp4", "--detector", "{v}/config.py", "--detector-checkpoint", "{v}/weights.pth"],
        r"The detector of .*config\.py can't be built",
    ),
    (
        "missing 2D checkpoint",
        ["{v}/room.mp4", *WHOLE, "--pose2d", "{v}/config.py", "--pose2d-checkpoint", "{v}/no.pth"],
        r"no\.pth does not exist \(looked for at /.*\), which the 2D pose model needs",
    ),
    ("half a 2D model", ["{v}/room.mp4", *WHOLE, "--pose2d", "x.py"], "belong together"),
    ("negative rate", ["{v}/room.mp4", *WHOLE, "--fps", "-1"], "fps must be positive"),
    ("no gap", ["{v}/room.mp4", *WHOLE, "--max-gap", "0"], "max_gap"),
]


@pytest.mark.parametrize(
    ("arguments", "message"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES]
)
def test_mistakes(tool, capfd, arguments, message):
    assert tool(*arguments, "--out", "{tmp}/set") == 2
    told = capfd.readouterr().err.partition("error: ")[2].partition("\n(Traceback")[0]
    assert re.search(message, told), told
    assert "\n" not in told.strip() and len(told) < 600


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("{v}/file/set", r"Results can't be written to .*Not a directory"),
        ("{v}/photos", r"no set of prepared videos \(it holds me\.jpg\)"),
        ("/proc/set", "can't be written"),
    ],
)
def test_folders_that_can_not_be_used(tool, capfd, out, message):
    """Found out before the work."""
    assert tool("{v}/room.mp4", *WHOLE, "--out", out) == 2
    assert re.search(message, capfd.readouterr().err)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """RTMDet-tiny and a small 2D pose model of their own configs, with random weights."""
    from mmdet.apis import init_detector
    from mmdet.utils import register_all_modules
    from mmpose.apis import init_model

    folder = tmp_path_factory.mktemp("models")
    register_all_modules(init_default_scope=False)
    detector = Config.fromfile(_shipped("mmdet", "rtmdet/rtmdet_tiny_8xb32-300e_coco.py"))
    detector.model.backbone.init_cfg = None
    pose = Config.fromfile(
        _shipped(
            "mmpose",
            "body_2d_keypoint/topdown_heatmap/coco/td-hm_mobilenetv2_8xb64-210e_coco-256x192.py",
        )
    )
    pose.model.backbone.init_cfg = None
    files = []
    for name, scope, config, build in (
        ("det", "mmdet", detector, init_detector),
        ("pose", "mmpose", pose, init_model),
    ):
        config.dump(folder / f"{name}.py")
        with DefaultScope.overwrite_default_scope(scope):
            model = build(str(folder / f"{name}.py"), None, device="cpu")
        torch.save({"state_dict": model.state_dict(), "meta": {}}, folder / f"{name}.pth")
        files += [folder / f"{name}.py", folder / f"{name}.pth"]
    return files


def _shipped(package, name):
    module = __import__(package)
    return str(Path(module.__file__).parent / ".mim" / "configs" / name)


def test_mmdet_and_mmpose_models(tool, tmp_path, models, capsys):
    """Untrained, so that boxes and joints are anywhere, but through the real code."""
    detector, detector_weights, pose, pose_weights = models
    detect = ["--detector", detector, "--detector-checkpoint", detector_weights]
    joints = ["--pose2d", pose, "--pose2d-checkpoint", pose_weights, "--min-joint-score", -9]
    out = ["--out", "{tmp}/set", "--fps", 2]
    status = tool("{v}/room.mp4", *detect, *out)
    # Nobody, or what an untrained network takes for somebody.
    assert status in (0, 2)
    assert tool("{v}/room.mp4", *WHOLE, *joints, "--out", "{tmp}/joints", "--fps", 2) == 0
    index = WildFrames.from_disk(tmp_path / "joints", require_keypoints=True)
    assert len(index) == 3 and np.isfinite(index.keypoints).all()
    assert np.abs(index.keypoints - [96, 72]).max() < 200


def test_detected_boxes_are_people(videos, models):
    finder = people.DetectorPeople(models[0], models[1], "cpu", min_score=0.0)
    frame = next(VideoReader(videos / "room.mp4", 10, 1280).frames())
    found = finder.find(frame)
    assert found.boxes.shape == (len(found.box_scores), 4) and found.person_ids is None
    assert (found.boxes[:, 2:] >= found.boxes[:, :2]).all()
    detector = finder.detector
    assert len(detector.model.dataset_meta["classes"]) == 80 and detector.cat_ids == [0]


def test_the_scope_of_the_process_stays(videos, models):
    before = DefaultScope.get_current_instance()
    people.DetectorPeople(models[0], models[1], "cpu", 0.3)
    people.PoseModel(models[2], models[3], "cpu", 0.3)
    assert DefaultScope.get_current_instance() is before or (
        DefaultScope.get_current_instance().scope_name == before.scope_name
    )


def test_detectors_of_other_things_are_refused():
    classes = ("car", "dog", "cat", "sheep", "cow", "horse")
    with pytest.raises(ValueError, match=r"knows no class 'person', but car, .* cow, \.\.\."):
        person_category({"classes": classes}, "other.py")
    assert person_category({"classes": ("car", "person")}, "both.py") == 1
    assert person_category({"classes": ("pedestrian",)}, "one.py") == 0


def test_ctrl_c_leaves_nothing_half_done(tool, tmp_path, monkeypatch, capfd):
    def stop(self, frame):
        raise KeyboardInterrupt

    monkeypatch.setattr(people.WholeFramePeople, "find", stop)
    assert tool("{v}/room.mp4", *WHOLE, "--out", "{tmp}/set") == 130
    assert "Interrupted." in capfd.readouterr().err
    assert not list((tmp_path / "set").iterdir())
