"""What users get wrong with the data of a shipped config, and the sentence that each must see."""

import json
import re

import numpy as np
import pytest
from data_factory import make_tiny_h36m
from test_shipped_configs import options
from tiny_runs import ROOT, run

CONFIG = "part_synth_h36m"


@pytest.fixture
def data(tmp_path):
    root = tmp_path / "h36m"
    make_tiny_h36m(root, ("S1", "S8", "S9"), ("Walk",), ("54138969",), frames=8, unpaired=150)
    return {"h36m": root, "poses": root / "unpaired_poses.npz"}


def missing_root(data):
    data["h36m"] = data["h36m"].parent / "nowhere"
    return "nowhere"


def missing_image(data):
    next((data["h36m"] / "images" / "S1").rglob("*_000001.jpg")).unlink()
    return "_000001.jpg"


def corrupt_image(data):
    for image in (data["h36m"] / "images" / "S1").rglob("*.jpg"):
        image.write_bytes(b"no picture")
    return r"\.jpg"


def short_clip(data):
    path = data["h36m"] / "annotation_body3d" / "train.npz"
    with np.load(path) as file:
        one = {key: file[key][:1] for key in file.files}
    np.savez(path, **one)
    return "min_gap|too short"


def wrong_npz(data):
    np.savez(data["h36m"] / "annotation_body3d" / "train.npz", frames=np.zeros(3))
    return "imgname"


def wrong_shape(data):
    path = data["h36m"] / "annotation_body3d" / "train.npz"
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files}
    arrays["S"] = arrays["S"][:, :12]
    np.savez(path, **arrays)
    return r"12, 4"


def missing_poses(data):
    data["poses"] = data["h36m"] / "none.npz"
    return r"none\.npz"


def poses_in_millimetres(data):
    with np.load(data["poses"]) as file:
        arrays = {key: file[key] for key in file.files}
    arrays["xyz"] = arrays["xyz"] * 1000
    np.savez(data["poses"], **arrays)
    return "metre|millimetre"


def half_camera_file(data):
    path = data["h36m"] / "annotation_body3d" / "cameras.pkl"
    path.write_bytes(path.read_bytes()[:50])
    return r"cameras\.pkl"


def train_on(data, work, monkeypatch):
    """Exit status of an epoch on the data."""
    return run(
        "train",
        ROOT / "configs" / f"{CONFIG}.py",
        "--work-dir",
        work,
        monkeypatch=monkeypatch,
        options=options(CONFIG, data, 1),
    )


@pytest.mark.parametrize(
    "spoil",
    [
        missing_root,
        missing_image,
        corrupt_image,
        short_clip,
        wrong_npz,
        wrong_shape,
        missing_poses,
        poses_in_millimetres,
        half_camera_file,
    ],
)
def test_message(spoil, data, tmp_path, monkeypatch, capfd):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("PART_SYNTH_DEBUG", raising=False)
    words = spoil(data)
    status = train_on(data, tmp_path / "work", monkeypatch)
    assert status == 2
    told = capfd.readouterr().err
    message = told[told.rindex("error: ") :]
    assert re.search(words, message), message
    # A sentence or two: the traceback belongs to the log.
    assert len(message) < 800 and 'File "' not in message


def test_the_good_data_of_these_rows_are_good(data, tmp_path, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    status = train_on(data, tmp_path / "work", monkeypatch)
    assert not status
    assert json.loads((tmp_path / "work" / "results.json").read_text())["p_mpjpe_mm"] > 0
