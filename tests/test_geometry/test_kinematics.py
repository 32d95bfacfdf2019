import pytest
import roma
import torch
from part_synth.geometry import (
    H36M17,
    REST_DIRECTIONS,
    body_yaw,
    bone_lengths,
    canonicalise_camera_pose,
    forward_kinematics,
    local_directions,
    mirror,
    swing,
    to_body_frame,
)


def unit(*vector):
    return torch.nn.functional.normalize(torch.tensor(vector, dtype=torch.float64), dim=0)


def rotvec(*vector):
    return roma.rotvec_to_rotmat(torch.tensor(vector, dtype=torch.float64))


def slow_forward_kinematics(directions, lengths):
    """Joint by joint, as the module's text says; swings from the rotation vector."""

    def slow_swing(start, end):
        axis = torch.linalg.cross(start, end)
        angle = torch.atan2(axis.norm(), start @ end)
        return roma.rotvec_to_rotmat(axis / axis.norm().clamp_min(1e-12) * angle)

    def carried(frame, joint):
        origins = {2: (0, 0.82, -0.57), 5: (0, 0.82, -0.57)}
        origins |= {12: (0.6, 0.25, -0.76), 15: (-0.6, 0.25, -0.76)}
        rest = REST_DIRECTIONS[joint - 1]
        origin = unit(*origins[joint]) if joint in origins else rest
        return frame @ slow_swing(origin, directions[joint - 1]) @ slow_swing(rest, origin)

    world, frames = {}, {}

    def place(joint, frame):
        world[joint] = frame @ directions[joint - 1]
        frames[joint] = carried(frame, joint)

    body = torch.eye(3, dtype=torch.float64)
    for joint in (1, 4, 7):
        place(joint, body)
    x_axis = unit(*(world[4] - world[1]))
    y_axis = unit(*(-world[7] + (world[7] @ x_axis) * x_axis))
    pelvis = torch.stack([x_axis, y_axis, torch.linalg.cross(x_axis, y_axis)], -1)
    for joint in (2, 5, 8):
        place(joint, pelvis)
    for joint, parent in ((3, 2), (6, 5), (11, 8), (14, 8)):
        place(joint, frames[parent])
    y_axis = -world[8]
    x_axis = world[11] - world[14]
    x_axis = unit(*(x_axis - (x_axis @ y_axis) * y_axis))
    chest = torch.stack([x_axis, y_axis, torch.linalg.cross(x_axis, y_axis)], -1)
    for joint in (9, 12, 15):
        place(joint, chest)
    for joint, parent in ((10, 9), (13, 12), (16, 15)):
        place(joint, frames[parent])
    joints = [torch.zeros(3, dtype=torch.float64)]
    for parent, child in H36M17.limbs:
        joints.append(joints[parent] + lengths[child - 1] * world[child])
    return torch.stack(joints)


def test_forward_kinematics_is_the_slow_one(poses, lengths):
    directions = local_directions(poses)
    fast = forward_kinematics(directions, lengths)
    slow = torch.stack([slow_forward_kinematics(d, lengths) for d in directions])
    torch.testing.assert_close(fast, slow)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("leading", [(), (20,), (4, 5)])
def test_round_trip(poses, dtype, leading):
    poses = (poses[0] if leading == () else poses.reshape(*leading, 17, 3)).to(dtype)
    directions, sizes = local_directions(poses), bone_lengths(poses)
    assert directions.shape == (*leading, 16, 3)
    assert sizes.shape == (*leading, 16)
    again = forward_kinematics(directions, sizes)
    assert again.dtype == dtype
    torch.testing.assert_close(again, poses)


def test_directions_come_back_from_any_directions(generator, lengths):
    directions = torch.randn(50, 16, 3, generator=generator, dtype=torch.float64)
    joints = forward_kinematics(directions, lengths)
    expected = torch.nn.functional.normalize(directions, dim=-1)
    torch.testing.assert_close(local_directions(joints), expected)
    torch.testing.assert_close(bone_lengths(joints), lengths.expand(50, 16))


def test_rest_pose_stands_upright_and_faces_the_camera(lengths):
    joints = forward_kinematics(REST_DIRECTIONS, lengths)
    bones = joints[1:] - joints[list(H36M17.parents[1:])]
    torch.testing.assert_close(bones, REST_DIRECTIONS * lengths[:, None])
    name = H36M17.index
    assert joints[name("head"), 1] < joints[name("root"), 1] < joints[name("left_foot"), 1]
    assert joints[name("left_shoulder"), 0] > 0 > joints[name("right_shoulder"), 0]


def test_chest_frame_carries_the_twist_of_the_trunk(lengths):
    """Turning everything from the thorax upwards leaves the arms' local directions as they were."""
    straight = forward_kinematics(REST_DIRECTIONS, lengths)
    twisted = straight.clone()
    thorax = straight[8]
    twisted[9:] = (straight[9:] - thorax) @ rotvec(0.0, 0.6, 0.0).T + thorax
    before, after = local_directions(straight), local_directions(twisted)
    unmoved = [j - 1 for j in (9, 10, 12, 13, 15, 16)]
    torch.testing.assert_close(after[unmoved], before[unmoved])
    assert (after[10] - before[10]).norm() > 0.5


