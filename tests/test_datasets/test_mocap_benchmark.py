"""A benchmark set from motion capture: layout, views, splits, noise, bytes, and what goes wrong."""

import json
import pickle
import re

import numpy as np
import pytest
from mmpose.utils.camera import SimpleCamera
from part_synth.datasets import Human36mFrames, mocap_benchmark
from part_synth.datasets.keypoint_noise import joint_sigmas
from part_synth.datasets.mocap_benchmark import MocapRecipe, make_mocap_benchmark, summary
from part_synth.datasets.motion_io import MotionClips, load_motions, save_motions
from part_synth.datasets.synthetic.motions import make_motion
from test_asf_amc import amc_text, asf_text, random_frames

SPLITS = ("train", "val", "test")
LONG = "playground - climb, hang, hold self up with arms straight, swing, drop"
# Person, activity, split, frames at 60 fps, walk along x in metres.
CLIPS = [
    ("p_1", "walk", "train", 60, 0.0),
    ("p_1", "walk", "train", 40, 0.0),
    ("p_1", "punch/strike", "train", 40, 9.0),
    ("p-2", LONG, "train", 41, 0.0),
    ("ev_soccer", "soccer", "train", 40, 3.0),
    ("ev_soccer", "", "train", 1, 0.0),
    ("06", "basketball - forward dribble", "test", 50, 0.0),
    ("06", "basketball - forward dribble, 90-degree turns, shoot", "test", 30, 0.0),
]
LICENCE = "Free for all uses."


def motions_of(rows, seed=0):
    """Clips that wave, and that go there and back along x."""
    rng = np.random.default_rng(seed)
    clips = []
    for _, _, _, count, path in rows:
        xyz = make_motion("wave", rng, count, 60.0)
        xyz[:, :, 0] += 3.0 + 0.5 * path * np.sin(np.linspace(0, 2.5 * np.pi, count))[:, None]
        clips.append(xyz)
    length = np.array([len(clip) for clip in clips])
    subject, action, split = (np.array([row[i] for row in rows]) for i in range(3))
    names = np.array([f"clip_{i}" for i in range(len(rows))])
    xyz = np.concatenate(clips).astype(np.float32)
    start = np.cumsum(length) - length
    return MotionClips(xyz, start, length, 60.0, subject, names, action, split)


def write_motions(path, rows=CLIPS, **extra):
    save_motions(path, motions_of(rows))
    with np.load(path) as data:
        arrays = {key: data[key] for key in data.files}
    np.savez(path, **arrays, **extra)
    return str(path)


@pytest.fixture(scope="module")
def motions(tmp_path_factory):
    """An npz of motions; read only."""
    path = tmp_path_factory.mktemp("motions") / "clips.npz"
    return write_motions(path, license=np.array(LICENCE))


@pytest.fixture(scope="module")
def made(motions, tmp_path_factory):
    """A whole set with noise, and what the maker said; read only."""
    out = tmp_path_factory.mktemp("made") / "set"
    return out, make_mocap_benchmark(MocapRecipe((motions,), noise=5.0), out)


def arrays_of(root, split):
    with np.load(root / "annotation_body3d" / f"{split}.npz") as data:
        return {key: data[key] for key in data.files}


def cameras_of(root):
    return pickle.loads((root / "annotation_body3d" / "cameras.pkl").read_bytes())


def clips_of(root):
    return json.loads((root / "clips.json").read_text())


