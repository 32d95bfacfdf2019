import contextlib
import json
import re
import signal

import cv2
import numpy as np
import pytest
import stub_pose2d
from part_synth.apis import lift
from part_synth.datasets.bvh import read_bvh
from part_synth.inferencer import PartSynthInferencer
from part_synth.people import WholeFrame
from part_synth.registry import INFERENCERS
from tiny_videos import FPS, crossing, frames_of, mmpose_json, pose_2d, write_video

COUNT = 8


def two_people(count=COUNT):
    """2D joints of two people who walk past each other; listed in turns."""
    frames = []
    for number in range(count):
        x = 12 + 40 * number / (count - 1)
        people = [pose_2d((x, 26), 36.0), pose_2d((64 - x, 24), 28.0)]
        frames.append(people if number % 2 == 0 else people[::-1])
    return frames


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "walk.mp4", COUNT)


@pytest.fixture
def keypoints(tmp_path):
    return mmpose_json(tmp_path / "walk.json", two_people())


def test_it_is_registered_with_mmpose(lifter):
    from mmengine.registry import DefaultScope
    from mmpose.registry import INFERENCERS as MMPOSE

    assert INFERENCERS.get("PartSynthInferencer") is PartSynthInferencer
    with DefaultScope.overwrite_default_scope("mmpose"):
        built = MMPOSE.build(dict(type="part_synth.PartSynthInferencer", **lifter))
    assert isinstance(built, PartSynthInferencer)


def test_a_video_and_a_file_of_keypoints(video, keypoints, tmp_path, lifter):
    inferencer = PartSynthInferencer(**lifter)
    out = tmp_path / "out"
    formats = ("json", "csv", "npz", "bvh")
    results = list(inferencer(str(video), keypoints, out_dir=out, out_formats=formats))
    assert len(results) == COUNT
    # Everybody keeps the number from before the crossing, whatever the order in the file.
    for number, result in enumerate(results):
        assert result["visualization"] == []
        (people,) = result["predictions"]
        places = {p["track_id"]: np.mean(p["keypoints_2d"], 0)[0] for p in people}
        assert set(places) == {0, 1}
        if number in (0, COUNT - 1):
            assert (places[0] < places[1]) == (number == 0)
    frames, fps = frames_of(out / "visualizations" / "walk.mp4")
    assert len(frames) == COUNT and fps == pytest.approx(FPS)
    content = json.loads((out / "predictions" / "walk.json").read_text())
    assert [f["instances"] for f in content["instance_info"]] == [
        r["predictions"][0] for r in results
    ]
    header = content["meta_info"]
    assert header["units"] == "mm" and header["fps"] == pytest.approx(FPS)
    assert header["smoothing"] is None and header["interrupted"] is False
    assert any("ByteTrack" in sentence for sentence in header["assumptions"])
    assert not any("same place" in sentence for sentence in header["assumptions"])
    for person in (0, 1):
        motion = read_bvh(out / "predictions" / f"walk_person{person}.bvh")
        assert len(motion.values) == COUNT
    assert (out / "predictions" / "walk.csv").is_file()


def test_joints_are_those_of_lift_in_millimetres(video, tmp_path, lifter):
    frames = [[pose_2d((30, 25))] for _ in range(COUNT)]
    path = mmpose_json(tmp_path / "one.json", frames, ids=[[5]] * COUNT)
    results = list(PartSynthInferencer(**lifter)(video, path))
    expected = lift(frames[0][0], image_size=(64, 48), model=tuple(lifter.values()))
    for result in results:
        (person,) = result["predictions"][0]
        assert person["track_id"] == 5
        np.testing.assert_allclose(person["keypoints"], 1000 * expected.joints[0], atol=0.02)


