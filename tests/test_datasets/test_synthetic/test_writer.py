import hashlib
import json
import pickle
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from mmpose.datasets import Human36mDataset
from mmpose.utils.camera import SimpleCamera
from part_synth.datasets.synthetic import ensure_synthetic_mocap, make_synthetic_mocap, writer
from part_synth.datasets.synthetic.generate import task_file
from part_synth.geometry import H36M17, PART_NAMES

SPLITS = ("train", "val", "test")


def digests(root):
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def labels_of(root, name):
    path = root / "parts" / name.replace(".jpg", ".png")
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_mmpose_reads_the_set_unchanged(tiny_set, annotations, tmp_path, monkeypatch):
    # mmpose looks for its own metainfo file below the working folder first.
    monkeypatch.chdir(tmp_path)
    dataset = Human36mDataset(
        ann_file="annotation_body3d/train.npz",
        camera_param_file="annotation_body3d/cameras.pkl",
        data_root=str(tiny_set),
        data_prefix={"img": "images/"},
    )
    assert len(dataset) == 2 * 4
    rows = annotations("train")
    for index in range(len(dataset)):
        sample = dataset[index]
        row = list(rows["imgname"]).index(sample["target_img_path"][0])
        np.testing.assert_allclose(sample["lifting_target"][0], rows["S"][row, :, :3], atol=1e-6)
        assert cv2.imread(str(tiny_set / "images" / sample["img_paths"][0])).shape == (64, 64, 3)
        # Its own camera projects the 3D joints onto the 2D joints.
        pixels = SimpleCamera(sample["camera_param"]).camera_to_pixel(sample["lifting_target"])
        np.testing.assert_allclose(pixels[0], sample["keypoints"][0], atol=0.01)


def test_joints_reproject_and_lie_on_the_person(tiny_set, annotations):
    cameras = pickle.loads((tiny_set / "annotation_body3d" / "cameras.pkl").read_bytes())
    inside, total = 0, 0
    for split in SPLITS:
        rows = annotations(split)
        for name, joints, pixels in zip(rows["imgname"], rows["S"], rows["part"], strict=True):
            subject, camera = name.split("/")[0], name.split(".")[1].split("/")[0]
            entry = cameras[subject, camera]
            projected = entry["f"].T * joints[:, :2] / joints[:, 2:3] + entry["c"].T
            assert np.abs(projected - pixels[:, :2]).max() < 0.5
            labels = labels_of(tiny_set, name)
            x, y = np.rint(pixels[:, :2]).astype(int).T
            assert (x >= 0).all() and (x < 64).all() and (y >= 0).all() and (y < 64).all()
            inside += (labels[y, x] > 0).sum()
            total += 17
    assert inside > 0.9 * total


def test_world_joints_are_upright_and_cameras_agree_with_rows(tiny_set, annotations):
    rows = annotations("train")
    world = (
        np.einsum("nji,nkj->nki", rows["camera_rotation"], rows["S"][..., :3])
        + rows["camera_position"][:, None]
    )
    assert (world[:, 10, 2] - world[:, [3, 6], 2].mean(axis=1) > 0.5).all()
    assert world[..., 2].min() > -0.01
    cameras = pickle.loads((tiny_set / "annotation_body3d" / "cameras.pkl").read_bytes())
    np.testing.assert_allclose(cameras["S1", "cam0"]["R"].T, rows["camera_rotation"][0])


def test_label_images_agree_with_the_boxes_and_the_sides(tiny_set, annotations):
    """Each part's pixels are nearest to that part's own limb, left and right told apart."""
    limb_of_part = {3: (11, 12), 4: (12, 13), 6: (14, 15), 7: (15, 16)}
    limb_of_part |= {9: (4, 5), 10: (5, 6), 12: (1, 2), 13: (2, 3)}
    checked = 0
    for split in SPLITS:
        rows = annotations(split)
        for index, name in enumerate(rows["imgname"]):
            labels = labels_of(tiny_set, name)
            assert labels.dtype == np.uint8 and labels.max() < len(PART_NAMES)
            y, x = np.nonzero(labels)
            centre = [(x.min() + x.max()) / 2, (y.min() + y.max()) / 2]
            np.testing.assert_allclose(rows["center"][index], centre)
            side = max(np.ptp(x), np.ptp(y)) + 1
            assert rows["scale"][index] == pytest.approx(side * 1.25 / 200)
            joints = rows["part"][index, :, :2]
            for label, (start, end) in limb_of_part.items():
                py, px = np.nonzero(labels == label)
                if len(px) < 6:
                    continue
                middle = joints[[start, end]].mean(axis=0)
                length = np.linalg.norm(joints[end] - joints[start])
                distance = np.linalg.norm([px.mean() - middle[0], py.mean() - middle[1]])
                assert distance < 0.5 * length + 3.0, (name, PART_NAMES[label])
                checked += 1
    assert checked > 40