def all_bytes(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_our_layout_reads_it(made):
    root, meta = made
    people = {}
    for split in SPLITS:
        frames = Human36mFrames.from_disk(root, split=split, check_images=False)
        count = meta["counts"][split]
        assert len(frames) == count["frames"] == len(arrays_of(root, split)["imgname"])
        assert set(frames.sequences.fps) == {30.0}
        people[split] = set(frames.sequences.subject.tolist())
        assert len(people[split]) == count["people"]
        assert frames.joints_visible.all() and frames.keypoints_visible.all()
    assert people == {"train": {"p1", "p-2"}, "val": {"evsoccer"}, "test": {"06"}}
    assert {split: set(names) for split, names in meta["subjects"].items()} == people


def test_mmpose_reads_it(made):
    from mmpose.datasets.datasets import Human36mDataset

    root, _ = made
    clean, noisy = (
        Human36mDataset(
            ann_file="annotation_body3d/train.npz",
            data_root=str(root),
            camera_param_file="annotation_body3d/cameras.pkl",
            seq_len=9,
            causal=False,
            keypoint_2d_src=source,
            keypoint_2d_det_file="joint_2d_det/train_noise5.npy",
        )
        for source in ("gt", "detection")
    )
    assert len(clean) > 100
    for i in range(0, len(clean), 37):
        sample = clean.get_data_info(i)
        numbers = [int(re.search(r"_(\d{6})\.jpg$", name)[1]) for name in sample["img_paths"]]
        assert np.diff(numbers).tolist() == [1] * 8  # no jump over a gap
        assert sample["lifting_target"].shape == (1, 17, 3)
        seen = SimpleCamera(sample["camera_param"]).camera_to_pixel(sample["lifting_target"][0])
        np.testing.assert_allclose(seen, sample["keypoints"][4], atol=0.01)
        other = noisy.get_data_info(i)
        assert other["img_paths"] == sample["img_paths"]
        assert 0.5 < np.abs(other["keypoints"] - sample["keypoints"]).mean() < 12.0


def expected_view(xyz, camera):
    """One clip at 60 fps in one camera, frame by frame: what is kept, and how many are seen.

    Returns the kept frame numbers, their camera-frame joints and pixels, and the number of frames
    in which the whole person is seen.
    """
    xyz = xyz[::2].astype(np.float64)  # to 30 fps
    flat = xyz[..., :2].reshape(-1, 2)
    xyz[..., :2] -= 0.5 * (flat.min(0) + flat.max(0))
    camera = SimpleCamera(camera)
    points, pixels = camera.world_to_camera(xyz), camera.world_to_pixel(xyz)
    runs = [[]]
    for t in range(len(xyz)):
        inside = all(0 <= u <= 999 and 0 <= v <= 999 for u, v in pixels[t])
        if inside and min(points[t, :, 2]) >= 1.0:
            runs[-1].append(t)
        elif runs[-1]:
            runs.append([])
    best = max(runs, key=len)
    return best, points[best], pixels[best], sum(map(len, runs))


def test_views_against_another_way(made, motions):
    root, meta = made
    clips = load_motions(motions)
    row_of = {name: i for i, name in enumerate(clips.clip.tolist())}
    counted = {split: np.zeros(3, int) for split in SPLITS}
    for split in SPLITS:
        arrays = arrays_of(root, split)
        stems = np.array([re.sub(r".*/|_\d{6}\.jpg$", "", n) for n in arrays["imgname"]])
        for entry in (e for e in clips_of(root) if e["split"] == split):
            xyz = clips.poses(row_of[entry["source"]])
            camera = cameras_of(root)[entry["subject"], entry["camera"]]
            frames, points, pixels, seen = expected_view(xyz, camera)
            stem = f"{entry['subject']}_{entry['clip']}.{entry['camera']}"
            row = {key: array[stems == stem] for key, array in arrays.items()}
            names = [f"{entry['subject']}/{stem}/{stem}_{t + 1:06d}.jpg" for t in frames]
            assert row["imgname"].tolist() == names
            assert entry["frames"] == len(frames)
            np.testing.assert_allclose(row["S"][..., :3], points, atol=2e-6)
            np.testing.assert_allclose(row["part"][..., :2], pixels, atol=2e-3)
            low, high = pixels.min(1), pixels.max(1)
            np.testing.assert_allclose(row["center"], 0.5 * (low + high), atol=2e-3)
            side = 1.25 * (high - low + 1).max(1)
            np.testing.assert_allclose(200 * row["scale"], side, atol=2e-3)
            counted[split] += len(frames), (len(xyz) + 1) // 2 - seen, seen - len(frames)
        count = meta["counts"][split]
        assert [count[key] for key in ("frames", "unseen", "cut_off")] == counted[split].tolist()
    # One of the training clips walks out of the room and comes back.
    assert counted["train"].all()


def test_types_and_names(made):
    root, _ = made
    for split in SPLITS:
        arrays = arrays_of(root, split)
        assert sorted(arrays) == ["S", "center", "imgname", "part", "scale"]
        assert {arrays[key].dtype for key in ("S", "part", "center", "scale")} == {np.dtype("f4")}
    entries = {entry["source"]: entry for entry in clips_of(root)}
    names = [entries[f"clip_{i}"]["clip"] for i in range(len(CLIPS))]
    assert names == [
        "Walk_1",
        "Walk_2",
        "PunchStrike_1",
        "PlaygroundClimbHangHoldSelfUp_1",
        "Soccer_1",
        "Unknown_1",
        "BasketballForwardDribble_1",
        "BasketballForwardDribble90Degree_1",
    ]
    assert entries["clip_3"]["description"] == LONG
    assert entries["clip_3"]["action"] == "PlaygroundClimbHangHoldSelfUp"


def test_reference_poses_are_those_of_the_training_people(made, motions):
    root, _ = made
    reference = load_motions(root / "reference_poses.npz")
    assert set(reference.subject.tolist()) == {"p_1", "p-2"}
    assert set(reference.split.tolist()) == {"train"}
    assert reference.fps == 30.0
    source = load_motions(motions)
    assert len(reference.xyz) == sum((source.length[:4] + 1) // 2)
    for i in range(4):
        moved = reference.poses(i)
        np.testing.assert_allclose(moved[..., 2], source.poses(i)[::2, :, 2])
        middle = moved[..., :2].min((0, 1)) + moved[..., :2].max((0, 1))
        np.testing.assert_allclose(middle, 0.0, atol=1e-5)


def test_meta_and_summary(made, motions):
    root, meta = made
    assert json.loads((root / "meta.json").read_text()) == json.loads(json.dumps(meta))
    assert meta["arguments"] == {
        "motions": (motions,),
        "fps": 30.0,
        "val_subjects": None,
        "test_subjects": None,
        "noise": 5.0,
        "seed": 0,
        "cameras": 4,
        "amc_fps": 120.0,
        "vary_bones": 0.0,
    }
    assert meta["notices"] == [LICENCE]
    text = summary(meta)
    assert len(text.splitlines()) < 15
    assert f"{meta['counts']['train']['frames']}" in text
    assert "val: evsoccer" in text
    assert LICENCE in text


def test_noise(made, motions, tmp_path):
    root, _ = made
    moved = []
    for split in SPLITS:
        noisy = np.load(root / "joint_2d_det" / f"{split}_noise5.npy")
        part = arrays_of(root, split)["part"]
        assert noisy.shape == part.shape
        assert noisy.dtype == np.float32
        assert (noisy[..., 2] == 1.0).all()
        moved.append(noisy[..., :2] - part[..., :2])
    # Median absolute deviation: outliers and exchanged sides don't count.
    spread = np.median(np.abs(np.concatenate(moved)), axis=(0, 2)) / 0.6745
    np.testing.assert_allclose(spread, 5.0 * joint_sigmas(), rtol=0.25)
    make_mocap_benchmark(MocapRecipe((motions,)), tmp_path / "clean")
    clean, whole = all_bytes(tmp_path / "clean"), all_bytes(root)
    assert not any("joint_2d_det" in name for name in clean)
    for name in set(clean) - {"meta.json"}:
        assert clean[name] == whole[name], name


def test_same_seed_same_bytes(made, motions, tmp_path):
    root, _ = made
    make_mocap_benchmark(MocapRecipe((motions,), noise=5.0), tmp_path / "again")
    assert all_bytes(tmp_path / "again") == all_bytes(root)
    make_mocap_benchmark(MocapRecipe((motions,), noise=5.0, seed=1), tmp_path / "other")
    mine, other = cameras_of(root), cameras_of(tmp_path / "other")
    assert all((mine[key]["R"] != other[key]["R"]).any() for key in mine)


def test_a_rig_belongs_to_its_person(made, tmp_path):
    """Other people in the set, and their order, change nothing."""
    root, _ = made
    rows = [row for row in reversed(CLIPS) if row[0] != "p-2"]
    path = write_motions(tmp_path / "fewer.npz", rows)
    make_mocap_benchmark(MocapRecipe((path,)), tmp_path / "set")
    mine, fewer = cameras_of(root), cameras_of(tmp_path / "set")
    assert set(fewer) == {key for key in mine if key[0] != "p-2"}
    for key, camera in fewer.items():
        assert all(np.array_equal(camera[k], mine[key][k]) for k in "RTfc")
    assert not np.array_equal(mine["p1", "cam0"]["T"], mine["06", "cam0"]["T"])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"val": ["evsoccer"], "test": ["06"]}),
        ({"val_subjects": ("p_1",)}, {"val": ["p1"], "test": ["06"]}),
        ({"test_subjects": ("p-2",)}, {"val": ["evsoccer"], "test": ["p-2"]}),
        (
            {"val_subjects": ("06",), "test_subjects": ("p_1", "p-2")},
            {"val": ["06"], "test": ["p1", "p-2"]},
        ),
    ],
)
def test_splits(motions, tmp_path, options, expected):
    recipe = MocapRecipe((motions,), cameras=1, **options)
    meta = make_mocap_benchmark(recipe, tmp_path / "set")
    everyone = {"p1", "p-2", "evsoccer", "06"}
    expected["train"] = sorted(everyone - set(expected["val"]) - set(expected["test"]))
    assert {k: sorted(v) for k, v in meta["subjects"].items()} == {
        k: sorted(v) for k, v in expected.items()
    }


