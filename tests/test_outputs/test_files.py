import csv
import json

import numpy as np
import pytest
from part_synth.geometry import H36M17
from part_synth.outputs import (
    PoseSequence,
    check_out_dir,
    read_source,
    write_csv,
    write_json,
    write_npz,
)
from tiny_videos import motion_sequence


def empty():
    """A video of five frames with nobody."""
    return PoseSequence(
        joints=np.zeros((0, 17, 3)),
        ok=np.zeros(0, bool),
        keypoints=np.zeros((0, 17, 2)),
        scores=np.zeros((0, 17)),
        boxes=np.zeros((0, 4)),
        box_scores=np.zeros(0),
        person_ids=np.zeros(0, int),
        frames=np.zeros(0, int),
        num_frames=5,
        fps=30.0,
    )


def test_json_has_mmposes_shape_and_a_header(tmp_path):
    sequence = motion_sequence()
    sequence.ok[0], sequence.joints[0] = False, np.nan
    content = json.loads(write_json(tmp_path / "a" / "poses.json", sequence).read_text())
    header, frames = content["meta_info"], content["instance_info"]
    assert header["units"] == "mm" and header["frame"] == "camera, root-relative"
    assert header["axes"] == "x right, y down, z forward" and header["fps"] == 25
    assert header["joint_names"] == list(H36M17.joint_names) and header["num_frames"] == 20
    assert header["not_lifted"] == 1
    assert [frame["frame_id"] for frame in frames] == list(range(20))
    assert frames[0]["instances"] == [] == frames[3]["instances"]
    person = frames[7]["instances"][1]
    row = np.flatnonzero((sequence.frames == 7) & (sequence.person_ids == 1))[0]
    assert person["track_id"] == 1
    np.testing.assert_allclose(person["keypoints"], sequence.joints[row], atol=0.006)
    np.testing.assert_allclose(person["keypoints_2d"], sequence.keypoints[row], atol=0.006)
    assert np.shape(person["bbox"]) == (1, 4) and len(person["keypoint_scores"]) == 17
    assert not list(tmp_path.rglob("*unfinished"))


def test_what_is_missing_is_null_in_json(tmp_path):
    sequence = motion_sequence(people=1)
    sequence.keypoints[0, 5] = np.nan
    text = write_json(tmp_path / "poses.json", sequence).read_text()
    assert json.loads(text)["instance_info"][0]["instances"][0]["keypoints_2d"][5] == [None, None]


def test_csv_has_a_row_for_each_pose_and_units_in_its_names(tmp_path):
    sequence = motion_sequence(root=True)
    with write_csv(tmp_path / "poses.csv", sequence).open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(sequence)
    assert int(rows[9]["frame"]) == sequence.frames[9]
    assert float(rows[9]["time_s"]) == pytest.approx(sequence.frames[9] / 25)
    knee = [float(rows[9][f"left_knee_{axis}_mm"]) for axis in "xyz"]
    np.testing.assert_allclose(knee, sequence.joints[9, 5], atol=0.006)
    place = [float(rows[9][f"root_position_{axis}_mm"]) for axis in "xyz"]
    np.testing.assert_allclose(place, sequence.root[9], atol=0.006)


def test_npz_is_read_without_pickle(tmp_path):
    sequence = motion_sequence(root=True)
    with np.load(write_npz(tmp_path / "poses.npz", sequence)) as archive:
        np.testing.assert_array_equal(archive["joints"], sequence.joints)
        np.testing.assert_array_equal(archive["root"], sequence.root)
        assert json.loads(str(archive["header"]))["units"] == "mm"


def test_nobody_gives_valid_files(tmp_path):
    content = json.loads(write_json(tmp_path / "e.json", empty()).read_text())
    assert [frame["instances"] for frame in content["instance_info"]] == [[]] * 5
    assert len(write_csv(tmp_path / "e.csv", empty()).read_text().splitlines()) == 1
    with np.load(write_npz(tmp_path / "e.npz", empty())) as archive:
        assert archive["joints"].shape == (0, 17, 3)


@pytest.mark.parametrize("name", ["p.json", "p.npz"])
def test_a_file_tells_what_it_holds_the_poses_of(tmp_path, name):
    path = tmp_path / name
    assert read_source(path) is None
    (write_json if name == "p.json" else write_npz)(path, motion_sequence())
    assert read_source(path) == "made"
    for content in (b"", b"[]\n", b'{"meta_info": 3,\n', path.read_bytes()[:30], b"\xff\xfe"):
        path.write_bytes(content)
        assert read_source(path) is None


def test_a_part_is_counted_anew():
    sequence = motion_sequence()
    part = sequence.part(6, 9)
    assert part.num_frames == 3 and part.frames.tolist() == [0, 0, 1, 1, 2, 2]
    assert part.instances(1) == sequence.instances(7)


def test_rows_of_other_lengths_are_refused():
    values = dict(empty().__dict__, frames=np.zeros(3, int))
    with pytest.raises(ValueError, match="needs a row of every other array"):
        PoseSequence(**values)


def test_an_unwritable_folder_is_found_out(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match=r"can't be written to .*file.deep"):
        check_out_dir(tmp_path / "file" / "deep")
    with pytest.raises(ValueError, match=r"can't be written to .*file.deep"):
        check_out_dir(tmp_path / "file" / "deep", make=False)
    assert not check_out_dir(tmp_path / "new" / "deep", make=False).parent.exists()
    assert check_out_dir(tmp_path / "new" / "deep").is_dir()
    assert not list((tmp_path / "new" / "deep").iterdir())
