import numpy as np
import pytest
from part_synth.datasets.motion_io import MotionClips, save_motions
from part_synth.datasets.synthetic import Recipe, make_synthetic_mocap
from part_synth.datasets.synthetic.clip_source import CapturedMotion, MadeMotion, action_name
from part_synth.datasets.synthetic.motions import make_motion

FPS, FRAMES = 20.0, 60


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    """Eight clips of four training people and two clips of one test person."""
    subjects = ["a", "a", "b", "b", "c", "c", "d", "d", "t", "t"]
    xyz = [
        make_motion("walk", np.random.default_rng(seed), FRAMES, FPS)
        for seed in range(len(subjects))
    ]
    clips = MotionClips(
        np.concatenate(xyz).astype(np.float32),
        np.arange(len(subjects)) * FRAMES,
        np.full(len(subjects), FRAMES),
        FPS,
        np.array(subjects),
        np.array([f"clip{i}" for i in range(len(subjects))]),
        np.array(["walk, slowly"] * len(subjects)),
        np.array(["test" if s == "t" else "train" for s in subjects]),
    )
    path = tmp_path_factory.mktemp("capture") / "walks.npz"
    save_motions(path, clips)
    return str(path), clips


def test_action_names_fit_into_file_names():
    assert action_name("sit_down, get up (twice)") == "SitDownGetUpTwice"
    assert action_name("  ") == "Motion"


def test_every_split_sees_every_class_of_made_motion():
    source = MadeMotion(Recipe())
    for split, people in (("train", 32), ("val", 4), ("test", 4)):
        actions = {source._class_of(split, number) for number in range(5 * people)}
        assert actions == set(source.classes)
    clip = source.rendered("train", 0, 0, 6, np.random.default_rng(0))
    assert clip.xyz.shape == (6, 17, 3) and clip.action.isalnum()


def test_captured_people_and_clips_are_kept_apart(capture):
    path, clips = capture
    source = CapturedMotion(Recipe(motions=path))
    pools = {name: set(indices) for name, indices in source.pools.items()}
    assert sum(map(len, pools.values())) == len(clips) == len(set.union(*pools.values()))
    people = {name: set(clips.subject[list(pool)]) for name, pool in pools.items()}
    assert people["test"] == {"t"} and pools["train"] and pools["unpaired"]
    assert len(people["val"]) == 1 and not people["val"] & (people["train"] | people["unpaired"])


def test_windows_are_the_clips_own_poses_at_the_recipes_rate(capture):
    path, clips = capture
    source = CapturedMotion(Recipe(motions=path))
    drawn = source.rendered("test", 0, 0, 10, np.random.default_rng(0))
    assert drawn.action == "WalkSlowly" and drawn.xyz.shape == (10, 17, 3)
    index = list(clips.clip).index(drawn.origin)
    poses = clips.poses(index)
    first = np.abs(poses - drawn.xyz[0]).sum(axis=(1, 2)).argmin()
    np.testing.assert_allclose(drawn.xyz, poses[first : first + 20 : 2], atol=1e-4)


def test_a_clip_shorter_than_the_window_is_played_slower(capture):
    path, clips = capture
    source = CapturedMotion(Recipe(motions=path))
    drawn = source.rendered("test", 0, 0, 90, np.random.default_rng(0))
    poses = clips.poses(list(clips.clip).index(drawn.origin))
    assert len(drawn.xyz) == 90
    np.testing.assert_allclose(drawn.xyz[[0, -1]], poses[[0, 58]], atol=1e-4)


def test_a_set_is_made_from_captured_motion(capture, tmp_path):
    root = make_synthetic_mocap(
        tmp_path / "set",
        subjects=(1, 0, 1),
        cameras=1,
        frames_per_subject=2,
        size=48,
        motions=capture[0],
        unpaired_poses=0,
        workers=0,
    )
    assert len(list((root / "images").rglob("S*_WalkSlowly_1.cam0_*.jpg"))) == 4


def test_a_file_without_test_people_is_refused(capture, tmp_path):
    _, clips = capture
    clips.split[:] = "train"
    path = tmp_path / "all_train.npz"
    save_motions(path, clips)
    with pytest.raises(ValueError, match="no clips left for test"):
        CapturedMotion(Recipe(motions=str(path)))
