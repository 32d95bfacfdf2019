"""From made videos to the layout 'wild' and back."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from part_synth.datasets import LAYOUTS, KeypointClipDataset, VideoPairDataset, WildFrames
from part_synth.datasets.backgrounds import MedianBackgrounds
from part_synth.datasets.validation import validate_data_set
from part_synth.datasets.wild import ClipRules, WildOptions, prepare_videos
from part_synth.datasets.wild.contact_sheet import write_contact_sheet
from part_synth.datasets.wild.people import BoxFilePeople, KeypointFilePeople, WholeFramePeople
from part_synth.datasets.wild.records import names_of
from tiny_wild import backdrop, joints_in, save_boxes, save_keypoints, write_video

OPTIONS = WildOptions(fps=10.0, rules=ClipRules(min_length=0.8, min_size=40))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(videos, set, outcomes): two people with joints before a still camera; a camera that pans."""
    folder = tmp_path_factory.mktemp("wild")
    boxes = write_video(folder / "room one.mp4", seconds=2.5, people=2)
    save_keypoints(folder / "room one.npz", boxes)
    boxes = write_video(folder / "pan.mp4", seconds=2.0, pan=40)
    save_keypoints(folder / "pan.npz", boxes)

    def finder(video):
        return KeypointFilePeople(video.with_suffix(".npz"), None, 0.3)

    videos = [folder / "room one.mp4", folder / "pan.mp4"]
    out = folder / "set"
    outcomes = prepare_videos(videos, out, finder, options=OPTIONS)
    return videos, out, outcomes, finder


def test_what_is_found_is_read_again(made):
    _, out, outcomes, _ = made
    assert [o.name for o in outcomes] == ["room-one", "pan"]
    assert [o.record["moving_camera"] for o in outcomes] == [False, True]
    index = LAYOUTS.get("wild").from_disk(out)
    people = index.column("subject")
    assert set(people.tolist()) == {"room-one.p0", "room-one.p1", "pan.p0"}
    assert len(index) == 25 + 25 + 20
    for lane in (0, 1):
        rows = people == f"room-one.p{lane}"
        np.testing.assert_array_equal(index.frame[rows], np.arange(25) * 100)
        np.testing.assert_allclose(index.time[rows], np.arange(25) / 10)
    assert np.isnan(index.joints).all() and not index.joints_visible.any()
    # Two people of one frame share its picture.
    assert len(set(index.image_names.tolist())) == 25 + 20
    assert np.isnan(index.cameras.focal).all()


def test_joints_and_boxes_are_where_they_were(made):
    videos, out, *_ = made
    index = WildFrames.from_disk(out, subjects=["room-one.p0"])
    with np.load(videos[0].with_suffix(".npz")) as file:
        expected = file["keypoints"][file["person_ids"] == 0]
    np.testing.assert_allclose(index.keypoints, expected, atol=1e-3)
    low, high = expected.min(1), expected.max(1)
    np.testing.assert_allclose(index.center, (low + high) / 2, atol=1e-3)
    side = 1.25 * 1.2 * (high - low).max(1)
    np.testing.assert_allclose(index.box[:, 2], side, rtol=1e-4)


def test_images_and_background_are_the_videos(made):
    videos, out, *_ = made
    index = WildFrames.from_disk(out, moving=False)
    capture = cv2.VideoCapture(str(videos[0]))
    first = capture.read()[1]
    image = cv2.imread(str(index.image_path(0)))
    assert np.abs(image.astype(int) - first).mean() < 10
    background = MedianBackgrounds(index)["room-one"]
    assert np.abs(background.astype(int) - backdrop(200, 144)[:, :192]).mean() < 10
    # The picture that the set brings, nothing computed.
    assert [p.name for p in (out / "backgrounds").iterdir()] == ["room-one.png"]


def test_nothing_is_wrong_with_it(made):
    findings, frames = validate_data_set(made[1])
    assert (findings, frames) == ([], 70)


def test_data_sets_read_it(made):
    _, out, *_ = made
    pairs = VideoPairDataset(
        str(out),
        layout="wild",
        layout_options=dict(moving=False),
        min_gap=0.5,
        crop=dict(size=32, background="median", labels=False, flip=0.5, shift=0.1),
    )
    sample = pairs[3]
    assert sample["inputs"]["image"].shape == (2, 3, 32, 32)
    assert sample["inputs"]["background"].shape == (2, 3, 32, 32)
    clips = KeypointClipDataset(out, layout="wild", num_frames=3, interval=0.2)
    assert len(clips) == 70
    assert clips[0]["inputs"]["points"].shape == (3, 17, 2)


