import json
import pickle

import cv2
import numpy as np
import pytest
from data_factory import make_tiny_h36m
from mmpose.utils import SimpleCamera
from part_synth.datasets import Human36mFrames, PoseFrameDataset
from part_synth.datasets.annotation_file import split_image_names
from part_synth.datasets.h36m_layout import parse_h36m_stem


def read(root, **options):
    return Human36mFrames.from_disk(root, **options)


@pytest.mark.parametrize(
    "stem, expected",
    [
        ("S1_Directions_1.54138969", ("S1", "Directions", "Directions_1", "54138969")),
        ("S5_SittingDown.54138969", ("S5", "SittingDown", "SittingDown", "54138969")),
        ("S8_WalkDog 2.55011271", ("S8", "WalkDog", "WalkDog 2", "55011271")),
        ("S31_sit_down_and_up_12.cam3", ("S31", "sit_down_and_up", "sit_down_and_up_12", "cam3")),
    ],
)
def test_names(stem, expected):
    assert parse_h36m_stem(stem) == expected


def test_names_are_split_by_runs():
    names = np.array(["a/S1_W.c_000001.jpg", "a/S1_W.c_000006.jpg", "b/S1_X.c_1.png"] * 2)
    stems, row, frame = split_image_names(names)
    assert stems == ["S1_W.c", "S1_X.c"]
    assert row.tolist() == [0, 0, 1, 0, 0, 1]
    assert frame.tolist() == [1, 6, 1, 1, 6, 1]
    with pytest.raises(ValueError, match=r"1 image names don't end.*'S1_W.c_x.jpg'"):
        split_image_names(np.array(["S1_W.c_000001.jpg", "S1_W.c_x.jpg"]))


def test_groups_partition_the_frames(h36m_root):
    index = read(h36m_root, split="train")
    for columns in [
        ("subject", "clip", "camera"),
        ("subject", "camera"),
        ("subject", "clip", "frame"),
    ]:
        groups = index.group_by(*columns)
        assert sorted(groups.order.tolist()) == list(range(len(index)))
        keys = set()
        for number in range(len(groups)):
            frames = groups[number]
            values = [index.frame if name == "frame" else index.column(name) for name in columns]
            key = {tuple(value[i] for value in values) for i in frames}
            assert len(key) == 1
            keys |= key
            assert (groups.group_of[frames] == number).all()
            if "frame" not in columns:
                clips = index.column("clip")[frames]
                for clip in set(clips):
                    assert (np.diff(index.frame[frames][clips == clip]) > 0).all()
        assert len(keys) == len(groups)


def test_splits_and_filters(h36m_root):
    assert set(read(h36m_root, split="train").column("subject")) == {"S1", "S5"}
    assert set(read(h36m_root, split="test").column("subject")) == {"S9"}
    part = read(h36m_root, split="train", subjects=["S5"], actions=["Walk"], cameras=["60457274"])
    assert len(part) == 12
    assert set(part.column("clip")) == {"Walk"}


def test_the_protocol_without_clips_json(tmp_path):
    root = make_tiny_h36m(
        tmp_path, subjects=("S1", "S2", "S9"), frames=3, size=32, clips_json=False
    )
    index = read(root, split="train")
    assert set(index.column("subject")) == {"S1"}
    assert set(index.column("fps")) == {50.0}
    assert set(read(root, split="train", subjects=["S2"]).column("subject")) == {"S2"}
    with pytest.raises(ValueError, match=r"none of the people S9, S11"):
        read(root, split="test", ann_file="annotation_body3d/train.npz")


def test_mmposes_own_file_names(h36m_copy):
    folder = h36m_copy / "annotation_body3d"
    (folder / "fps50").mkdir()
    (folder / "train.npz").rename(folder / "fps50/h36m_train.npz")
    assert len(read(h36m_copy, split="train")) == 96