@pytest.mark.parametrize(
    "camera",
    [
        {"focal": (0.0, 0.0), "centre": (32.0, 24.0)},
        {"focal": (-9.0, 60.0), "centre": (32.0, 24.0)},
        {"focal": (60.0, 60.0), "centre": (float("nan"), 1.0)},
        {"focal": (60.0, 60.0)},
    ],
)
def test_a_camera_that_can_t_be_is_refused_before_the_work(video, keypoints, lifter, camera):
    with pytest.raises(ValueError, match="camera"):
        next(PartSynthInferencer(**lifter)(video, keypoints, camera=camera))


def test_a_camera_tells_where_people_stand(video, keypoints, lifter):
    camera = dict(focal=(60.0, 60.0), centre=(32.0, 24.0))
    for result in PartSynthInferencer(**lifter)(video, keypoints, camera=camera):
        assert result["meta_info"]["has_root_position"]
        for person in result["predictions"][0]:
            place = np.array(person["root_position"])
            seen = 60 * place[:2] / place[2] + [32, 24]
            # An untrained lifter is off by some of the person's size.
            np.testing.assert_allclose(seen, person["keypoints_2d"][0], atol=6)


def test_results_of_another_input_are_not_overwritten_without_a_word(
    tmp_path, keypoints, lifter, log
):
    out = {"pred_out_dir": tmp_path / "out", "out_formats": ["json", "npz"]}
    videos = []
    for name in "ab":
        (tmp_path / name).mkdir()
        videos.append(write_video(tmp_path / name / "walk.mp4", COUNT))
    # Another path to the same file is the same input.
    for video in (videos[0], tmp_path / "b" / ".." / "a" / "walk.mp4"):
        list(PartSynthInferencer(**lifter)(video, keypoints, **out))
        content = json.loads((tmp_path / "out" / "walk.json").read_text())
        assert content["meta_info"]["source"] == str(videos[0].resolve())
        assert log.text == ""
    list(PartSynthInferencer(**lifter)(videos[1], keypoints, **out))
    first = videos[0].resolve()
    assert f"walk.json holds the result of {first}, and 1 more files of others" in log.text
    log.clear()
    (tmp_path / "out" / "walk.json").write_text("[]")
    list(PartSynthInferencer(**lifter)(videos[1], keypoints, **out))
    assert "walk.json holds what is no result of this tool; it is overwritten" in log.text


def test_smoothing_says_so(video, keypoints, lifter):
    (first, *_) = PartSynthInferencer(**lifter)(video, keypoints, smooth=0.2)
    assert "Gaussian" in first["meta_info"]["smoothing"]
    assert "0.2 s" in first["meta_info"]["smoothing"]


def test_nobody_gives_an_empty_valid_result(video, tmp_path, lifter):
    path = mmpose_json(tmp_path / "none.json", [[] for _ in range(COUNT)])
    formats = ("json", "csv", "npz", "bvh")
    results = list(
        PartSynthInferencer(**lifter)(video, path, out_dir=tmp_path / "o", out_formats=formats)
    )
    assert [result["predictions"] for result in results] == [[[]]] * COUNT
    assert len(frames_of(tmp_path / "o" / "visualizations" / "walk.mp4")[0]) == COUNT


def test_somebody_who_comes_late_and_leaves(video, tmp_path, lifter):
    frames = [[] if n < 3 or n > 5 else [pose_2d((30, 25))] for n in range(COUNT)]
    path = mmpose_json(tmp_path / "late.json", frames)
    counts = [len(r["predictions"][0]) for r in PartSynthInferencer(**lifter)(video, path)]
    assert counts == [0, 0, 0, 1, 1, 1, 0, 0]


def test_frames_counted_from_one(video, tmp_path, lifter):
    path = mmpose_json(tmp_path / "k.json", [[]] + [[pose_2d((30, 25))]] * COUNT)
    results = list(PartSynthInferencer(**lifter)(video, path))
    assert [len(result["predictions"][0]) for result in results] == [1] * COUNT
    assert any("counted from 1" in s for s in results[0]["meta_info"]["assumptions"])