def test_cameras_that_move_have_no_background(made):
    _, out, *_ = made
    index = WildFrames.from_disk(out, cameras=["pan"])
    assert index.background_path("pan") is None and index.column("moving").all()
    with pytest.raises(ValueError, match=r"the cameras of all 1 videos move\. Set .*moving=None"):
        WildFrames.from_disk(out, ann_file="annotations/pan.npz", moving=False)


def test_a_second_run_goes_on(made, monkeypatch):
    videos, out, outcomes, finder = made
    before = (out / "videos" / "room-one.json").stat().st_mtime_ns
    (out / "videos" / "pan.json").unlink()
    calls = []
    again = prepare_videos(
        videos, out, lambda v: calls.append(v.stem) or finder(v), options=OPTIONS
    )
    assert calls == ["pan"] and [o.reused for o in again] == [True, False]
    assert [o.record for o in again] == [o.record for o in outcomes]
    assert (out / "videos" / "room-one.json").stat().st_mtime_ns == before
    assert not list(out.glob(".*"))
    summary = json.loads((out / "summary.json").read_text())
    assert summary["clips"] == 3 and summary["frames"] == 70


def test_broken_off_leaves_nothing_half_done(made, tmp_path):
    videos, _, _, finder = made
    calls = []

    def stop(name, done, total):
        calls.append(done)
        if len(calls) > 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_videos(videos[:1], tmp_path / "set", finder, options=OPTIONS, progress=stop)
    assert not [p for p in (tmp_path / "set").rglob("*") if p.is_file()]
    (outcome,) = prepare_videos(videos[:1], tmp_path / "set", finder, options=OPTIONS)
    assert outcome.record["clips"] == 2


def test_other_options_are_refused_without_force(made, tmp_path):
    videos, _, _, finder = made
    first = WildOptions(fps=5.0, rules=OPTIONS.rules)
    prepare_videos(videos[:1], tmp_path / "set", finder, options=first)
    with pytest.raises(ValueError, match="made with other options"):
        prepare_videos(videos, tmp_path / "set", finder, options=OPTIONS)
    (outcome,) = prepare_videos(videos[:1], tmp_path / "set", finder, options=OPTIONS, force=True)
    assert outcome.record["frames"] == 50 and not outcome.reused


def test_the_tracker_follows_boxes_without_names(tmp_path):
    """Two people who cross: mmdet's ByteTrack keeps them apart."""
    boxes = write_video(tmp_path / "cross.mp4", seconds=2.5, people=2)
    # One lane lower than the other, as one person is nearer.
    boxes[:, 1] += [0, 30, 0, 30]
    save_boxes(tmp_path / "cross.npz", boxes, ids=False)
    finder = BoxFilePeople(tmp_path / "cross.npz")
    prepare_videos([tmp_path / "cross.mp4"], tmp_path / "set", finder, options=OPTIONS)
    index = WildFrames.from_disk(tmp_path / "set")
    people = set(index.column("subject").tolist())
    assert people == {"cross.p0", "cross.p1"}
    for person in people:
        x = index.center[index.column("subject") == person, 0]
        step = np.diff(x)
        assert (step > 0).all() or (step < 0).all()


def test_whole_frame_takes_clips_of_one_person(tmp_path):
    write_video(tmp_path / "one.mp4", seconds=1.5, size=(96, 160))
    (outcome,) = prepare_videos([tmp_path / "one.mp4"], tmp_path / "set", WholeFramePeople())
    assert (outcome.record["people"], outcome.record["frames"]) == (1, 15)
    index = WildFrames.from_disk(tmp_path / "set")
    np.testing.assert_allclose(index.box, [[48, 80, 160]] * 15)
    assert np.isnan(index.keypoints).all()
    with pytest.raises(ValueError, match="no frame with all 2D joints"):
        WildFrames.from_disk(tmp_path / "set", require_keypoints=True)