def test_last_tenth_validates_where_nobody_is_known(tmp_path):
    rows = [(f"s{i:02d}", "walk", "train", 4, 0.0) for i in range(21)]
    path = write_motions(tmp_path / "m.npz", rows)
    meta = make_mocap_benchmark(MocapRecipe((path,), cameras=1), tmp_path / "set")
    assert meta["subjects"]["val"] == ["s19", "s20"]
    assert meta["subjects"]["test"] == []
    assert meta["counts"]["test"]["frames"] == 0
    assert not (tmp_path / "set" / "annotation_body3d" / "test.npz").exists()
    assert "test: nobody" in summary(meta)


def test_folders_of_amc_and_several_sources(motions, tmp_path):
    folder = tmp_path / "subjects"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for subject in ("07", "08"):
        (folder / f"{subject}.asf").write_text(asf_text())
        frames = random_frames(rng, 8, 10.0)
        (folder / f"{subject}_01.amc").write_text(amc_text(frames))
    meta = make_mocap_benchmark(MocapRecipe((str(folder), motions)), tmp_path / "set")
    assert meta["subjects"]["val"] == ["08", "evsoccer"]
    entry = next(e for e in clips_of(tmp_path / "set") if e["source"] == "07_01")
    assert entry["frames"] == 2  # 8 frames of 120 fps at 30
    assert meta["notices"] == [LICENCE]