def test_left_is_left_of_the_person(annotations):
    """Facing direction by hips and spine: left x up points backward, where heels are."""
    for split in SPLITS:
        rows = annotations(split)
        joints = rows["S"][..., :3]
        left = joints[:, 4] - joints[:, 1]
        up = joints[:, 8] - joints[:, 0]
        forward = np.cross(left, up)  # camera frame is right-handed like the world
        nose = joints[:, 9] - 0.5 * (joints[:, 8] + joints[:, 10])
        ahead = np.einsum("ni,ni->n", forward, nose) / np.linalg.norm(forward, axis=1)
        assert np.median(ahead) > 0.01


def test_same_seed_same_bytes_with_other_processes(tiny_set, tmp_path, tiny_recipe):
    again = digests(make_synthetic_mocap(tmp_path / "again", workers=2, **tiny_recipe))
    before = digests(tiny_set)
    assert [name for name in before if again.get(name) != before[name]] == []
    assert set(again) == set(before)


def test_other_seed_other_images(tiny_set, tmp_path, tiny_recipe):
    recipe = tiny_recipe | {"seed": 6, "subjects": (1, 0, 0), "unpaired_poses": 0}
    other = digests(make_synthetic_mocap(tmp_path / "other", workers=0, **recipe))
    images = {digest for name, digest in digests(tiny_set).items() if name.endswith(".jpg")}
    assert not images & set(other.values())
    assert not (tmp_path / "other" / "annotation_body3d" / "val.npz").exists()


def test_killed_run_resumes_and_a_half_made_set_is_not_whole(
    tiny_set, tmp_path, tiny_recipe, monkeypatch
):
    root = tmp_path / "set"
    make_tasks = writer.run_tasks

    def killed(recipe, folder, tasks, body_model, report):
        make_tasks(recipe, folder, tasks[:2], body_model, report)
        (folder / "images" / "S3").mkdir()  # the next person was begun
        raise KeyboardInterrupt

    monkeypatch.setattr(writer, "run_tasks", killed)
    with pytest.raises(KeyboardInterrupt):
        make_synthetic_mocap(root, workers=0, **tiny_recipe)
    assert not root.exists()

    unfinished = tmp_path / ".set.unfinished"
    kept = task_file(unfinished, "S1").stat().st_mtime_ns

    def resumed(recipe, folder, tasks, body_model, report):
        assert task_file(folder, "S1").stat().st_mtime_ns == kept
        make_tasks(recipe, folder, tasks, body_model, report)
        assert task_file(folder, "S1").stat().st_mtime_ns == kept

    monkeypatch.setattr(writer, "run_tasks", resumed)
    make_synthetic_mocap(root, workers=0, **tiny_recipe)
    assert digests(root) == digests(tiny_set)
    assert not unfinished.exists()


def test_a_folder_without_meta_is_refused(tiny_set, tmp_path, tiny_recipe):
    half = tmp_path / "half"
    shutil.copytree(tiny_set, half)
    (half / "meta.json").unlink()
    with pytest.raises(ValueError, match=r"meta\.json"):
        ensure_synthetic_mocap(half, **tiny_recipe)


def test_a_set_of_other_arguments_is_refused(tiny_set, tiny_recipe):
    with pytest.raises(ValueError, match="seed = 5"):
        ensure_synthetic_mocap(tiny_set, **(tiny_recipe | {"seed": 7}))


def test_an_existing_set_is_left_alone(tiny_set, tiny_recipe):
    before = (tiny_set / "meta.json").stat().st_mtime_ns
    assert ensure_synthetic_mocap(tiny_set, **tiny_recipe) == tiny_set
    assert (tiny_set / "meta.json").stat().st_mtime_ns == before


def test_one_of_several_callers_makes_it(tmp_path, tiny_recipe, monkeypatch):
    made = []

    def slow_make(root, recipe, workers):
        made.append(root)
        time.sleep(0.2)
        unfinished = root.with_suffix(".unfinished")
        unfinished.mkdir()
        meta = {"fingerprint": recipe.fingerprint()}
        (unfinished / "meta.json").write_text(json.dumps(meta))
        unfinished.rename(root)

    monkeypatch.setattr(writer, "_make", slow_make)
    with ThreadPoolExecutor(4) as pool:
        calls = [
            pool.submit(ensure_synthetic_mocap, tmp_path / "x", **tiny_recipe) for _ in range(4)
        ]
    assert [call.result() for call in calls] == [tmp_path / "x"] * 4
    assert len(made) == 1