def test_boxes_shrink_with_the_frames(tmp_path):
    boxes = write_video(tmp_path / "large.mp4", seconds=1.0, size=(384, 288))
    keypoints = save_keypoints(tmp_path / "large.npz", boxes)
    options = WildOptions(max_side=192, rules=OPTIONS.rules)
    finder = KeypointFilePeople(keypoints, None, 0.3)
    prepare_videos([tmp_path / "large.mp4"], tmp_path / "set", finder, options=options)
    index = WildFrames.from_disk(tmp_path / "set")
    assert cv2.imread(str(index.image_path(0))).shape == (144, 192, 3)
    expected = (joints_in(boxes[0, 0]) + 0.5) / 2 - 0.5
    np.testing.assert_allclose(index.keypoints[0], expected, atol=0.01)


def test_videos_of_the_same_name_are_kept_apart(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_video(tmp_path / folder / "x.mp4", seconds=1.0)
    first = prepare_videos([tmp_path / "a"], tmp_path / "set", WholeFramePeople())
    both = prepare_videos([tmp_path / "b", tmp_path / "a"], tmp_path / "set", WholeFramePeople())
    assert first[0].name == "x" == both[1].name and both[1].reused
    assert both[0].name.startswith("x-") and len(both[0].name) == 8
    assert len(WildFrames.from_disk(tmp_path / "set").sequences) == 2


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("Übung eins", "Übung-eins"),
        ("U\u0308bung_1", "Übung-1"),
        ("日本", "日本"),
        ("नमस्ते (2)", "नमस्ते-2"),
        ("run 🏃\u200d♂\ufe0f!", "run"),
        ("...", "video"),
        ("я" * 120, "я" * 100),
    ],
)
def test_names_keep_letters_and_digits_of_any_script(stem, name):
    assert list(names_of([Path(f"/v/{stem}.mp4")], {}).values()) == [name]
    other = names_of([Path(f"/w/{stem}.mp4")], {name: {"source": "/v"}})
    assert re.fullmatch(re.escape(name) + "-[0-9a-f]{6}", *other.values())


def test_names_of_any_script_are_read_again(tmp_path):
    write_video(tmp_path / "x.mp4", seconds=1.0)
    (tmp_path / "x.mp4").rename(tmp_path / "Übung 日本.mp4")
    prepare_videos([tmp_path], tmp_path / "set", WholeFramePeople())
    index = WildFrames.from_disk(tmp_path / "set", subjects=["Übung-日本.p0"])
    assert cv2.imread(str(index.image_path(0))).shape == (144, 192, 3)
    assert index.background_path("Übung-日本").is_file()
    assert validate_data_set(tmp_path / "set") == ([], 10)
    assert write_contact_sheet(tmp_path / "set", tmp_path / "set" / "sheet.jpg").is_file()


def test_a_bad_video_does_not_stop_the_others(tmp_path):
    (tmp_path / "bad.mp4").write_text("no video")
    write_video(tmp_path / "good.mp4", seconds=1.0)
    bad, good = prepare_videos([tmp_path], tmp_path / "set", WholeFramePeople())
    assert "can't be read as a video" in bad.error and good.record["clips"] == 1


def test_contact_sheet(made, tmp_path):
    _, out, *_ = made
    sheet = cv2.imread(str(write_contact_sheet(out, tmp_path / "sheet.jpg")))
    # Three clips; the still camera's rows end with the background.
    assert sheet.shape[0] == 3 * 164 and sheet.shape[1] == 6 * 213


def test_other_folders_are_refused(tmp_path):
    write_video(tmp_path / "x.mp4", seconds=1.0)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").touch()
    with pytest.raises(ValueError, match=r"no set of prepared videos \(it holds me\.jpg\)"):
        prepare_videos([tmp_path / "x.mp4"], tmp_path / "photos", WholeFramePeople())
    with pytest.raises(FileNotFoundError, match="has no folder `videos`"):
        WildFrames.from_disk(tmp_path / "photos")
    with pytest.raises(FileNotFoundError, match=r"There is no data set at .*prepare_videos\.py"):
        WildFrames.from_disk(tmp_path / "none")
    with pytest.raises(ValueError, match="has no splits"):
        prepare_videos([tmp_path / "x.mp4"], tmp_path / "set", WholeFramePeople())
        WildFrames.from_disk(tmp_path / "set", split="test")