def test_cameras_project_like_mmposes(h36m_root):
    index = read(h36m_root, split="train")
    cameras = pickle.loads((h36m_root / "annotation_body3d/cameras.pkl").read_bytes())
    for i in (0, 30, 77):
        camera = SimpleCamera(cameras[index.column("subject")[i], index.column("camera")[i]])
        row = index.camera_id[i]
        world = index.joints[i] @ index.cameras.rotation[row] + index.cameras.position[row]
        world = world.astype(np.float32)
        np.testing.assert_allclose(camera.world_to_camera(world), index.joints[i], atol=1e-4)
        np.testing.assert_allclose(camera.world_to_pixel(world), index.keypoints[i], atol=1e-2)


def test_moving_cameras_come_frame_by_frame(tmp_path):
    root = make_tiny_h36m(tmp_path, subjects=("S1",), frames=5, size=32, moving_camera=True)
    data = PoseFrameDataset(root, split="train", crop={"size": 8})
    assert "camera_rotation" not in data[0]["data_samples"].metainfo
    path = root / "annotation_body3d/train.npz"
    with np.load(path) as file:
        arrays = dict(file)
    count = len(arrays["imgname"])
    angle = np.linspace(0, 1, count)
    rotation = np.zeros((count, 3, 3))
    rotation[:, 2, 2] = 1
    rotation[:, 0, 0] = rotation[:, 1, 1] = np.cos(angle)
    rotation[:, 0, 1], rotation[:, 1, 0] = -np.sin(angle), np.sin(angle)
    np.savez(path, **arrays, camera_rotation=rotation, camera_position=np.zeros((count, 3)))
    data = PoseFrameDataset(root, split="train", crop={"size": 8})
    for i in (0, 7):
        sample = data[i]["data_samples"]
        frame = np.flatnonzero(arrays["imgname"] == sample.img_path.split("images/")[1])[0]
        np.testing.assert_allclose(sample.camera_rotation, rotation[frame], atol=1e-6)
    np.savez(path, **arrays, camera_rotation=rotation[:3])
    with pytest.raises(ValueError, match="`camera_rotation` has shape"):
        read(root, split="train")


def test_unlabelled_frames(h36m_copy):
    path = h36m_copy / "annotation_body3d/train.npz"
    with np.load(path) as file:
        arrays = {key: file[key] for key in ("imgname", "center", "scale")}
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match="lacks part, S"):
        read(h36m_copy, split="train")
    index = read(h36m_copy, split="train", require_labels=False, camera_file=None)
    assert index.joints_visible.max() == 0
    data = PoseFrameDataset(
        h36m_copy,
        split="train",
        layout_options={"require_labels": False, "camera_file": None},
        crop={"size": 8, "labels": False},
    )
    assert "camera_param" not in data[0]["data_samples"].metainfo


def _drop(name):
    return lambda root: (root / name).unlink()


def _npz(**changes):
    def change(root):
        path = root / "annotation_body3d/train.npz"
        with np.load(path) as file:
            arrays = {**file}
        for key, function in changes.items():
            arrays[key] = function(arrays[key]) if key in arrays else None
        np.savez(path, **{key: value for key, value in arrays.items() if value is not None})

    return change


def _truncate(root):
    path = root / "annotation_body3d/train.npz"
    path.write_bytes(path.read_bytes()[:500])


def _rename_images(root):
    (root / "images").rename(root / "pictures")


def _cameras(change):
    def apply(root):
        path = root / "annotation_body3d/cameras.pkl"
        path.write_bytes(change(path.read_bytes()))

    return apply


def _clips(change):
    return lambda root: (root / "clips.json").write_text(change(root))


def _other_split(root):
    clips = json.loads((root / "clips.json").read_text())
    return json.dumps([{**clip, "split": "test"} for clip in clips])