def test_short_disk_is_told_before_anything_is_made(tmp_path, tiny_recipe, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(writer.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OSError, match=r"needs about .* MB, but .* 1 MB free"):
        make_synthetic_mocap(tmp_path / "set", workers=0, **tiny_recipe)
    assert not (tmp_path / "set").exists()


def test_bad_places_and_motions_are_told_at_once(tmp_path, tiny_recipe, monkeypatch):
    monkeypatch.setattr(writer, "ensure_body_file", lambda: pytest.fail("made something"))
    wrong = tmp_path / "wrong.npz"
    np.savez(wrong, poses=np.zeros(3))
    with pytest.raises(ValueError, match=r"wrong\.npz is a file; name a folder"):
        make_synthetic_mocap(wrong, workers=0, **tiny_recipe)
    with pytest.raises(ValueError, match=r"wrong\.npz lacks"):
        make_synthetic_mocap(tmp_path / "set", workers=2, motions=wrong, **tiny_recipe)
    assert not list(tmp_path.glob(".set.unfinished*"))


def test_failed_worker_is_reported(tmp_path, tiny_recipe, monkeypatch):
    monkeypatch.setattr(writer, "ensure_body_file", lambda: tmp_path / "no_body.npz")
    with pytest.raises(RuntimeError, match=r"no_body\.npz"):
        make_synthetic_mocap(tmp_path / "set", workers=1, **tiny_recipe)
    assert not (tmp_path / "set").exists()


def test_people_clips_and_rooms_are_not_shared_between_splits(tiny_set, annotations):
    clips = json.loads((tiny_set / "clips.json").read_text())
    seen = {split: [clip for clip in clips if clip["split"] == split] for split in SPLITS}
    assert [len(seen[split]) for split in SPLITS] == [2, 1, 1]
    for key in ("subject", "background"):
        values = [{clip[key] for clip in seen[split]} for split in SPLITS]
        assert not (values[0] & values[1] or values[0] & values[2] or values[1] & values[2])
    people = [json.dumps(clip["person"], sort_keys=True) for clip in clips]
    assert len(set(people)) == 4
    with np.load(tiny_set / "unpaired_poses.npz") as unpaired:
        assert not set(unpaired["subject"]) & {clip["subject"] for clip in clips}
    # Motions differ too: no two clips share a pose of the same person-independent directions.
    poses = [annotations(split)["S"][:, :, :3] for split in SPLITS]
    shapes = [p[:, 12] - p[:, 11] for p in poses]
    shapes = [s / np.linalg.norm(s, axis=-1, keepdims=True) for s in shapes]
    assert np.abs(shapes[0][:, None] - shapes[2][None]).sum(-1).min() > 1e-6


def test_unpaired_poses_have_the_capture_schema(tiny_set):
    with np.load(tiny_set / "unpaired_poses.npz") as data:
        xyz, start, length = data["xyz"], data["start"], data["length"]
        assert tuple(data["joint_names"]) == tuple(H36M17.joint_names)
        np.testing.assert_array_equal(data["parents"], H36M17.parents)
        for key in ("subject", "clip", "action", "split"):
            assert len(data[key]) == len(start)
        assert set(data["split"]) == {"train"} and data["fps"].shape == ()
    assert xyz.shape == (length.sum(), 17, 3) and xyz.dtype == np.float32
    np.testing.assert_array_equal(start, np.cumsum(length) - length)
    legs = np.linalg.norm(xyz[:, 2] - xyz[:, 1], axis=-1)
    assert legs.min() > 0.2 and legs.max() < 0.6


def test_contact_sheet_shows_every_split(tiny_set):
    sheet = cv2.imread(str(tiny_set / "contact_sheet.png"))
    assert sheet.shape == (4 * (2 * 64 + 4), 3 * 2 * 64, 3)
    assert sheet.std() > 20


def test_travelling_cameras_reproject_in_every_clip(tmp_path, tiny_recipe):
    recipe = {**tiny_recipe, "subjects": (1, 0, 0), "frames_per_subject": 32, "size": 32}
    root = make_synthetic_mocap(tmp_path / "moving", workers=0, moving_camera=True, **recipe)
    with np.load(root / "annotation_body3d" / "train.npz") as data:
        rows = {key: data[key] for key in data.files}
    clips = {str(name).rsplit("_", 1)[0] for name in rows["imgname"]}
    assert len(clips) == 2
    focal = rows["camera_focal"]
    assert len(np.unique(focal[:, 0])) == 2  # another zoom in each clip
    joints = rows["S"][..., :3]
    pixels = joints[..., :2] / joints[..., 2:] * focal[:, None] + (32 - 1) / 2
    np.testing.assert_allclose(pixels, rows["part"][..., :2], atol=1e-3)
    # The camera travels: it stands elsewhere in the next frame.
    steps = np.linalg.norm(np.diff(rows["camera_position"], axis=0), axis=-1)
    assert (steps > 1e-4).mean() > 0.9
