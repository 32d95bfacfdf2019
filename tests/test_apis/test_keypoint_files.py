import json

import mmengine
import numpy as np
import pytest
from mmengine.structures import InstanceData
from mmpose.structures.utils import split_instances
from part_synth.apis.keypoint_files import read_keypoints


def people(count, frame=0, num_joints=17):
    """(count, L, 3) x, y, score; person i is 100 (i + 1) px large."""
    rng = np.random.default_rng(frame)
    values = rng.uniform(0.3, 1, (count, num_joints, 3)).round(3)
    values[:, :2, :2] = [[0, 0], [1, 1]]  # exact boxes
    values[..., :2] = (values[..., :2] * 100 * np.arange(1, count + 1)[:, None, None]).round(3)
    return values


def of_mmpose(values, **more):
    """As mmpose writes people."""
    instances = InstanceData(keypoints=values[..., :2], keypoint_scores=values[..., 2])
    corners = [values[..., :2].min(1), values[..., :2].max(1)]
    instances.bboxes = np.concatenate(corners, 1)
    instances.bbox_scores = np.ones(len(values))
    entries = split_instances(instances)
    for i, entry in enumerate(entries):
        entry.update({key: value[i] for key, value in more.items()})
    return entries


def write(path, data):
    mmengine.dump(data, str(path))
    return path


def assert_rows(tracks, rows):
    rows = np.asarray(rows)
    np.testing.assert_allclose(tracks.keypoints, rows[..., :2], rtol=1e-6)
    np.testing.assert_allclose(tracks.scores, rows[..., 2], rtol=1e-6)
    assert tracks.keypoints.dtype == tracks.scores.dtype == np.float32


def forms_of_mmpose(folder, frames):
    """All files that mmpose writes for these frames, each a list of people."""
    listed = [dict(frame_id=i, instances=f) for i, f in enumerate(frames)]
    meta = dict(dataset_name="coco", num_keypoints=17)
    yield write(folder / "video.json", listed)
    yield write(folder / "demo.json", dict(meta_info=meta, instance_info=listed))
    yield write(folder / "result.json", dict(predictions=frames))
    yield write(folder / "results.json", [dict(predictions=[f]) for f in frames])
    pictures = folder / "pictures"
    pictures.mkdir()
    for i, f in enumerate(frames):
        write(pictures / f"img_{i}.json", f)
    yield pictures


def test_every_file_of_mmpose_holds_the_same(tmp_path):
    """Three frames: two people, nobody, one; the second person is the largest."""
    frames = [of_mmpose(people(2, 0)), [], of_mmpose(people(1, 2))]
    for path in forms_of_mmpose(tmp_path, frames):
        tracks = read_keypoints(path)
        assert_rows(
            tracks, [people(2, 0)[1], np.full((17, 3), [np.nan, np.nan, 0]), people(1, 2)[0]]
        )
        assert tracks.frames.tolist() == [0, 1, 2] and tracks.person_ids.tolist() == [0, 0, 0]
        assert tracks.layout == "coco"
        everybody = read_keypoints(path, person="all")
        assert_rows(everybody, np.concatenate([people(2, 0), people(1, 2)]))
        assert everybody.frames.tolist() == [0, 0, 2]
        assert everybody.person_ids.tolist() == [0, 1, 0]
        assert any("same place" in said for said in everybody.assumptions)


def test_identities_are_kept(tmp_path):
    frames = [
        dict(frame_id=7, instances=of_mmpose(people(2, 0), track_id=[4, 9])),
        dict(frame_id=8, instances=of_mmpose(people(1, 1), track_id=[9])),
    ]
    path = write(tmp_path / "tracked.json", frames)
    tracks = read_keypoints(path)
    assert tracks.person_ids.tolist() == [4, 9, 9] and tracks.frames.tolist() == [7, 7, 8]
    assert_rows(tracks, np.concatenate([people(2, 0), people(1, 1)]))
    largest = read_keypoints(path, person="largest")
    assert_rows(largest, [people(2, 0)[1], people(1, 1)[0]])
    assert largest.frames.tolist() == [7, 8]


def test_one_picture_of_mmpose(tmp_path):
    meta = dict(dataset_name="halpe26")
    data = dict(meta_info=meta, instance_info=of_mmpose(people(1, 0, 26)))
    tracks = read_keypoints(write(tmp_path / "demo.json", data))
    assert_rows(tracks, people(1, 0, 26))
    assert tracks.layout == "halpe26" and tracks.layout_said and tracks.assumptions == []


