import cv2
import numpy as np
import pytest
import roma
import torch
from mmpose.utils.camera import SimpleCamera
from part_synth.geometry import (
    back_project,
    camera_to_world,
    crop_intrinsics,
    project,
    view_angles,
    view_rotation,
    world_to_camera,
)

FOCAL = torch.tensor([1145.0, 1143.5], dtype=torch.float64)
CENTRE = torch.tensor([512.5, 515.25], dtype=torch.float64)


@pytest.fixture
def points(generator):
    """(4, 17, 3) camera frame, 3 to 5 m away."""
    shape = torch.rand(4, 17, 3, generator=generator, dtype=torch.float64)
    return shape * 2 - 1 + torch.tensor([0.0, 0.0, 4.0])


def test_project_is_opencv_without_distortion(points):
    matrix = np.array([[FOCAL[0], 0, CENTRE[0]], [0, FOCAL[1], CENTRE[1]], [0, 0, 1]])
    flat = points.reshape(-1, 3).numpy()
    expected, _ = cv2.projectPoints(flat, np.zeros(3), np.zeros(3), matrix, None)
    pixels = project(points, FOCAL, CENTRE)
    np.testing.assert_allclose(pixels.reshape(-1, 2), expected[:, 0], atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_back_project_undoes_project(points, dtype):
    points = points.to(dtype)
    pixels = project(points, FOCAL, CENTRE)
    assert pixels.dtype == dtype
    assert pixels.shape == (4, 17, 2)
    again = back_project(pixels, points[..., 2], FOCAL, CENTRE)
    torch.testing.assert_close(again, points)


def test_one_camera_per_sample_fits_the_first_dimensions(points):
    focal = FOCAL * torch.arange(1.0, 5.0)[:, None]
    batched = project(points, focal, CENTRE)
    singly = torch.stack([project(points[i], focal[i], CENTRE) for i in range(4)])
    torch.testing.assert_close(batched, singly)
    rotation = roma.random_rotmat(4, dtype=torch.float64)
    moved = world_to_camera(points, rotation, points[:, 0])
    singly = [world_to_camera(points[i], rotation[i], points[i, 0]) for i in range(4)]
    torch.testing.assert_close(moved, torch.stack(singly))


def test_world_and_camera_are_those_of_mmpose(points, generator):
    rotation = roma.random_rotmat(1, dtype=torch.float64, generator=generator)[0]
    position = torch.tensor([1.8, 4.9, 1.5], dtype=torch.float64)
    camera = SimpleCamera(
        {
            "R": rotation.numpy(),
            "T": position[:, None].numpy(),
            "f": FOCAL[:, None].numpy(),
            "c": CENTRE[:, None].numpy(),
        }
    )
    ours = world_to_camera(points, rotation, position)
    np.testing.assert_allclose(ours, camera.world_to_camera(points.numpy()), atol=1e-5)
    np.testing.assert_allclose(
        camera_to_world(points, rotation, position),
        camera.camera_to_world(points.numpy()),
        atol=1e-5,
    )
    np.testing.assert_allclose(
        project(points, FOCAL, CENTRE), camera.camera_to_pixel(points.numpy()), atol=1e-3
    )
    torch.testing.assert_close(camera_to_world(ours, rotation, position), points)


def test_the_camera_centre_is_the_origin_and_its_third_axis_looks_forward():
    rotation = roma.random_rotmat(dtype=torch.float64)
    position = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    ahead = position + 2.0 * rotation[:, 2]
    torch.testing.assert_close(
        world_to_camera(torch.stack([position, ahead]), rotation, position),
        torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 2.0]], dtype=torch.float64),
    )


def test_view_rotation_is_the_product_of_turns_about_the_axes(generator):
    azimuth, elevation, roll = torch.randn(3, 6, generator=generator, dtype=torch.float64)

    def turn(angles, axis):
        rotvec = torch.zeros(6, 3, dtype=torch.float64)
        rotvec[:, axis] = angles
        return torch.linalg.matrix_exp(
            torch.stack(
                [torch.linalg.cross(rotvec, e.expand(6, 3)) for e in torch.eye(3).double()], -1
            )
        )

    expected = turn(roll, 2) @ turn(elevation, 0) @ turn(azimuth, 1)
    torch.testing.assert_close(view_rotation(azimuth, elevation, roll), expected)
    torch.testing.assert_close(
        view_rotation(azimuth, elevation), turn(elevation, 0) @ turn(azimuth, 1)
    )