def test_turning_the_pelvis_with_all_above_keeps_leg_and_arm_directions(poses):
    turned = poses @ roma.random_rotmat(20, dtype=torch.float64).mT
    before, after = local_directions(poses), local_directions(turned)
    torch.testing.assert_close(after[:, [1, 2, 4, 5]], before[:, [1, 2, 4, 5]])
    torch.testing.assert_close(after[:, 7:], before[:, 7:])


def test_mirror_commutes_with_local_directions(poses):
    flip = [j - 1 for j in H36M17.flip_indices[1:]]
    expected = local_directions(poses)[:, flip] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(local_directions(mirror(poses)), expected)


def test_swing_is_the_smallest_rotation(generator):
    start, end = torch.nn.functional.normalize(
        torch.randn(2, 100, 3, generator=generator, dtype=torch.float64), dim=-1
    )
    rotation = swing(start, end)
    torch.testing.assert_close((rotation @ start[..., None])[..., 0], end)
    angle = roma.rotmat_to_rotvec(rotation).norm(dim=-1)
    torch.testing.assert_close(angle, torch.acos((start * end).sum(-1)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_swing_between_equal_and_opposite_vectors(dtype):
    start = torch.cat([torch.eye(3), -torch.eye(3)]).to(dtype).requires_grad_()
    equal = swing(start, start)
    torch.testing.assert_close(equal, torch.eye(3, dtype=dtype).expand(6, 3, 3))
    opposite = swing(start, -start)
    torch.testing.assert_close((opposite @ start[..., None])[..., 0], -start)
    torch.testing.assert_close(torch.linalg.det(opposite), torch.ones(6, dtype=dtype))
    (equal.sum() + opposite.sum()).backward()
    assert start.grad.isfinite().all()


def test_gradients(poses, lengths):
    pose = poses[:2].clone().requires_grad_()
    directions = local_directions(poses[:2]).requires_grad_()
    lengths = lengths.clone().requires_grad_()
    check = torch.autograd.gradcheck
    assert check(forward_kinematics, (directions, lengths))
    assert check(local_directions, (pose,))
    assert check(bone_lengths, (pose,))
    start, end = directions[0, :4], directions[0, 4:8]
    assert check(swing, (start, end))


def degenerate_poses(poses):
    collapsed = torch.zeros_like(poses[:1])
    zero_bones = poses[:1].clone()
    zero_bones[:, [7, 12, 14, 10]] = zero_bones[:, [0, 11, 8, 9]]
    same_shoulders = poses[:1].clone()
    same_shoulders[:, 14] = same_shoulders[:, 11]
    same_hips = poses[:1].clone()
    same_hips[:, 4] = same_hips[:, 1]
    spine_along_hips = poses[:1].clone()
    spine_along_hips[:, 7] = spine_along_hips[:, 4]
    return torch.cat([collapsed, zero_bones, same_shoulders, same_hips, spine_along_hips])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_degenerate_poses_have_finite_gradients_and_still_round_trip(poses, dtype):
    joints = degenerate_poses(poses).to(dtype).requires_grad_()
    directions, sizes = local_directions(joints), bone_lengths(joints)
    again = forward_kinematics(directions, sizes)
    torch.testing.assert_close(again, joints - joints[:, :1])
    outputs = [
        again,
        to_body_frame(joints)[0],
        body_yaw(joints),
        canonicalise_camera_pose(joints)[0],
    ]
    sum(output.square().sum() for output in outputs).backward()
    assert joints.grad.isfinite().all()


def test_opposite_and_zero_directions_have_finite_gradients(lengths):
    directions = torch.stack([-REST_DIRECTIONS, torch.zeros_like(REST_DIRECTIONS), REST_DIRECTIONS])
    directions = directions.float().requires_grad_()
    joints = forward_kinematics(directions, lengths.float())
    joints.square().sum().backward()
    assert directions.grad.isfinite().all()
    torch.testing.assert_close(joints[1], joints[2])
    torch.testing.assert_close(bone_lengths(joints), lengths.float().expand(3, 16))


def test_autocast_and_half_inputs_keep_float32(poses, lengths):
    directions = local_directions(poses).float()
    expected = forward_kinematics(directions, lengths.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(forward_kinematics(directions, lengths.float()), expected)
    assert forward_kinematics(directions.bfloat16(), lengths.float()).dtype == torch.float32


def test_constants_made_in_inference_mode_serve_training_later(lengths):
    from part_synth.geometry.kinematics import constants

    constants.cache_clear()
    with torch.inference_mode():
        forward_kinematics(REST_DIRECTIONS, lengths)
    directions = REST_DIRECTIONS.clone().requires_grad_()
    forward_kinematics(directions, lengths).sum().backward()
    assert directions.grad.isfinite().all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x: forward_kinematics(x, x[..., 0]),
            r"directions .*\(\*, 16, 3\), got \(20, 17, 3\)",
        ),
        (
            lambda x: forward_kinematics(x[:, 1:], x[..., 0]),
            r"lengths .*, got \(20, 17\)",
        ),
        (lambda x: local_directions(x[..., :2]), r"joints_body .*, got \(20, 17, 2\)"),
        (lambda x: bone_lengths(x[:, :16]), r"got \(20, 16, 3\)"),
    ],
)
def test_wrong_arguments_are_named(poses, call, message):
    with pytest.raises(ValueError, match=message):
        call(poses)