@pytest.mark.parametrize(("num_joints", "layout"), [(25, "body25"), (18, "openpose18")])
def test_openpose(tmp_path, num_joints, layout):
    # Ten frames and more are sorted by number.
    for frame in (0, 2, 10):
        listed = [
            dict(person_id=[-1], pose_keypoints_2d=person.reshape(-1).tolist())
            for person in people(2 if frame == 0 else 1, frame, num_joints)
        ]
        write(tmp_path / f"clip2_{frame}_keypoints.json", dict(version=1.3, people=listed))
    write(tmp_path / "clip2_3_keypoints.json", dict(version=1.3, people=[]))
    tracks = read_keypoints(tmp_path)
    assert tracks.frames.tolist() == [0, 2, 3, 10] and tracks.layout == layout
    rows = [people(2, 0, num_joints)[1], people(1, 2, num_joints)[0]]
    rows += [np.full((num_joints, 3), [np.nan, np.nan, 0]), people(1, 10, num_joints)[0]]
    assert_rows(tracks, rows)
    one = read_keypoints(tmp_path / "clip2_2_keypoints.json")
    assert_rows(one, people(1, 2, num_joints))


def of_alphapose(image, values, **more):
    entries = [
        dict(image_id=image, category_id=1, keypoints=v.reshape(-1).tolist(), score=2.9)
        for v in values
    ]
    for i, entry in enumerate(entries):
        entry.update({key: value[i] for key, value in more.items()})
    return entries


def test_alphapose(tmp_path):
    # Frames in any order, identities as its trackers write them.
    data = of_alphapose("10.jpg", people(1, 10), idx=[[3.0]])
    data += of_alphapose("2.jpg", people(2, 2), idx=[[5.0], [3.0]])
    tracks = read_keypoints(write(tmp_path / "alphapose-results.json", data))
    assert tracks.frames.tolist() == [2, 2, 10] and tracks.person_ids.tolist() == [5, 3, 3]
    assert_rows(tracks, np.concatenate([people(2, 2), people(1, 10)]))
    assert tracks.layout == "coco"


def test_numbers_that_repeat_in_a_frame_are_no_identities(tmp_path):
    """AlphaPose without a tracker writes 0 for everybody."""
    data = of_alphapose("0.jpg", people(2, 0), idx=[0.0, 0.0])
    data += of_alphapose("1.jpg", people(1, 1), idx=[0.0])
    tracks = read_keypoints(write(tmp_path / "a.json", data))
    assert_rows(tracks, [people(2, 0)[1], people(1, 1)[0]])
    assert any("largest box" in said for said in tracks.assumptions)
    why = "identities of a.json are not used: 2 people of frame 0 have the number 0."
    assert any(why in said for said in tracks.assumptions)
    everybody = read_keypoints(tmp_path / "a.json", person="all")
    assert len(everybody.frames) == 3 and any(why in said for said in everybody.assumptions)
    # Who asked for the largest one does not need them.
    assert len(read_keypoints(tmp_path / "a.json", person="largest").assumptions) == 1


def test_a_person_without_a_number_is_counted(tmp_path):
    frames = [of_mmpose(people(2, 0), track_id=[4, 9]), of_mmpose(people(1, 1))]
    tracks = read_keypoints(write(tmp_path / "a.json", frames))
    why = "not used: 1 of 3 people have none of track_id, person_id, idx."
    assert any(why in said for said in tracks.assumptions)
    assert tracks.person_ids.tolist() == [0, 0]


def test_the_box_is_that_of_found_joints_and_the_first_of_equals_is_taken(tmp_path):
    values = np.repeat(people(1), 3, axis=0)
    values[:, :, 2] = [[0.5], [0.6], [0.7]]
    values[0, 3] = [5000, 5000, 0]
    values[1, 2] = [1, 1, 0.9]
    path = write(tmp_path / "a.json", [of_mmpose(values)])
    assert_rows(read_keypoints(path), values[:1])


def test_names_without_numbers_count_in_order(tmp_path):
    data = of_alphapose("b.png", people(1, 0)) + of_alphapose("a.png", people(1, 1))
    tracks = read_keypoints(write(tmp_path / "a.json", data))
    assert tracks.frames.tolist() == [0, 1]
    assert_rows(tracks, np.concatenate([people(1, 0), people(1, 1)]))


def test_nobody_anywhere(tmp_path):
    tracks = read_keypoints(write(tmp_path / "a.json", dict(predictions=[[], [], []])))
    assert tracks.keypoints.shape == (3, 17, 2) and np.isnan(tracks.keypoints).all()
    assert (tracks.scores == 0).all() and tracks.frames.tolist() == [0, 1, 2]
    empty = read_keypoints(write(tmp_path / "b.json", []))
    assert empty.keypoints.shape == (0, 17, 2)
    assert read_keypoints(tmp_path / "a.json", person="all").keypoints.shape == (0, 17, 2)


def test_numpy_files(tmp_path):
    values = people(4, 0, 16).astype(np.float32)
    np.save(tmp_path / "a.npy", values)
    tracks = read_keypoints(tmp_path / "a.npy")
    assert_rows(tracks, values)
    assert tracks.layout == "mpii" and not tracks.layout_said
    assert tracks.frames.tolist() == [0, 1, 2, 3]
    np.savez(
        tmp_path / "b.npz",
        keypoints=values[..., :2],
        keypoint_scores=values[..., 2],
        track_ids=[7, 8, 7, 7],
        layout="mpii",
    )
    tracks = read_keypoints(tmp_path / "b.npz")
    assert_rows(tracks, values)
    assert tracks.person_ids.tolist() == [7, 8, 7, 7] and tracks.frames.tolist() == [0, 0, 1, 2]
    assert tracks.assumptions == []
    np.save(tmp_path / "c.npy", values[0, :, :2])
    tracks = read_keypoints(tmp_path / "c.npy")
    assert tracks.keypoints.shape == (1, 16, 2) and (tracks.scores == 1).all()


