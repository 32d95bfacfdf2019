import json
import logging

import numpy as np
import pytest
import torch
from data_factory import walking_poses
from mmengine.logging import MMLogger
from part_synth.apis import lift, load_lifter, read_keypoints
from part_synth.apis import lifting as module
from part_synth.geometry import H36M17, aim_points, bones_total, mirror
from part_synth.geometry.keypoint_layouts import KEYPOINT_LAYOUTS, to_h36m17
from part_synth.registry import MODELS

SIZE = (1280, 720)
HEAD = H36M17.index("head")


def tiny(kind="FrameLifter", **lifter):
    torch.manual_seed(0)
    config = dict(type=f"part_synth.{kind}", width=16, num_blocks=1, **lifter)
    return MODELS.build(dict(type="part_synth.LiftingModel", lifter=config)).eval()


@pytest.fixture(scope="module")
def model():
    return tiny()


@pytest.fixture(scope="module")
def clip_model():
    return tiny("ClipLifter", reach=2)


def video(num_frames=12, seed=0, fps=10.0):
    """(T, 17, 2) px of somebody who walks, H36M17 order, seen by a level camera of 900 px."""
    world = walking_poses(num_frames, fps, np.random.default_rng(seed))
    camera = np.stack([world[..., 0], 1.0 - world[..., 2], world[..., 1] + 5.0], axis=-1)
    return 900 * camera[..., :2] / camera[..., 2:] + [700, 300]


@pytest.fixture
def warnings():
    """Messages of mmengine's logger, which keeps them from caplog."""
    messages = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)


