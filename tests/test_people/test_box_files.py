import json

import numpy as np
import pytest
from part_synth.people import read_boxes


def test_mot_text(tmp_path):
    (tmp_path / "b.txt").write_text("2,7,10,20,30,40,0.5,-1,-1,-1\n1,7,1,2,3,4,1,-1,-1,-1\n")
    boxes = read_boxes(tmp_path / "b.txt")
    assert boxes.frames.tolist() == [0, 1] and boxes.person_ids.tolist() == [7, 7]
    np.testing.assert_allclose(boxes.boxes, [[1, 2, 4, 6], [10, 20, 40, 60]])
    np.testing.assert_allclose(boxes.scores, [1, 0.5])


def test_json_of_mmpose(tmp_path):
    frames = [
        {"frame_id": 0, "instances": []},
        {"frame_id": 1, "instances": [{"bbox": [[1, 2, 3, 4]], "bbox_score": 0.7}]},
    ]
    for content in (frames, {"instance_info": frames}):
        (tmp_path / "b.json").write_text(json.dumps(content))
        boxes = read_boxes(tmp_path / "b.json")
        assert boxes.frames.tolist() == [1] and boxes.person_ids is None
        np.testing.assert_allclose(boxes.scores, 0.7)


def test_npz(tmp_path):
    np.savez(tmp_path / "b.npz", boxes=np.array([[0.0, 0, 2, 2]]), frames=[3], person_ids=[9])
    boxes = read_boxes(tmp_path / "b.npz")
    assert boxes.frames.tolist() == [3] and boxes.person_ids.tolist() == [9]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("b.xml", "", "Boxes are read from .txt"),
        ("b.txt", "1,2,3\n", "3 numbers, 6 or more"),
        ("b.txt", "0,1,1,1,2,2\n", "counted from 1"),
        ("b.txt", "a,b\n", "can't be read as boxes"),
        ("b.txt", "1,1,5,5,-2,4\n", "right > left"),
        ("b.json", "[{}]", "can't be read as boxes of people"),
        ("b.json", "[", "can't be read as boxes of people"),
        ("b.npz", "x", "can't be read as boxes of people"),
    ],
)
def test_bad_files(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        read_boxes(tmp_path / name)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file of boxes"):
        read_boxes(tmp_path / "none.txt")
