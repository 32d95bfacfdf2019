"""Each error against a slow float64 reference written another way, and against mmpose."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmpose.evaluation.functional import keypoint_mpjpe, keypoint_pck_accuracy
from part_synth.evaluation import functional as F


def horn_align(source, target, weights):
    """Similarity alignment by Horn's quaternion method (no SVD, no reflection), one pose."""
    w = weights / weights.sum()
    a, b = source - w @ source, target - w @ target
    s = (w[:, None] * a).T @ b
    z = np.array([s[1, 2] - s[2, 1], s[2, 0] - s[0, 2], s[0, 1] - s[1, 0]])
    n = np.empty((4, 4))
    n[0, 0], n[0, 1:], n[1:, 0] = np.trace(s), z, z
    n[1:, 1:] = s + s.T - np.trace(s) * np.eye(3)
    q0, *q = np.linalg.eigh(n)[1][:, -1]
    q = np.array(q)
    cross = np.array([[0, -q[2], q[1]], [q[2], 0, -q[0]], [-q[1], q[0], 0]])
    rotation = (q0**2 - q @ q) * np.eye(3) + 2 * np.outer(q, q) + 2 * q0 * cross
    turned = a @ rotation.T
    scale = (w[:, None] * turned * b).sum() / (w[:, None] * a * a).sum()
    return scale * turned + w @ target


def slow_errors(pred, gt, visible, alignment):
    """mm errors of all visible joints as a flat list, joint by joint."""
    errors = []
    for p, g, v in zip(pred, gt, visible, strict=True):
        if alignment == "procrustes":
            p = horn_align(p, g, v.astype(float))
        else:
            p, g = p - p[0], g - g[0]
            if alignment == "scale":
                p = (
                    p
                    * sum(p[k] @ g[k] for k in range(17) if v[k])
                    / sum(p[k] @ p[k] for k in range(17) if v[k])
                )
        errors += [1000 * np.sqrt(((p[k] - g[k]) ** 2).sum()) for k in range(17) if v[k]]
    return np.array(errors)


def some_hidden(pred):
    visible = np.random.default_rng(3).random(pred.shape[:2]) > 0.2
    visible[:, 0] = True
    return visible


ERRORS = {"root": F.mpjpe, "scale": F.n_mpjpe, "procrustes": F.p_mpjpe}


@pytest.mark.parametrize("alignment", ERRORS)
@pytest.mark.parametrize("hidden", [False, True])
def test_errors_against_slow_reference(pair, alignment, hidden):
    pred, gt = pair
    visible = some_hidden(pred) if hidden else np.ones(pred.shape[:2], bool)
    expected = slow_errors(pred, gt, visible, alignment)
    value = ERRORS[alignment](pred, gt, visible)
    assert float(value) == pytest.approx(expected.mean(), rel=1e-9)
    per_pose = ERRORS[alignment](pred, gt, visible, reduction="pose").numpy()
    splits = np.split(expected, np.cumsum(visible.sum(1))[:-1])
    np.testing.assert_allclose(per_pose, [s.mean() for s in splits], rtol=1e-9)


@pytest.mark.parametrize(
    ("alignment", "mode"), [("root", "none"), ("scale", "scale"), ("procrustes", "procrustes")]
)
def test_errors_against_mmpose(pair, alignment, mode):
    pred, gt = pair
    p, g = pred - pred[:, :1], gt - gt[:, :1]
    expected = 1000 * keypoint_mpjpe(p, g, np.ones(p.shape[:2], bool), mode)
    assert float(ERRORS[alignment](pred, gt)) == pytest.approx(expected, rel=1e-9)


def test_pck_and_auc_against_mmpose_and_slow_reference(pair):
    pred, gt = pair
    p, g = pred - pred[:, :1], gt - gt[:, :1]
    mask, unit = np.ones(p.shape[:2], bool), np.ones((len(p), 3))

    def mmpose_pck(threshold):
        return 100 * keypoint_pck_accuracy(p, g, mask.copy(), threshold / 1000, unit.copy())[1]

    # mmpose 1.3 has lost keypoint_3d_auc, which was the mean of PCK over 0, 5, ..., 150 mm.
    curve = [mmpose_pck(t) for t in range(0, 151, 5)]
    assert float(F.pck(pred, gt)) == pytest.approx(curve[-1], rel=1e-6)
    assert float(F.auc(pred, gt)) == pytest.approx(np.mean(curve), rel=1e-6)
    assert 20 < curve[-1] < 90  # neither all right nor all wrong: the comparison means something

    visible = some_hidden(pred)
    errors = slow_errors(pred, gt, visible, "root")
    assert float(F.pck(pred, gt, visible, 100)) == pytest.approx(100 * np.mean(errors < 100))
    slow_auc = np.mean([100 * np.mean(errors < t) for t in np.arange(0, 151, 5)])
    assert float(F.auc(pred, gt, visible)) == pytest.approx(slow_auc)