def test_thirty_people(video, tmp_path, lifter):
    crowd = [pose_2d((40 * (i % 6) + 20, 40 * (i // 6) + 20)) for i in range(30)]
    path = mmpose_json(tmp_path / "crowd.json", [crowd] * COUNT)
    results = list(PartSynthInferencer(**lifter)(video, path, vis_out_dir=tmp_path / "o"))
    assert {len(result["predictions"][0]) for result in results} == {30}


def test_a_model_of_mmpose_with_given_boxes(tmp_path, lifter, pose2d):
    count = 24
    video, boxes = write_video(tmp_path / "walk.mp4", count), crossing(count)
    inferencer = PartSynthInferencer(**lifter, **pose2d, batch_size=10)
    stub_pose2d.calls.clear()
    results = list(inferencer(video, bboxes=list(boxes), return_vis=True))
    # Frames and people in batches.
    assert stub_pose2d.calls == [20, 20, 8]
    for number, result in enumerate(results):
        (people,) = result["predictions"]
        assert {person["track_id"] for person in people} == {0, 1}
        for person in people:
            box = boxes[number, person["track_id"]]
            np.testing.assert_allclose(person["bbox"][0], box, atol=0.01)
            middle = np.mean(person["keypoints_2d"], 0)
            assert abs(middle[0] - (box[0] + box[2]) / 2) < 1.5
        (image,) = result["visualization"]
        assert image.dtype == np.uint8 and image.shape[2] == 3


def test_from_a_raw_video_to_people_with_a_detector(tmp_path, lifter, pose2d, detector):
    """Two people cross; nobody is there at the beginning, and one leaves at the end."""
    count = 24
    boxes = crossing(count).round().astype(int)
    writer = cv2.VideoWriter(
        str(tmp_path / "v.avi"), cv2.VideoWriter_fourcc(*"MJPG"), FPS, (64, 48)
    )
    for number, (red, green) in enumerate(boxes):
        image = np.full((48, 64, 3), 60, np.uint8)
        if number >= 2:
            image[green[1] : green[3], green[0] : green[2]] = 30, 220, 30
        if 2 <= number < 22:
            image[red[1] : red[3], red[0] : red[2]] = 30, 30, 220
        writer.write(image)
    writer.release()
    inferencer = PartSynthInferencer(**lifter, **pose2d, **detector, batch_size=5)
    results = list(inferencer(tmp_path / "v.avi", out_dir=tmp_path / "out"))
    counts = [len(result["predictions"][0]) for result in results]
    assert counts == [0, 0] + [2] * 20 + [1, 1]
    first = results[2]["predictions"][0]
    places = {np.abs(p["bbox"][0] - boxes[2, 0]).max() < 3: p["track_id"] for p in first}
    assert set(places.values()) == {0, 1} and len(places) == 2
    for number in range(2, 22):
        people = {p["track_id"]: p["bbox"][0] for p in results[number]["predictions"][0]}
        if np.abs(boxes[number, 0, 0] - boxes[number, 1, 0]) > 12:  # else one hides the other
            np.testing.assert_allclose(people[places[True]], boxes[number, 0], atol=2)
            np.testing.assert_allclose(people[places[False]], boxes[number, 1], atol=2)
    assert len(frames_of(tmp_path / "out" / "visualizations" / "v.mp4")[0]) == count


def test_boxes_of_a_file_with_ids(video, tmp_path, lifter, pose2d):
    boxes = crossing(COUNT)
    lines = [
        f"{n + 1},{7 + p},{b[0]},{b[1]},{b[2] - b[0]},{b[3] - b[1]},1"
        for n, people in enumerate(boxes)
        for p, b in enumerate(people)
        if n != 2
    ]
    (tmp_path / "mot.txt").write_text("\n".join(lines))
    results = list(PartSynthInferencer(**lifter, **pose2d)(video, bboxes=tmp_path / "mot.txt"))
    ids = [{p["track_id"] for p in result["predictions"][0]} for result in results]
    assert ids == [{7, 8} if n != 2 else set() for n in range(COUNT)]


def test_the_whole_frame_as_one_box(video, lifter, pose2d):
    inferencer = PartSynthInferencer(**lifter, **pose2d, det_model="whole-frame")
    for result in inferencer(video):
        (person,) = result["predictions"][0]
        assert person["track_id"] == 0
        np.testing.assert_allclose(person["bbox"], [[0, 0, 64, 48]])
    assert WholeFrame.note in inferencer.sequence.assumptions
    assert not any("ByteTrack" in sentence for sentence in inferencer.sequence.assumptions)


BOX = [5, 5, 30, 40]
AWAY = [500, 5, 530, 40]
BOXES = [
    ("all outside", range(8), [AWAY], 0, "8 of 8 boxes lie outside of the picture"),
    ("some outside", range(8), [BOX, AWAY], 8, "8 of 16 boxes lie outside of the picture"),
    ("counted from 1", range(1, 9), [BOX], 8, "frames of the boxes .* counted from 1"),
]


@pytest.mark.parametrize(
    ("frames", "boxes", "poses", "note"), [row[1:] for row in BOXES], ids=[row[0] for row in BOXES]
)
def test_what_is_said_of_boxes(video, tmp_path, lifter, pose2d, frames, boxes, poses, note):
    instances = [{"bbox": box} for box in boxes]
    content = [{"frame_id": number, "instances": instances} for number in frames]
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    inferencer = PartSynthInferencer(**lifter, **pose2d)
    results = list(inferencer(video, bboxes=tmp_path / "boxes.json"))
    assert sum(len(result["predictions"][0]) for result in results) == poses
    assert any(re.search(note, said) for said in inferencer.sequence.assumptions)


@pytest.mark.parametrize(("count", "warned"), [(5, True), (COUNT, False)])
def test_a_file_of_keypoints_shorter_than_the_video(video, tmp_path, lifter, log, count, warned):
    # Frames with nobody at the end of the file are frames.
    path = mmpose_json(tmp_path / "k.json", [[pose_2d((30, 25))]] * 4 + [[]] * (count - 4))
    inferencer = PartSynthInferencer(**lifter)
    assert len(list(inferencer(video, path))) == COUNT
    for said in ("\n".join(inferencer.sequence.assumptions), log.text):
        assert ("ends after 5 frames, the input has 8" in said) == warned


def test_all_frames_are_shown_as_drawn(video, keypoints, tmp_path, lifter, monkeypatch):
    done = []

    @contextlib.contextmanager
    def progress(title, total):
        yield lambda number: done.append((title, number))

    inferencer = PartSynthInferencer(**lifter)
    monkeypatch.setattr(inferencer, "_progress", progress)
    list(inferencer(video, keypoints, vis_out_dir=tmp_path / "out"))
    assert done == [("Drawings", number) for number in range(1, COUNT + 1)]


def test_frames_of_8k(tmp_path, lifter, pose2d):
    video = write_video(tmp_path / "large.avi", 3, size=(7680, 4320), codec="MJPG")
    inferencer = PartSynthInferencer(**lifter, **pose2d, det_model="whole-frame")
    results = list(inferencer(video, out_dir=tmp_path / "out"))
    assert [len(result["predictions"][0]) for result in results] == [1] * 3
    assert results[0]["meta_info"]["image_size"] == [7680, 4320]
    frames, _ = frames_of(tmp_path / "out" / "visualizations" / "large.mp4")
    # Drawings are made smaller.
    assert len(frames) == 3 and frames[0].shape[0] == 720


@pytest.mark.parametrize("shape", [(1, 1, 3), (40, 30), (40, 30, 4), (40, 30, 3)])
def test_pictures_as_arrays(shape, lifter, pose2d):
    inferencer = PartSynthInferencer(**lifter, **pose2d, det_model="whole-frame")
    (result,) = inferencer(np.full(shape, 90, np.uint8), return_vis=True)
    assert len(result["visualization"]) == 1
    assert result["meta_info"]["fps"] is None


def test_a_folder_of_pictures_of_several_sizes(tmp_path, lifter, pose2d):
    folder = tmp_path / "in"
    folder.mkdir()
    for name, size in (("a.png", (40, 30)), ("b.jpg", (20, 50)), ("b.png", (40, 30))):
        cv2.imwrite(str(folder / name), np.full((*size, 3), 80, np.uint8))
    inferencer = PartSynthInferencer(**lifter, **pose2d, det_model="whole-frame")
    out = tmp_path / "out"
    results = list(inferencer(folder, out_dir=out, out_formats=("json", "csv")))
    assert [len(r["predictions"][0]) for r in results] == [1, 1, 1]
    written = {path.name for path in (out / "predictions").iterdir()}
    assert written == {"a.json", "b.jpg.json", "b.png.json", "in.csv"}
    assert {p.name for p in (out / "visualizations").iterdir()} == {"a.png", "b.jpg", "b.png"}
    header = json.loads((out / "predictions" / "b.png.json").read_text())["meta_info"]
    assert header["source"] == str((folder / "b.png").resolve())
    assert results[0]["meta_info"]["source"] == str(folder.resolve())
    content = json.loads((out / "predictions" / "b.jpg.json").read_text())
    assert content["instance_info"][0]["name"] == "b.jpg"


def test_ctrl_c_leaves_a_valid_video_and_json(video, tmp_path, lifter, pose2d, monkeypatch):
    inferencer = PartSynthInferencer(**lifter, **pose2d, det_model="whole-frame", batch_size=2)
    find, calls = inferencer.finder.find, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return find(*arguments)

    monkeypatch.setattr(inferencer.finder, "find", interrupted)
    results = list(inferencer(video, out_dir=tmp_path / "out"))
    assert len(results) == 4 and inferencer.sequence.interrupted
    content = json.loads((tmp_path / "out" / "predictions" / "walk.json").read_text())
    assert content["meta_info"]["interrupted"] and len(content["instance_info"]) == 4
    assert len(frames_of(tmp_path / "out" / "visualizations" / "walk.mp4")[0]) == 4


def test_ctrl_c_while_poses_are_lifted_waits_until_they_are_written(
    video, keypoints, tmp_path, lifter, monkeypatch
):
    from part_synth.inferencer import part_synth_inferencer as module

    lifted = module.to_sequence

    def interrupted(*arguments, **named):
        signal.raise_signal(signal.SIGINT)
        return lifted(*arguments, **named)

    monkeypatch.setattr(module, "to_sequence", interrupted)
    inferencer = PartSynthInferencer(**lifter)
    assert list(inferencer(video, keypoints, out_dir=tmp_path / "out")) == []
    assert inferencer.sequence.interrupted
    content = json.loads((tmp_path / "out" / "predictions" / "walk.json").read_text())
    assert len(content["instance_info"]) == COUNT


def test_leaving_in_the_middle_of_the_drawing(video, keypoints, tmp_path, lifter):
    results = PartSynthInferencer(**lifter)(video, keypoints, out_dir=tmp_path / "out")
    for _ in range(3):
        next(results)
    results.close()
    assert len(frames_of(tmp_path / "out" / "visualizations" / "walk.mp4")[0]) == 3
    content = json.loads((tmp_path / "out" / "predictions" / "walk.json").read_text())
    assert len(content["instance_info"]) == COUNT


class Camera:
    """A webcam with some frames."""

    def __init__(self, index):
        self.left = 4 if index == 0 else 0

    def isOpened(self):
        return self.left > 0

    def get(self, _):
        return 10.0

    def read(self):
        self.left -= 1
        return self.left >= 0, np.full((48, 64, 3), 60, np.uint8)

    def release(self):
        pass


def test_a_webcam(tmp_path, lifter, pose2d, monkeypatch):
    inferencer = PartSynthInferencer(**lifter, **pose2d, det_model="whole-frame")
    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    with pytest.raises(ValueError, match="A webcam needs a detector"):
        next(inferencer("0", bboxes=[]))
    results = list(inferencer("0", out_dir=tmp_path, out_formats=("json", "bvh")))
    monkeypatch.undo()
    assert [len(r["predictions"][0]) for r in results] == [1] * 4
    content = json.loads((tmp_path / "predictions" / "webcam0.json").read_text())
    assert [len(f["instances"]) for f in content["instance_info"]] == [1] * 4
    assert content["meta_info"]["assumptions"].count(WholeFrame.note) == 1
    assert len(frames_of(tmp_path / "visualizations" / "webcam0.mp4")[0]) == 4


NO_2D = "It is not said where 2D joints come from.*keypoints=FILE.*pose2d=CONFIG"
CALLS = [
    ("nothing to find 2D joints", {}, {}, NO_2D),
    ("no boxes", {"pose2d": True}, {}, "It is not said where people are.*det_model=CONFIG"),
    ("keypoints and a model", {"pose2d": True}, {"keypoints": "{k}"}, "2D joints come from a file"),
    ("unknown format", {}, {"keypoints": "{k}", "out_formats": ["fbx"]}, "out_formats are json"),
    ("negative smoothing", {}, {"keypoints": "{k}", "smooth": -1}, "smooth must be seconds"),
    ("unwritable", {}, {"keypoints": "{k}", "out_dir": "{k}/x"}, "Results can't be written to"),
    ("over the input", {}, {"keypoints": "{k}", "vis_out_dir": "{tmp}"}, "overwrite the input"),
    ("over 2D joints", {}, {"keypoints": "{k}", "pred_out_dir": "{tmp}"}, r"input .*walk\.json,"),
    (
        "among 2D joints",
        {},
        {"inputs": "{tmp}/in/p.png", "keypoints": "{tmp}/in", "pred_out_dir": "{tmp}/in"},
        "over the input .*in, which holds 2D joints",
    ),
    (
        "over boxes",
        {"pose2d": True},
        {"bboxes": "{tmp}/walk.csv", "pred_out_dir": "{tmp}", "out_formats": ["json", "csv"]},
        r"over the input .*walk\.csv",
    ),
    (
        "pictures of one name",
        {},
        {"inputs": ["{tmp}/in/p.png", "{tmp}/p.png"], "keypoints": "{k}", "out_dir": "{tmp}/o"},
        r"in/p\.png and .*p\.png would both be written to .*visualizations/p\.png",
    ),
    (
        "poses of pictures of one name",
        {},
        {
            "inputs": ["{tmp}/in/p.png", "{tmp}/p.png"],
            "keypoints": "{k}",
            "pred_out_dir": "{tmp}/o",
        },
        r"would both be written to .*o/p\.png\.json",
    ),
    (
        "BVH of several pictures",
        {},
        {"inputs": ["{tmp}/in/p.png", "{tmp}/p.png"], "keypoints": "{k}", "out_formats": ["bvh"]},
        r"has 2 pictures; leave bvh out of out_formats \(--formats\)",
    ),
    (
        "boxes of more frames",
        {"pose2d": True},
        {"bboxes": "{tmp}/long.txt", "out_dir": "{tmp}/o"},
        "boxes of frames 0 to 11, the input only 8 .*do they belong together",
    ),
    (
        "a list with boxes of one frame more",
        {"pose2d": True},
        {"bboxes": [[]] + [[[1, 2, 30, 40]]] * COUNT},
        "boxes of frames 1 to 8, the input only 8",
    ),
    ("no display", {}, {"keypoints": "{k}", "show": True}, "no display"),
    ("webcam", {}, {"keypoints": "{k}", "inputs": "webcam:99"}, "There is no webcam 99"),
    ("more frames than the video", {}, {"keypoints": "{long}"}, "frames 0 to 11, the input only 8"),
    (
        "other number of boxes",
        {"pose2d": True},
        {"bboxes": [[[1, 2, 3]]]},
        r"array \(P, 4\).*got \(1, 3\)",
    ),
]


@pytest.mark.parametrize(
    ("made", "called", "message"), [row[1:] for row in CALLS], ids=[row[0] for row in CALLS]
)
def test_bad_calls(video, keypoints, tmp_path, lifter, pose2d, monkeypatch, made, called, message):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    long = mmpose_json(tmp_path / "long.json", two_people(12))
    (tmp_path / "in").mkdir()
    for name in ("in/p.png", "p.png"):
        cv2.imwrite(str(tmp_path / name), np.full((48, 64, 3), 80, np.uint8))
    mmpose_json(tmp_path / "in" / "p_keypoints.json", two_people()[:1])
    (tmp_path / "walk.csv").write_text("1,1,5,5,20,30\n")
    (tmp_path / "long.txt").write_text("".join(f"{n},1,5,5,20,30\n" for n in range(1, 13)))
    words = {"{k}": keypoints, "{tmp}": tmp_path, "{long}": long}

    def fill(value):
        if isinstance(value, list):
            return [fill(entry) for entry in value]
        for word, path in words.items() if isinstance(value, str) else ():
            value = value.replace(word, str(path))
        return value

    called = {"inputs": video} | {name: fill(value) for name, value in called.items()}
    inferencer = PartSynthInferencer(**lifter, **(pose2d if made else {}))
    before = {path: path.is_dir() or path.read_bytes() for path in tmp_path.rglob("*")}
    with pytest.raises(ValueError, match=message):
        next(inferencer(**called))
    # Nothing is lost, and no empty folder stays behind.
    assert {p: p.is_dir() or p.read_bytes() for p in tmp_path.rglob("*")} == before


MODELS = [
    ({"pose3d": "{m}/config.py"}, ValueError, "pose3d is given without a checkpoint"),
    ({"pose3d_weights": "{m}/weights.pth"}, ValueError, "without pose3d"),
    (
        {"pose3d": "part_synth_synthetic_64px", "pose3d_weights": "{m}/weights.pth"},
        ValueError,
        "names a model in the package, which brings its own weights",
    ),
    ({"pose3d": "{m}/none.py"}, FileNotFoundError, r"none\.py does not exist.*package: lifter or"),
    ({"pose3d": "{m}/none.py", "pose3d_weights": "x"}, FileNotFoundError, r"none\.py does not"),
    (
        {"pose3d": "{m}/config.py", "pose3d_weights": "{m}/none.pth"},
        FileNotFoundError,
        r"Checkpoint .*none\.pth does not exist",
    ),
    ({"pose2d": "{m}/pose2d.py"}, ValueError, "pose2d is given without a checkpoint"),
    (
        {"pose2d": "{m}/pose2d.py", "pose2d_weights": "{m}/none.pth"},
        FileNotFoundError,
        r"none\.pth does not exist",
    ),
    ({"pose2d": "{m}/no.py", "pose2d_weights": "x"}, FileNotFoundError, r"no\.py of pose2d does"),
    ({"det_model": "{m}/no.py"}, FileNotFoundError, r"no\.py of det_model does not exist"),
    ({"det_model": "hovercraft"}, ValueError, "neither a config file nor a name that mmdet knows"),
    ({"batch_size": 0}, ValueError, "batch_size must be"),
    ({"device": "abacus"}, ValueError, "'abacus' can't be used"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), MODELS)
def test_models_that_are_not_there(models, arguments, error, message):
    filled = {
        name: value.replace("{m}", str(models)) if isinstance(value, str) else value
        for name, value in arguments.items()
    }
    with pytest.raises(error, match=message):
        PartSynthInferencer(**filled)