def test_a_number_of_joints_of_several_layouts_is_left_open(tmp_path):
    np.save(tmp_path / "a.npy", people(2, 0, 14))
    assert read_keypoints(tmp_path / "a.npy").layout is None


GOOD = of_mmpose(people(1))[0]
BAD = {
    "rubbish": ("[{", r"can't be read as JSON .*cut short"),
    "a number": ("3", "holds int '3' where a list"),
    "a list of numbers": ("[1, 2]", "holds a list of int"),
    "foreign": ('{"shapes": [], "version": 5}', "holds an object with the keys shapes, version"),
    "people without joints": ('[{"bbox": [1, 2, 3, 4]}]', "found the keys bbox"),
    "words": ('[{"keypoints": [["a", "b"]]}]', "keypoints must be numbers"),
    "3D": (json.dumps([{**GOOD, "keypoints": [[1, 2, 3]] * 17}]), "3D poses need no lifting"),
    "odd": ('[{"keypoints": [1, 2, 3, 4]}]', r"got shape \(4,\)"),
    "scores": (json.dumps([{**GOOD, "keypoint_scores": [1]}]), "got 1 for 17 joints"),
    "mixed": (json.dumps([GOOD, {"keypoints": [1, 2, 1]}]), r"number of joints, got \[1, 17\]"),
    "score words": (
        json.dumps([{**GOOD, "keypoint_scores": ["good"] * 17}]),
        r"bad\.json, frame 0, person 0: keypoint_scores must be numbers",
    ),
    "score object": (
        json.dumps([{**GOOD, "keypoint_scores": {"0": 1}}]),
        r"person 0: keypoint_scores must be numbers",
    ),
    "a frame without people": (
        json.dumps([{"frame_id": 0, "instances": [GOOD]}, {"frame_id": 1}]),
        r"entry 1 of its 2 .* has no 'instances', which others have, but frame_id; .*empty list",
    ),
    "a person without a picture": (
        json.dumps([{**GOOD, "image_id": "0.jpg"}, GOOD]),
        r"entry 1 of its 2 .* has no 'image_id'",
    ),
    "frame": ('[{"frame_id": "x", "instances": []}]', "frame_id must be a whole number, got 'x'"),
}


@pytest.mark.parametrize("name", BAD)
def test_damaged_and_foreign_files(tmp_path, name):
    text, message = BAD[name]
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read_keypoints(tmp_path / "bad.json")
    assert "bad.json" in str(error.value)


def test_damaged_numpy_files(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, keypoints=people(2))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="can't be read as a NumPy file"):
        read_keypoints(path)
    np.savez(path, poses=people(2))
    with pytest.raises(ValueError, match=r"holds the arrays poses; .*called 'keypoints'"):
        read_keypoints(path)
    np.savez(path, keypoints=np.zeros((2, 17, 4)))
    with pytest.raises(ValueError, match=r"got \(2, 17, 4\) float64"):
        read_keypoints(path)
    np.savez(path, keypoints=people(2), person_ids=[1])
    with pytest.raises(ValueError, match=r"person_ids must be numbers of shape \(2,\)"):
        read_keypoints(path)
    for name, content in (("text.npz", "[[1, 2]]"), ("text.npy", "x, y"), ("none.npz", "")):
        (tmp_path / name).write_text(content)
        with pytest.raises(ValueError, match=rf"{name} .*no NumPy file") as error:
            read_keypoints(tmp_path / name)
        assert "pickle" not in str(error.value)
    np.savez(path)
    with pytest.raises(ValueError, match="holds the arrays none"):
        read_keypoints(path)
    np.save(tmp_path / "o.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match="holds Python objects"):
        read_keypoints(tmp_path / "o.npy")


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no keypoint file .*none\.json"):
        read_keypoints(tmp_path / "none.json")
    with pytest.raises(FileNotFoundError, match="no JSON file of keypoints but nothing"):
        read_keypoints(tmp_path)
    (tmp_path / "a.jpg").write_text("")
    with pytest.raises(FileNotFoundError, match=r"but 1 other files such as a\.jpg"):
        read_keypoints(tmp_path)


def test_other_mistakes(tmp_path):
    with pytest.raises(ValueError, match="person must be 'all', 'largest' or None, got 'tallest'"):
        read_keypoints(tmp_path, person="tallest")
    write(tmp_path / "0.json", [of_mmpose(people(1)), []])
    with pytest.raises(ValueError, match=r"0\.json holds 2 frames; the files of a folder"):
        read_keypoints(tmp_path)
