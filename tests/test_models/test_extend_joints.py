import pytest
import roma
import torch
from part_synth.geometry import H36M17, REST_DIRECTIONS, forward_kinematics, mirror
from part_synth.models import extend_joints, load_puppet
from part_synth.models.virtual_joints import _default_joints
from tiny_part_synth import LENGTHS, joint, make_poses

EXTENDED_JOINTS = load_puppet().joint_names
POSES = make_poses(12, seed=2, dtype=torch.float64)


def vector(extended, start, end):
    return extended[..., joint(end), :] - extended[..., joint(start), :]


def cosine(a, b):
    return torch.nn.functional.cosine_similarity(a, b, dim=-1)


def test_shape_and_names():
    extended = extend_joints(POSES.reshape(3, 4, 17, 3).float())
    assert extended.shape == (3, 4, len(EXTENDED_JOINTS), 3)
    assert extended.dtype == torch.float32
    assert EXTENDED_JOINTS[:17] == H36M17.joint_names
    torch.testing.assert_close(extended[..., :17, :].reshape(12, 17, 3), POSES.float())


def test_upright_person():
    """In the body frame x is the person's left, y down and z the person's back."""
    rest = extend_joints(forward_kinematics(REST_DIRECTIONS, torch.tensor(LENGTHS).double()))
    for side in ("left", "right"):
        foot = vector(rest, f"{side}_foot", f"{side}_toe")
        assert foot[2] < -0.14  # forward
        assert 0 < foot[1] < 0.09  # and a little down
        assert foot[0] == pytest.approx(0, abs=1e-6)
        heel = vector(rest, f"{side}_foot", f"{side}_heel")
        assert heel[2] > 0.01 and heel[1] > 0.03  # behind and below the ankle
    for name, sign in (("belly", -1), ("left_thigh_top", -1), ("hair_low", 1), ("hair_high", 1)):
        assert sign * rest[joint(name), 2] > 0.005  # forward is -z
    # Up is -y.
    assert rest[joint("crown"), 1] < rest[joint("face"), 1] < rest[joint("left_chest"), 1]
    for name in ("waist", "chest"):
        assert rest[joint(f"left_{name}"), 0] > 0.05
        assert rest[joint(f"right_{name}"), 0] < -0.05
    assert rest[joint("left_chest"), 1] < rest[joint("left_waist"), 1] < 0


def test_hands_extend_forearms():
    extended = extend_joints(POSES)
    for side in ("left", "right"):
        hand = vector(extended, f"{side}_wrist", f"{side}_hand_tip")
        forearm = vector(extended, f"{side}_elbow", f"{side}_wrist")
        torch.testing.assert_close(cosine(hand, forearm), torch.ones(12).double())
        assert hand.norm(dim=-1).numpy() == pytest.approx(0.125, rel=1e-4)


def test_toes_point_forward_at_right_angles_to_the_shank():
    extended = extend_joints(POSES)
    hips = vector(extended, "right_hip", "left_hip")
    front = torch.linalg.cross(hips, vector(extended, "root", "thorax"))
    for side in ("left", "right"):
        foot = vector(extended, f"{side}_foot", f"{side}_toe")
        shank = vector(extended, f"{side}_knee", f"{side}_foot")
        assert (cosine(foot, front) > 0.3).all()
        # 0.160 m across the shank and 0.025 m along it: 9 degrees below the right angle.
        length = (0.160**2 + 0.025**2) ** 0.5
        assert foot.norm(dim=-1).numpy() == pytest.approx(length, rel=1e-3)
        wanted = torch.full((12,), 0.025 / length).double()
        torch.testing.assert_close(cosine(foot, shank), wanted, atol=1e-3, rtol=0)


def test_mirror_image():
    def swap(name):
        if name.startswith("left_"):
            return "right_" + name[5:]
        return "left_" + name[6:] if name.startswith("right_") else name

    indices = [joint(swap(name)) for name in EXTENDED_JOINTS]
    wanted = extend_joints(POSES)[:, indices] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(extend_joints(mirror(POSES)), wanted)


def test_turns_with_the_pose():
    rotation = roma.random_rotmat(12, dtype=torch.float64)[:, None]
    shift = torch.tensor([0.3, -2.0, 5.0])

    def move(x):
        return (rotation @ x[..., None])[..., 0] + shift

    torch.testing.assert_close(extend_joints(move(POSES)), move(extend_joints(POSES)))


@pytest.mark.parametrize("place", [0.0, 1.0])
def test_all_joints_in_one_place_give_finite_gradients(place):
    joints = torch.full((2, 17, 3), place, requires_grad=True)
    extended = extend_joints(joints)
    extended.sum().backward()
    assert extended.isfinite().all()
    assert joints.grad.isfinite().all()


def test_gradient():
    pose = POSES[:1].clone().requires_grad_()
    assert torch.autograd.gradcheck(extend_joints, [pose], atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 16, 3), (17, 2), (51,)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"expects \(\*, 17, 3\) joints, got"):
        extend_joints(torch.zeros(shape))


def test_first_use_in_inference_mode_bars_no_gradients():
    _default_joints.cache_clear()
    with torch.inference_mode():
        extend_joints(POSES)
    pose = POSES.clone().requires_grad_()
    extend_joints(pose).square().sum().backward()
    assert pose.grad.abs().max() > 0