@pytest.mark.parametrize(
    "spoil, error, message",
    [
        (
            _drop("annotation_body3d/train.npz"),
            FileNotFoundError,
            "looked for annotation_body3d/tr",
        ),
        (_drop("annotation_body3d/cameras.pkl"), FileNotFoundError, "no camera file"),
        (_rename_images, FileNotFoundError, "8 of 8 clips .* lack their first image.*`image_dir`"),
        (_truncate, ValueError, "can't be read as an npz"),
        (_npz(S=lambda S: None), ValueError, "lacks S; it has"),
        (_npz(S=lambda S: S[:, :16]), ValueError, r"`S` has shape \(96, 16, 4\), expected"),
        (_npz(center=lambda c: c[:5]), ValueError, "`center` has shape"),
        (_npz(imgname=lambda n: np.char.replace(n, ".6", "-6")), ValueError, "not named SUBJECT"),
        (_cameras(lambda data: data[:40]), ValueError, "not a whole pickle"),
        (_cameras(lambda data: pickle.dumps([1])), ValueError, "not a dictionary of cameras"),
        (
            _cameras(lambda data: pickle.dumps({("S5", "54138969"): {"f": [1, 1], "c": [1, 1]}})),
            ValueError,
            r"no camera \('S1', '54138969'\) \(3 of 4",
        ),
        (
            _cameras(
                lambda data: pickle.dumps(
                    {key: {**camera, "R": [1]} for key, camera in pickle.loads(data).items()}
                )
            ),
            ValueError,
            r"Expected R \(3, 3\)",
        ),
        (_clips(lambda root: "{"), ValueError, "not a list of clips"),
        (_clips(_other_split), ValueError, "no clip that .* counts to the split 'train'"),
    ],
)
def test_bad_input(h36m_copy, spoil, error, message):
    spoil(h36m_copy)
    with pytest.raises(error, match=message):
        PoseFrameDataset(h36m_copy, split="train")


def test_bad_requests(h36m_root, tmp_path):
    for options, message in [
        ({"subjects": ["S77"]}, "no subject named S77; the annotation file has S1, S5"),
        ({"actions": ["Fly"]}, "no action named Fly"),
        ({"subjects": []}, "no frame is left after filtering"),
        ({"fps": -1.0}, "`fps` must be positive"),
    ]:
        with pytest.raises(ValueError, match=message):
            read(h36m_root, split="train", **options)
    with pytest.raises(FileNotFoundError, match=r"no data set at .*make_synthetic\.py"):
        read(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"not a picture", None, 0.9])
@pytest.mark.parametrize("cache", [None, "encoded", "decoded"])
def test_a_corrupt_image_is_named(h36m_copy, content, cache):
    """Also one of which the last tenth is missing, which OpenCV fills with grey."""
    data = PoseFrameDataset(h36m_copy, split="train", crop={"size": 8, "cache": cache})
    path = data.index.image_path(int(data.data_list[2]))
    whole = path.read_bytes()
    if content is None:
        content = whole[:100]
    path.write_bytes(whole[: int(content * len(whole))] if content == 0.9 else content)
    for _ in range(2):
        with pytest.raises(OSError, match=rf"{path.name} is corrupt.*validate\.py"):
            data[2]
    assert data[3]["inputs"]["image"].shape == (1, 3, 8, 8)


def test_a_missing_image_is_named(h36m_copy):
    data = PoseFrameDataset(h36m_copy, split="train")
    path = data.index.image_path(int(data.data_list[2]))
    path.unlink()
    with pytest.raises(FileNotFoundError, match=path.name):
        data[2]


def test_part_labels_of_another_size(h36m_copy):
    data = PoseFrameDataset(h36m_copy, split="train")
    path = data.index.part_path(int(data.data_list[0]))
    cv2.imwrite(str(path), np.zeros((4, 4), np.uint8))
    with pytest.raises(ValueError, match=r"part labels .* have shape \(4, 4\)"):
        data[0]


@pytest.mark.parametrize("cache", [None, "encoded", "decoded"])
def test_caches_change_nothing(h36m_root, cache):
    plain = PoseFrameDataset(h36m_root, split="test", crop={"size": 16})
    crop = {"size": 16, "cache": cache, "cache_mib": 0.1}
    cached = PoseFrameDataset(h36m_root, split="test", crop=crop)
    for i in [*range(10), *range(10)]:
        assert (plain[i]["inputs"]["image"] == cached[i]["inputs"]["image"]).all()
    reader = cached.pipeline.transforms[0].read
    assert reader._bytes <= 0.1 * 2**20
    assert bool(reader._kept) == (cache is not None)


def test_an_unknown_cache():
    with pytest.raises(ValueError, match="`cache` must be"):
        PoseFrameDataset(".", crop={"cache": "all"})