def test_pck_counts_strictly_below_threshold():
    gt = np.zeros((1, 17, 3))
    pred = gt.copy()
    pred[0, 1, 0], pred[0, 2, 0] = 0.125, 0.124  # 0.125 is exact in binary
    assert float(F.pck(pred, gt, threshold_mm=125)) == pytest.approx(100 * 16 / 17)


def test_reflection_is_forbidden_but_flip_tolerance_allows_it(poses):
    gt = poses(6, 5)
    mirrored = gt * [1, 1, -1]
    assert float(F.p_mpjpe(mirrored, gt)) > 20
    assert float(F.p_mpjpe_flip_tolerant(mirrored, gt)) == pytest.approx(0, abs=1e-6)


def test_flip_tolerant_takes_the_better_per_pose(pair):
    pred, gt = pair
    pred = np.where(np.arange(12)[:, None, None] % 2 == 0, pred, pred * [1, 1, -1])
    expected = []
    ones = np.ones(17)
    for p, g in zip(pred, gt, strict=True):
        choices = [horn_align(p, g, ones), horn_align(p * [1, 1, -1], g, ones)]
        expected.append(min(np.linalg.norm(c - g, axis=1).mean() for c in choices))
    value = F.p_mpjpe_flip_tolerant(pred, gt, reduction="pose")
    np.testing.assert_allclose(value.numpy(), 1000 * np.array(expected), rtol=1e-9)


def test_alignments_undo_what_they_should(poses):
    gt = poses(4, 2)
    angle = torch.tensor(1.1, dtype=torch.float64)
    turn = np.array([[angle.cos(), -angle.sin(), 0], [angle.sin(), angle.cos(), 0], [0, 0, 1]])
    assert float(F.mpjpe(gt + 3.0, gt)) == pytest.approx(0, abs=1e-9)
    assert float(F.n_mpjpe(0.1 * gt + 3.0, gt)) == pytest.approx(0, abs=1e-9)
    assert float(F.p_mpjpe(2.0 * gt @ turn.T + 3.0, gt)) == pytest.approx(0, abs=1e-9)
    assert float(F.n_mpjpe(gt @ turn.T, gt)) > 50
    assert float(F.mpjpe(1.1 * gt, gt)) > 20


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_leading_shapes_and_float32(poses, shape):
    num = int(np.prod(shape, dtype=int))
    gt = poses(max(num, 1), 1).reshape(*shape, 17, 3)
    pred = gt + 0.03 * np.random.default_rng(0).normal(size=gt.shape)
    for function in ERRORS.values():
        exact = function(pred, gt, reduction="pose")
        single = function(torch.tensor(pred).float(), torch.tensor(gt).float(), reduction="pose")
        assert exact.shape == single.shape == shape
        assert single.dtype == torch.float32
        torch.testing.assert_close(single.double(), exact, rtol=1e-4, atol=1e-2)


def test_diverged_poses_are_nan_and_never_correct(pair):
    pred, gt = pair
    pred[3, 5, 1] = np.nan
    for function in ERRORS.values():
        errors = function(pred, gt, reduction="pose")
        assert errors.isnan().tolist() == [i == 3 for i in range(12)]
    clean = np.delete(np.arange(12), 3)
    assert float(F.pck(pred, gt)) == pytest.approx(float(F.pck(pred[clean], gt[clean])) * 11 / 12)
    assert float(F.auc(pred, gt)) == pytest.approx(float(F.auc(pred[clean], gt[clean])) * 11 / 12)


def test_hidden_truth_may_be_nan(pair):
    pred, gt = pair
    visible = np.ones(gt.shape[:2], bool)
    visible[2, 9] = False
    expected = float(F.p_mpjpe(pred, gt, visible))
    gt[2, 9] = np.nan
    assert float(F.p_mpjpe(pred, gt, visible)) == pytest.approx(expected)


def test_collapsed_prediction_is_measured_not_nan(poses):
    gt = poses(3, 0)
    zero = np.zeros_like(gt)
    size = np.linalg.norm(gt - gt[:, :1], axis=-1).mean()
    assert float(F.mpjpe(zero, gt)) == pytest.approx(1000 * size)
    assert float(F.n_mpjpe(zero, gt)) == pytest.approx(1000 * size)
    assert np.isfinite(float(F.p_mpjpe(zero, gt)))


def test_keypoint_2d_error_closed_form():
    gt = np.zeros((2, 17, 2))
    gt[:, 3] = [0.1, 0.5]  # the person is 0.5 high, then 1.0 wide
    gt[1, 4] = [-0.9, 0.2]
    pred = gt + np.array([0.03, 0.04])
    expected = (100 * 0.05 / 0.5 + 100 * 0.05 / 1.0) / 2
    assert float(F.keypoint_2d_error(pred, gt)) == pytest.approx(expected)
    visible = np.ones((2, 17), bool)
    visible[1] = False
    assert float(F.keypoint_2d_error(pred, gt, visible)) == pytest.approx(10.0)