ERRORS = [
    ({"val_subjects": ("nobody",)}, "Nobody is called nobody .* the people are p_1, p-2"),
    ({"val_subjects": ("06",), "test_subjects": ("06",)}, "06 can't be in both"),
    ({"val_subjects": ("p_1", "p-2", "ev_soccer")}, "Nobody is left to train on"),
    ({"test_subjects": ("p_1", "p-2", "06")}, "leaves nobody to validate on"),
]


@pytest.mark.parametrize(("options", "message"), ERRORS)
def test_people_that_cannot_be_split(motions, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        make_mocap_benchmark(MocapRecipe((motions,), **options), tmp_path / "set")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", "x", "train"), ("a", "x", "test")], "person a is in the splits train and test"),
        ([("a", "x", "train"), ("b", "x", "dev")], "person b is in the split 'dev'"),
        (
            [("a_1", "x", "train"), ("A1", "x", "train"), ("b", "x", "train")],
            "'a_1' and 'A1' would both be called 'A1'",
        ),
        ([("__", "x", "train"), ("b", "x", "train")], "'__' has no letter or digit"),
        ([("a", "x", "train")], "Only a can be trained on"),
    ],
)
def test_people_with_odd_names_and_splits(tmp_path, rows, message):
    path = write_motions(tmp_path / "m.npz", [(*row, 3, 0.0) for row in rows])
    with pytest.raises(ValueError, match=message):
        make_mocap_benchmark(MocapRecipe((path,)), tmp_path / "set")
    assert [p.name for p in tmp_path.iterdir()] == ["m.npz"]