def test_view_rotation_signs():
    zero, angle = torch.tensor(0.0), torch.tensor(0.3)
    up, left = torch.tensor([0.0, -1.0, 0.0]), torch.tensor([1.0, 0.0, 0.0])
    # A camera above that looks down sees the head nearer than the feet.
    assert (view_rotation(zero, angle) @ up)[2] < 0
    # A positive azimuth brings the person's left nearer to the camera.
    assert (view_rotation(angle, zero) @ left)[2] < 0
    # A positive roll turns clockwise in the image (x right, y down).
    assert (view_rotation(zero, zero, angle) @ left)[1] > 0


def test_view_angles_undo_view_rotation(generator):
    azimuth, elevation, roll = torch.rand(3, 50, generator=generator, dtype=torch.float64) * 2 - 1
    azimuth, roll = azimuth * torch.pi, roll * torch.pi
    for got, expected in zip(
        view_angles(view_rotation(azimuth, elevation, roll)),
        (azimuth, elevation, roll),
        strict=True,
    ):
        torch.testing.assert_close(got, expected)


def test_crop_intrinsics_move_the_projection_with_the_crop(points):
    crop_centre = torch.tensor([500.0, 530.0], dtype=torch.float64)
    crop_size = torch.tensor([300.0, 400.0], dtype=torch.float64)
    out_size = torch.tensor([128.0, 64.0], dtype=torch.float64)
    focal, centre = crop_intrinsics(FOCAL, CENTRE, crop_centre, crop_size, out_size)
    whole = project(points, FOCAL, CENTRE)
    left_top = crop_centre - crop_size / 2
    expected = (whole - left_top) * out_size / crop_size
    torch.testing.assert_close(project(points, focal, centre), expected)


def test_gradients(points, generator):
    points = points[:2, :3].clone().requires_grad_()
    focal = FOCAL.clone().requires_grad_()
    rotation = roma.random_rotmat(2, dtype=torch.float64, generator=generator).requires_grad_()
    angles = torch.randn(3, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    check = torch.autograd.gradcheck
    assert check(project, (points, focal, CENTRE))
    assert check(back_project, (points[..., :2], points[..., 2], focal, CENTRE))
    assert check(world_to_camera, (points, rotation, CENTRE.new_ones(3)))
    assert check(camera_to_world, (points, rotation, CENTRE.new_ones(3)))
    assert check(view_rotation, tuple(angles))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: project(x[..., :2], FOCAL, CENTRE), r"points .*\(\*, 3\), got \(4, 17, 2\)"),
        (lambda x: project(x, x, CENTRE), r"focal .*\(\*, 2\), got \(4, 17, 3\)"),
        (lambda x: project(x, FOCAL.expand(3, 2), CENTRE), r"focal of shape \(3, 2\) .*\(4, 17\)"),
        (lambda x: back_project(x[..., :2], x, FOCAL, CENTRE), r"depth of shape"),
        (lambda x: world_to_camera(x, torch.eye(4), x[0, 0]), r"R .*\(\*, 3, 3\), got \(4, 4\)"),
        (lambda x: camera_to_world(x, torch.eye(3), x[0, 0, :, None]), r"T .*got \(3, 1\)"),
        (lambda x: view_angles(x), r"rotation .*\(\*, 3, 3\), got \(4, 17, 3\)"),
        (lambda x: crop_intrinsics(x, CENTRE, CENTRE, FOCAL, FOCAL), r"focal must have shape"),
    ],
)
def test_wrong_shapes_are_named(points, call, message):
    with pytest.raises(ValueError, match=message):
        call(points)


def test_wrong_types_are_named(points):
    with pytest.raises(TypeError, match=r"points must be a floating point .*, got ndarray"):
        project(points.numpy(), FOCAL, CENTRE)
    with pytest.raises(TypeError, match=r"got torch\.int64"):
        project(points.long(), FOCAL, CENTRE)