def test_spread_ignores_turn_place_and_size_and_sees_collapse(poses):
    gt = poses(60, 4)
    rng = np.random.default_rng(0)
    turned = np.stack([p @ np.linalg.qr(rng.normal(size=(3, 3)))[0].T for p in gt])
    signs = np.sign([np.linalg.det(np.linalg.lstsq(p, t, rcond=None)[0])
                     for p, t in zip(gt, turned, strict=True)])  # fmt: skip
    turned = turned * signs[:, None, None]  # rotations only
    template = F.spread_template(gt)
    spread = float(F.pose_spread(gt, template))
    moved = (0.5 + rng.random((60, 1, 1))) * turned + rng.normal(size=(60, 1, 3))
    assert float(F.pose_spread(moved, template)) == pytest.approx(spread, rel=1e-9)
    same = np.repeat(gt[:1], 60, 0)
    assert float(F.pose_spread(same, template)) == pytest.approx(0, abs=1e-6)
    halfway = 0.5 * gt + 0.5 * np.mean(gt, 0)
    assert 0.3 < float(F.pose_spread(halfway, template)) / spread < 0.7
    aligned = np.stack([horn_align(p, template.numpy(), np.ones(17)) for p in gt])
    slow = 1000 * np.sqrt(((aligned - aligned.mean(0)) ** 2).sum(-1).mean())
    assert spread == pytest.approx(slow, rel=1e-9)


def slow_iou(pred, gt, members):
    hit = union = 0
    for p, g in zip(pred.reshape(-1), gt.reshape(-1), strict=True):
        if g == 255:
            continue
        hit += p in members and g in members
        union += p in members or g in members
    return 100 * hit / union if union else None


def test_part_iou_against_slow_reference():
    rng = np.random.default_rng(0)
    gt = rng.choice([0, 0, 0, 1, 2, 5, 9], size=(4, 8, 8)).astype(np.uint8)
    pred = np.where(rng.random(gt.shape) < 0.7, gt, rng.choice([0, 1, 2, 3], size=gt.shape))
    gt[0, 0, :3] = 255
    ious = [slow_iou(pred, gt, {part}) for part in range(1, 15)]
    expected = np.mean([iou for iou in ious if iou is not None])
    assert sum(iou is not None for iou in ious) == 5  # part 3 is predicted only: it counts as 0
    assert float(F.part_miou(pred, gt)) == pytest.approx(expected)
    assert float(F.fg_iou(pred, gt)) == pytest.approx(slow_iou(pred, gt, set(range(1, 15))))


def test_confusion_matrices_add_up():
    rng = np.random.default_rng(1)
    pred, gt = rng.integers(0, 15, (2, 6, 5, 7))
    total = sum(F.confusion_matrix(p, g) for p, g in zip(pred, gt, strict=True))
    assert torch.equal(total, F.confusion_matrix(pred, gt))
    assert total.sum() == 6 * 5 * 7
    assert total[3, 4] == ((gt == 3) & (pred == 4)).sum()


def test_perfect_and_empty_part_maps():
    labels = np.arange(15).reshape(1, 3, 5)
    assert float(F.part_miou(labels, labels)) == 100
    assert float(F.fg_iou(labels, np.zeros_like(labels))) == 0
    assert np.isnan(float(F.fg_iou(np.zeros_like(labels), np.zeros_like(labels))))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: F.mpjpe(x, x[:1]), r"\(\*, K, 3\).*\(2, 17, 3\)"),
        (lambda x: F.mpjpe(x[..., :2], x[..., :2]), "shape"),
        (lambda x: F.mpjpe(x, x, np.ones((2, 16))), "visible must have shape"),
        (lambda x: F.mpjpe(x, x, np.zeros((2, 17))), "No joint is visible"),
        (lambda x: F.mpjpe(x, x, reduction="sum"), "reduction"),
        (lambda x: F.joint_errors(x, x, alignment="rigid"), "alignment"),
        (lambda x: F.part_miou(x[..., 0], x[:, :5, 0]), "one shape"),
        (lambda x: F.part_miou(np.full((2, 2), 15), np.zeros((2, 2), int)), r"0\.\.14"),
        (lambda x: F.pose_spread(x * np.nan, x[0]), "diverged"),
    ],
)
def test_errors_say_what_was_wrong(call, words):
    with pytest.raises(ValueError, match=words):
        call(np.ones((2, 17, 3)))


def test_depth_flip_share_counts_poses_that_fit_better_mirrored():
    true = torch.randn(40, 17, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    pred = true.clone()
    pred[:10, :, 2] *= -1
    assert float(F.depth_flip_share(pred, true)) == 25.0
    assert float(F.depth_flip_share(true, true)) == 0.0