def slowly(model, keypoints, focal, centre, rows_of_window):
    """One pose after the other."""
    joints = []
    for rows in rows_of_window:
        aimed, turns = [], []
        for row in rows:
            pixels = torch.from_numpy(keypoints[row])
            if focal is None:
                f = torch.full((2,), 4.0 * float(np.ptp(keypoints[row], axis=0).max())).double()
                c = pixels[0]
            else:
                f, c = torch.tensor(focal).double(), torch.tensor(centre).double()
            points, turn = aim_points(pixels, f, c)
            aimed.append(points.float())
            turns.append(turn.float())
        with torch.no_grad():
            pose = model.poses(torch.stack(aimed)[None])[0]
        joints.append((pose @ turns[(len(rows) - 1) // 2]).numpy())
    return np.stack(joints)


def test_frames_are_lifted_as_one_by_one(model):
    points = video()
    camera = dict(focal=(900, 910), centre=(640, 350))
    poses = lift(points, camera=camera, skeleton="h36m", model=model, batch_size=5)
    slow = slowly(model, points, (900.0, 910.0), (640.0, 350.0), [[i] for i in range(12)])
    np.testing.assert_allclose(poses.joints, slow, atol=2e-6)
    assert poses.joints.dtype == np.float32 and poses.ok.all() and not poses.filled.any()
    np.testing.assert_array_equal(poses.joints[:, 0], 0)
    np.testing.assert_allclose(poses.keypoints, points, rtol=1e-6)
    total = bones_total(torch.from_numpy(poses.joints))
    torch.testing.assert_close(total, torch.full((12,), model.bones_total))
    without = lift(points, skeleton="h36m", model=model)
    slow = slowly(model, points, None, None, [[i] for i in range(12)])
    np.testing.assert_allclose(without.joints, slow, atol=2e-6)


def test_windows_hold_one_persons_nearest_frames(clip_model):
    """Two people in one list, rows in any order, one of them missing for two frames."""
    points = np.concatenate([video(8, 1), video(6, 2)])
    ids = np.array([5] * 8 + [2] * 6)
    frames = np.array([0, 1, 2, 5, 6, 7, 8, 9, 3, 4, 5, 6, 7, 8])
    shuffled = np.random.default_rng(0).permutation(14)
    camera = dict(focal=(900, 900), centre=(640, 360))
    # 10 frames per second at the 0.1 s of training: neighbouring frames.
    for fps, step in ((10, 1), (20, 2)):
        poses = lift(
            points[shuffled],
            camera=camera,
            skeleton="h36m",
            model=clip_model,
            person_ids=ids[shuffled],
            frames=frames[shuffled],
            fps=fps,
            batch_size=3,
        )
        windows = []
        for i in shuffled:
            own = np.flatnonzero(ids == ids[i])
            wanted = [frames[i] + step * k for k in (-2, -1, 0, 1, 2)]
            # Of two equally near frames the earlier one.
            windows.append([own[np.argmin(np.abs(frames[own] - w))] for w in wanted])
        slow = slowly(clip_model, points, (900.0, 900.0), (640.0, 360.0), windows)
        np.testing.assert_allclose(poses.joints, slow, atol=2e-6)
        assert poses.person_ids.tolist() == ids[shuffled].tolist()
        assert poses.frames.tolist() == frames[shuffled].tolist()


def test_rows_without_identities_share_nothing(clip_model):
    points = video(5)
    apart = lift(points, skeleton="h36m", model=clip_model)
    alone = [lift(p, skeleton="h36m", model=clip_model).joints[0] for p in points]
    np.testing.assert_allclose(apart.joints, alone, atol=1e-6)
    assert apart.person_ids.tolist() == [0, 1, 2, 3, 4] and apart.frames.tolist() == [0] * 5
    assert any("another person" in said for said in apart.assumptions)
    together = lift(points, skeleton="h36m", model=clip_model, fps=10)
    assert together.person_ids.tolist() == [0] * 5 and together.frames.tolist() == [0, 1, 2, 3, 4]
    assert np.abs(together.joints - apart.joints).max() > 1e-3


def test_a_clip_of_one_frame_is_its_own_neighbour(clip_model):
    points = video(1)
    poses = lift(points, image_size=SIZE, skeleton="h36m", model=clip_model, fps=30)
    focal, centre = (1.15 * 1280,) * 2, (640.0, 360.0)
    slow = slowly(clip_model, points, focal, centre, [[0] * 5])
    np.testing.assert_allclose(poses.joints, slow, atol=2e-6)


def test_the_interval_between_frames_is_that_of_the_models_config(clip_model, monkeypatch):
    monkeypatch.setattr(clip_model, "cfg", {"interval": 0.3}, raising=False)
    points = video(10)
    poses = lift(points, skeleton="h36m", model=clip_model, fps=10)
    windows = [[min(max(i + 3 * k, 0), 9) for k in (-2, -1, 0, 1, 2)] for i in range(10)]
    np.testing.assert_allclose(
        poses.joints, slowly(clip_model, points, None, None, windows), atol=2e-6
    )
    unknown = lift(points, skeleton="h36m", model=clip_model, frames=range(10))
    assert any("0.3 s apart" in said for said in unknown.assumptions)


def test_without_a_camera_place_and_size_do_not_matter(model):
    points = video()
    poses = lift(points, skeleton="h36m", model=model)
    moved = lift(0.37 * points + [5000, -200], skeleton="h36m", model=model)
    np.testing.assert_allclose(moved.joints, poses.joints, atol=1e-5)
    assert any("middle of the picture" in said for said in poses.assumptions)


def test_a_mirrored_picture_gives_the_mirrored_pose(model):
    points = video()
    mirrored = (points * [-1, 1] + [SIZE[0], 0])[:, H36M17.flip_indices]
    poses = lift(points, image_size=SIZE, skeleton="h36m", model=model)
    flipped = lift(mirrored, image_size=SIZE, skeleton="h36m", model=model)
    expected = mirror(torch.from_numpy(poses.joints)).numpy()
    np.testing.assert_allclose(flipped.joints, expected, atol=1e-5)


def test_the_guessed_camera_is_said(model):
    points = video()
    guessed = lift(points, image_size=SIZE, skeleton="h36m", model=model)
    camera = dict(focal=(1472, 1472), centre=(640, 360))
    known = lift(points, camera=camera, image_size=SIZE, skeleton="h36m", model=model)
    np.testing.assert_array_equal(guessed.joints, known.joints)
    assert any("1472 px are taken" in said for said in guessed.assumptions)
    assert not any("focal" in said for said in known.assumptions)


def test_layouts_and_forms_of_input(model):
    coco = np.random.default_rng(0).uniform(100, 600, (4, 17, 2))
    points = to_h36m17(torch.from_numpy(coco))[0].numpy()
    poses = lift(points, skeleton="h36m", model=model)
    scores = np.full((4, 17), 0.9)
    forms = [
        lift(coco, model=model),
        lift(coco.tolist(), scores.tolist(), model=model),
        lift(np.concatenate([coco, scores[..., None]], -1), model=model, skeleton="coco"),
    ]
    for form in forms:
        np.testing.assert_allclose(form.joints, poses.joints, atol=1e-6)
    said = [any("taken as layout 'coco'" in s for s in form.assumptions) for form in forms]
    assert said == [True, True, False]
    one = lift(coco[2], scores[2], model=model)
    np.testing.assert_allclose(one.joints, poses.joints[2:3], atol=1e-6)
    wide = np.zeros((4, 133, 2))
    wide[:, :17] = coco
    body = lift(wide, model=model, skeleton="coco_wholebody")
    np.testing.assert_allclose(body.joints, poses.joints, atol=1e-6)


def test_files_are_lifted_with_what_they_say(model, tmp_path):
    points = video(6)
    path = tmp_path / "k.npz"
    np.savez(path, keypoints=points, person_ids=[1, 1, 1, 4, 4, 4], layout="h36m")
    poses = lift(str(path), model=model)
    np.testing.assert_allclose(
        poses.joints, lift(points, skeleton="h36m", model=model).joints, atol=1e-5
    )
    assert poses.person_ids.tolist() == [1, 1, 1, 4, 4, 4]
    assert poses.frames.tolist() == [0, 1, 2, 0, 1, 2]
    tracks = read_keypoints(path)
    with pytest.raises(ValueError, match="come from the keypoint file"):
        lift(tracks, fps=30, model=model, person_ids=[0] * 6)
    np.save(tmp_path / "k.npy", np.ones((2, 14, 2)))
    with pytest.raises(ValueError, match=r"layout of its 14 joints; give .* aic, crowdpose"):
        lift(tmp_path / "k.npy", model=model)


def test_short_gaps_are_interpolated_within_a_person(model):
    points = np.concatenate([video(12, 1), video(12, 2)])
    frames = np.concatenate([np.arange(12)] * 2)
    frames[8:12] += 100
    ids = np.repeat([0, 1], 12)
    holes = points.copy()
    holes[3:8, 10] = np.nan  # 5 frames, but no frame after them until 108
    holes[14:19, 10] = np.inf  # 5 frames
    holes[13:19, 5] = np.nan  # 6 frames
    holes[12, 2] = holes[11, 2] = np.nan  # ends
    scores = np.ones((24, 17))
    scores[21, :] = 0.0  # nobody in one frame
    poses = lift(holes, scores, skeleton="h36m", model=model, person_ids=ids, frames=frames)
    expected = np.zeros((24, 17), bool)
    expected[14:19, 10] = True
    expected[21] = True
    np.testing.assert_array_equal(poses.filled, expected)
    ok = np.ones(24, bool)
    ok[[3, 4, 5, 6, 7, 11, 12, 13, 14, 15, 16, 17, 18]] = False
    np.testing.assert_array_equal(poses.ok, ok)
    for k, row in enumerate(range(14, 19)):
        share = (k + 1) / 6
        between = (1 - share) * points[13, 10] + share * points[19, 10]
        np.testing.assert_allclose(poses.keypoints[row, 10], between, rtol=1e-6)
    np.testing.assert_allclose(poses.keypoints[21], (points[20] + points[22]) / 2, rtol=1e-6)
    assert any("22 were missing and interpolated" in said for said in poses.assumptions)
    never = lift(holes, scores, skeleton="h36m", model=model, person_ids=ids, max_gap=0)
    assert not never.filled.any()


def test_missing_joints_are_filled_by_what_the_model_expects(warnings):
    model = tiny()
    model.infill = MODELS.build(dict(type="part_synth.KeypointInfill"))
    points = np.concatenate([video(60, seed, 3.0) for seed in range(4)])
    model.infill.fit(torch.from_numpy(points))
    holes = points[100:106].copy()
    holes[0, HEAD] = np.nan
    holes[1, [3, 6]] = np.nan
    holes[2, 3:] = np.nan  # three joints left
    holes[3, 2:] = np.nan  # two
    poses = lift(holes, image_size=SIZE, skeleton="h36m", model=model, batch_size=2)
    assert poses.ok.tolist() == [True, True, True, False, True, True]
    filled, _ = model.infill(
        torch.from_numpy(holes[:3]), torch.from_numpy(~np.isnan(holes[:3, :, 0]))
    )
    np.testing.assert_allclose(poses.keypoints[:3], filled, rtol=1e-6)
    np.testing.assert_array_equal(poses.filled[:3], np.isnan(holes[:3, :, 0]))
    assert not poses.filled[3:].any()
    assert np.linalg.norm(poses.keypoints[0, HEAD] - points[100, HEAD]) < 30
    complete = lift(poses.keypoints[:3], image_size=SIZE, skeleton="h36m", model=model)
    np.testing.assert_allclose(poses.joints[:3], complete.joints, atol=1e-5)
    assert any("17 were missing and filled in" in said for said in poses.assumptions)
    assert len(warnings) == 1


def test_what_can_not_be_lifted_is_nan_and_said_once(model, warnings, monkeypatch):
    monkeypatch.setattr(model, "infill", None)
    points = video(8)
    points[1] = 33.0
    points[2, 4] = np.nan
    points[3, 2:] = np.nan
    points[5, 7] = 1e200
    scores = np.ones((8, 17))
    scores[4] = 0.0
    scores[6, 16] = 0.29
    poses = lift(points, scores, skeleton="h36m", model=model)
    assert poses.ok.tolist() == [True, False, False, False, False, False, False, True]
    assert np.isnan(poses.joints[~poses.ok]).all() and np.isfinite(poses.joints[poses.ok]).all()
    assert np.isnan(poses.keypoints[4]).all() and np.isnan(poses.keypoints[6, 16]).all()
    (said,) = warnings
    assert "6 of 8 poses can't be lifted and are NaN: 1 without any joint, 1 with fewer" in said
    assert "1 with all joints in one point, 3 with missing joints, which this model" in said
    # What is left is not disturbed.
    fine = lift(points[[0, 7]], skeleton="h36m", model=model)
    np.testing.assert_array_equal(fine.joints, poses.joints[[0, 7]])


def test_numbers_that_are_not_finite_do_not_pass(model, warnings, monkeypatch):
    poses = model.poses
    holes = torch.zeros(3, 17, 3)
    holes[1, 3, 2] = torch.nan
    monkeypatch.setattr(model, "poses", lambda points: poses(points) + holes)
    lifted = lift(video(3), skeleton="h36m", model=model)
    assert lifted.ok.tolist() == [True, False, True] and np.isnan(lifted.joints[1]).all()
    assert "1 of 3 poses can't be lifted and are NaN: 1 that the model gave no" in warnings[0]


def test_windows_skip_frames_that_can_not_be_lifted(clip_model):
    points = video(7)
    points[3] = 1.0
    poses = lift(points, skeleton="h36m", model=clip_model, fps=10)
    rows = [0, 1, 2, 4, 5, 6]
    # Frame 3 is as far from 2 as from 4: the earlier one.
    near = {0: 0, 1: 1, 2: 2, 3: 2, 4: 4, 5: 5, 6: 6}
    windows = [[near[min(max(i + k, 0), 6)] for k in (-2, -1, 0, 1, 2)] for i in rows]
    slow = slowly(clip_model, points, None, None, windows)
    np.testing.assert_allclose(poses.joints[rows], slow, atol=2e-6)
    assert not poses.ok[3]


def test_nobody_at_all(model, tmp_path, warnings):
    for nothing in ([], np.zeros((0, 17, 2)), np.zeros((0, 17, 3)), np.zeros(0)):
        poses = lift(nothing, image_size=SIZE, model=model, fps=30)
        assert len(poses) == 0 and poses.joints.shape == (0, 17, 3)
    poses.to_json(tmp_path / "none.json")
    assert json.loads((tmp_path / "none.json").read_text())["poses"] == []
    assert not warnings
    (tmp_path / "a.json").write_text(json.dumps(dict(predictions=[[], []])))
    poses = lift(tmp_path / "a.json", model=model, skeleton="halpe26", image_size=SIZE)
    assert poses.ok.tolist() == [False, False]
    assert "2 without any joint" in warnings[0]


def test_exchanged_width_and_height_are_noticed(model, warnings):
    points = video() + np.array([400, 0])
    with pytest.raises(
        ValueError, match=r"image_size=\(720, 1280\), but nearly all inside of \(12"
    ):
        lift(points, image_size=SIZE[::-1], skeleton="h36m", model=model)
    assert lift(points, image_size=SIZE, skeleton="h36m", model=model).ok.all()
    assert not warnings
    poses = lift(points + 3000, image_size=SIZE, skeleton="h36m", model=model)
    assert any("lie outside of image_size (1280 x 720 px)" in said for said in poses.assumptions)
    assert len(warnings) == 1
    with pytest.raises(ValueError, match="multiply normalised ones by the image size"):
        lift(points / 1280, image_size=SIZE, skeleton="h36m", model=model)


GOOD = np.random.default_rng(0).uniform(0, 500, (3, 17, 2))
BAD = {
    "16 joints": ((GOOD[:, 1:],), {}, r"'coco' has 17 joints, got keypoints of 16 \(.*: mpii\)"),
    "skeleton": ((GOOD,), dict(skeleton="koko"), "No keypoint layout is called 'koko'"),
    "ragged": (([[[1, 2]], [[1, 2], [3, 4]]],), {}, "different numbers of joints"),
    "one list": ((GOOD[0, 0],), {}, r"or \(L, 2\) for one pose, got \(2,\)"),
    "four numbers": ((np.zeros((3, 17, 4)),), {}, r"got \(3, 17, 4\)"),
    "scores twice": ((np.ones((3, 17, 3)), np.ones((3, 17))), {}, "not both"),
    "few scores": ((GOOD, np.ones((3, 16))), {}, r"scores must be \(3, 17\).*got \(3, 16\)"),
    "one size": ((GOOD,), dict(image_size=1000), "image_size must be two positive numbers"),
    "three sizes": ((GOOD,), dict(image_size=(720, 1280, 3)), r"got \(720, 1280, 3\)"),
    "no size": ((GOOD,), dict(image_size=(0, 100)), "two positive numbers"),
    "camera": ((GOOD,), dict(camera=dict(focal=1, center=2)), r"got \['center', 'focal'\]"),
    "focal": ((GOOD,), dict(camera=dict(focal=9, centre=(1, 2))), r"camera\['focal'\] must be two"),
    "few people": ((GOOD,), dict(person_ids=[1, 2]), "person_ids must be 3 whole numbers"),
    "half frames": ((GOOD,), dict(frames=[0, 0.5, 1]), "frames must be 3 whole numbers"),
    "twice": ((GOOD,), dict(frames=[4, 5, 4]), "Person 0 has several rows in frame 4"),
    "fps": ((GOOD,), dict(fps=0), "fps must be a positive number, got 0"),
    "batch": ((GOOD,), dict(batch_size=0), "batch_size whole numbers of at least"),
    "model": ((GOOD,), dict(model="best"), "got 'best'"),
    "3D poses": ((np.random.default_rng(0).normal(size=(3, 17, 3)),), {}, "look like 3D poses"),
    "3D in front": ((GOOD[..., [0, 0, 1]] / 500,), {}, "look like 3D poses"),
    "normalised camera": ((GOOD,), dict(camera=dict(focal=(1, 1), centre=(0, 0))), "in pixels"),
    "fps in words": ((GOOD,), dict(fps="30"), "fps must be a positive number, got '30'"),
    "no gap": ((GOOD,), dict(max_gap=None), "got 0.3, None, 4096"),
    "complex": ((GOOD + 1j,), {}, "arrays of numbers"),
}


@pytest.mark.parametrize("name", BAD)
def test_mistakes(model, name):
    arguments, options, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        lift(*arguments, **{"model": model, **options})


def test_a_model_in_training_is_left_as_it_was():
    model = tiny(dropout=0.5).train()
    points = video()
    first, second = (lift(points, skeleton="h36m", model=model).joints for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert model.training


def test_the_packages_model_is_the_default(monkeypatch, model):
    asked = []
    monkeypatch.setattr(module, "load_lifter", lambda *args: asked.append(args) or model)
    lift(video(), skeleton="h36m", device="cpu")
    assert asked == [(None, "cpu")]
    assert load_lifter(model) is model


@pytest.mark.parametrize("name", KEYPOINT_LAYOUTS)
def test_every_layout_is_lifted(model, name):
    count = KEYPOINT_LAYOUTS[name].num_joints
    points = np.random.default_rng(0).uniform(0, 500, (2, count, 2))
    assert lift(points, skeleton=name, model=model).ok.all()


def test_results_are_written_and_read(model, tmp_path):
    points = video(3)
    points[1] = np.nan
    poses = lift(points, image_size=SIZE, skeleton="h36m", model=model, frames=[3, 4, 9], max_gap=0)
    poses.to_json(tmp_path / "deep" / "poses.json")
    content = json.loads((tmp_path / "deep" / "poses.json").read_text())
    assert content["units"] == "metres" and content["frame"] == "camera, root-relative"
    assert content["joint_names"] == list(H36M17.joint_names)
    assert content["parents"] == list(H36M17.parents)
    assert content["assumptions"] == poses.assumptions
    rows = content["poses"]
    assert [row["frame"] for row in rows] == [3, 4, 9]
    assert [row["ok"] for row in rows] == [True, False, True]
    np.testing.assert_allclose(rows[2]["joints"], poses.joints[2], atol=1e-5)
    np.testing.assert_allclose(rows[0]["keypoints"], poses.keypoints[0], atol=0.006)
    assert rows[1]["joints"] is None and rows[1]["keypoints"][3] == [None, None]
    poses.to_npz(tmp_path / "poses.npz")
    with np.load(tmp_path / "poses.npz", allow_pickle=False) as archive:
        for name in ("joints", "ok", "filled", "keypoints", "person_ids", "frames"):
            np.testing.assert_array_equal(archive[name], getattr(poses, name))
        assert archive["joint_names"].tolist() == list(poses.joint_names)
        assert str(archive["units"]) == "metres"
        assert archive["assumptions"].tolist() == poses.assumptions


def test_a_joint_far_away_from_the_others_is_taken_as_missing(warnings):
    model = tiny()
    points = video(200)
    model.infill.fit(torch.from_numpy(points).float())
    good = lift(points, skeleton="h36m", image_size=SIZE, fps=10, model=model)
    assert not warnings and not good.filled.any()
    points[50, 16] = 1e7
    poses = lift(points, skeleton="h36m", image_size=SIZE, fps=10, model=model)
    assert poses.ok.all() and poses.filled[50, 16] and poses.filled.sum() == 1
    assert len(warnings) == 1 and "1 joints far away" in warnings[0]
    assert np.abs(poses.joints[50] - good.joints[50]).max() < 0.1


def test_keypoints_at_zero_are_missing_where_there_are_no_scores(model):
    points = video(5)
    points[2, 3] = 0
    poses = lift(points, skeleton="h36m", fps=10, model=model)
    assert poses.filled[2, 3]
    assert any("1 keypoints at (0, 0)" in said for said in poses.assumptions)
    scored = lift(points, np.ones((5, 17)), skeleton="h36m", fps=10, model=model)
    assert not any("(0, 0)" in said for said in scored.assumptions)


def test_masked_keypoints_are_missing_and_tensors_are_read(model):
    points = video(5)
    masked = np.ma.masked_array(points, mask=np.zeros_like(points, bool))
    masked[1, 4] = np.ma.masked
    assert lift(masked, skeleton="h36m", fps=10, model=model).filled[1, 4]
    tensor = torch.from_numpy(points).requires_grad_()
    same = lift(tensor, skeleton="h36m", fps=10, model=model)
    np.testing.assert_array_equal(
        same.joints, lift(points, skeleton="h36m", fps=10, model=model).joints
    )