def test_a_split_that_no_camera_sees(tmp_path):
    rows = [("a", "x", "train", 3, 0.0), ("b", "x", "val", 2, 0.0)]
    clips = motions_of(rows)
    clips.xyz[-2, :, 0] -= 40.0
    clips.xyz[-1, :, 0] += 40.0
    save_motions(tmp_path / "m.npz", clips)
    with pytest.raises(ValueError, match=r"whole person of the split val \(b\)"):
        make_mocap_benchmark(MocapRecipe((str(tmp_path / "m.npz"),), fps=60.0), tmp_path / "set")
    assert [p.name for p in tmp_path.iterdir()] == ["m.npz"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"motions": ()}, "at least one file"),
        ({"fps": 0.0}, "fps must be positive"),
        ({"noise": 0.0}, "noise must be positive"),
        ({"noise": float("inf")}, "noise must be positive"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"cameras": 0}, "cameras must be at least 1"),
    ],
)
def test_recipes_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        MocapRecipe(**{"motions": ("m.npz",)} | options)


def test_what_is_at_out_stays(motions, tmp_path):
    recipe = MocapRecipe((motions,), cameras=1)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    make_mocap_benchmark(recipe, foreign)  # an empty folder is no obstacle
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "meta.json").write_text("[]")
    for force in (False, True):
        with pytest.raises(ValueError, match="not a benchmark set that this tool made"):
            make_mocap_benchmark(recipe, tmp_path / "notes", force)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match="not a benchmark set"):
        make_mocap_benchmark(recipe, tmp_path / "file", force=True)
    before = all_bytes(foreign)
    with pytest.raises(ValueError, match="give --force to replace it"):
        make_mocap_benchmark(MocapRecipe((motions,), seed=3), foreign)
    assert all_bytes(foreign) == before
    make_mocap_benchmark(MocapRecipe((motions,), seed=3), foreign, force=True)
    assert all_bytes(foreign) != before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "foreign", "notes"]


def test_a_broken_off_run_leaves_nothing(motions, tmp_path, monkeypatch):
    recipe = MocapRecipe((motions,), cameras=1)
    make_mocap_benchmark(recipe, tmp_path / "set")
    before = all_bytes(tmp_path / "set")

    def full_disk(*_):
        raise OSError("no space left")

    monkeypatch.setattr(mocap_benchmark, "save_motions", full_disk)
    for name in ("set", "new"):
        with pytest.raises(OSError, match="no space left"):
            make_mocap_benchmark(recipe, tmp_path / name, force=True)
    assert all_bytes(tmp_path / "set") == before
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


def test_bones_vary_by_person_and_alike_on_both_sides(motions, tmp_path):
    plain, varied = tmp_path / "plain", tmp_path / "varied"
    make_mocap_benchmark(MocapRecipe((str(motions),)), plain)
    make_mocap_benchmark(MocapRecipe((str(motions),), vary_bones=0.2), varied)
    with np.load(plain / "reference_poses.npz") as a, np.load(varied / "reference_poses.npz") as b:
        before, after, subject = a["xyz"], b["xyz"], b["subject"]
        parents, start, length = b["parents"][1:], b["start"], b["length"]

    def bones(xyz):
        return np.linalg.norm(xyz[:, 1:] - xyz[:, parents], axis=-1)

    ratio = bones(after) / bones(before)
    factors = {}
    for name, first, count in zip(subject.tolist(), start, length, strict=True):
        rows = ratio[first : first + count]
        np.testing.assert_allclose(rows, rows[:1].repeat(len(rows), 0), rtol=1e-3)
        np.testing.assert_allclose(factors.setdefault(name, rows[0]), rows[0], rtol=1e-3)
        # Children 1, 2, 3 are the right leg, 4, 5, 6 the left one.
        np.testing.assert_allclose(rows[0, :3], rows[0, 3:6], rtol=1e-3)
    assert 0.05 < np.log(np.stack(list(factors.values()))).std() < 0.4
    np.testing.assert_allclose(after[:, [3, 6], 2].min(1), before[:, [3, 6], 2].min(1), atol=1e-4)


def test_senseless_variation_is_refused():
    with pytest.raises(ValueError, match="vary_bones"):
        MocapRecipe(("m.npz",), vary_bones=2.0)
