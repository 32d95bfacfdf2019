from __future__ import annotations

import cv2
import numpy as np
import pytest
from part_synth.geometry import PART_FLIP_INDICES, PART_NAMES
from part_synth.visualization import (
    PART_COLOURS,
    PredictionRow,
    blend_parts,
    colour_parts,
    contact_sheet,
    draw_skeleton_2d,
    draw_skeleton_3d,
    prediction_sheet,
    upright_rotation,
    write_image,
)

WARM, COOL = (1, -1), (-1, 1)


def columns_of(image, sign):
    """Mean column of the pixels that are clearly orange (WARM) or blue (COOL)."""
    red, blue = image[..., 0].astype(int), image[..., 2].astype(int)
    found = (sign[0] * red + sign[1] * blue) > 60
    assert found.sum() > 20
    return np.nonzero(found)[1].mean()


def test_2d_left_is_orange_right_is_blue(standing):
    image = np.full((100, 100, 3), 128, np.uint8)
    drawn = draw_skeleton_2d(image, standing[:, :2] * 40 + 50)
    assert columns_of(drawn, WARM) > 55 > 45 > columns_of(drawn, COOL)
    assert (image == 128).all()
    # A limb is where its joints are: the middle of the left thigh.
    assert drawn[50 + 9, 50 + 5][0] > 200 and drawn[50 + 9, 50 + 5][2] < 60
    assert (drawn[:5] == 128).all()


def test_2d_leaves_out_what_is_not_seen(standing):
    image = np.zeros((64, 64, 3), np.uint8)
    points = standing[:, :2] * 30 + 32
    assert (draw_skeleton_2d(image, points, visible=np.zeros(17)) == 0).all()
    points[:] = np.nan
    assert (draw_skeleton_2d(image, points) == 0).all()
    far = standing[:, :2] * 1e12
    assert draw_skeleton_2d(image, far).shape == image.shape


def test_3d_views_show_the_sides_where_they_are(standing):
    front = draw_skeleton_3d(standing, 160)
    assert columns_of(front, WARM) > 90 > 70 > columns_of(front, COOL)
    back = draw_skeleton_3d(standing, 160, azimuth=np.pi)
    assert columns_of(back, WARM) < 70 < 90 < columns_of(back, COOL)
    side = draw_skeleton_3d(standing, 160, azimuth=np.pi / 2)
    assert abs(columns_of(side, WARM) - 79.5) < 8


def test_3d_pixels_of_known_points(standing):
    # Seen level from six metres, a point in the plane of the pelvis is at scale size / extent.
    image = draw_skeleton_3d(standing, 200, elevation=0.0, extent=2.0)
    row = round(99.5 + (0.45 + 0.1) * 100)  # a knee; the pelvis is 0.1 m below the middle
    column = round(99.5 + 0.13 * 100)
    assert image[row, column][0] > image[row, column][2] + 60
    assert (image[:20] == 255).all()


def test_3d_viewpoint_is_steady(standing):
    moved = draw_skeleton_3d(standing + np.array([3.0, -1.0, 5.0]))
    assert (moved == draw_skeleton_3d(standing)).all()
    low = standing.copy()
    low[16] = [-0.3, 0.3, 0.1]  # another arm leaves the rest of the picture as it is
    same = (draw_skeleton_3d(low) == draw_skeleton_3d(standing)).all(-1)
    assert same[:, 100:].all() and not same.all()


def test_gravity_turns_the_scene_upright(standing):
    tilt = 0.5
    cos, sin = np.cos(tilt), np.sin(tilt)
    rotation = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    seen = standing @ rotation.T
    image = draw_skeleton_3d(seen, gravity=rotation @ [0, 1, 0])
    assert np.abs(image.astype(int) - draw_skeleton_3d(standing)).max() <= 3
    assert (image != draw_skeleton_3d(seen)).any()


@pytest.mark.parametrize("gravity", [[0, 1, 0], [0, -2, 0], [0.3, 0.2, -0.9], [1e-12, 1, 0]])
def test_upright_rotation(gravity):
    rotation = upright_rotation(gravity)
    down = rotation @ (np.array(gravity) / np.linalg.norm(gravity))
    np.testing.assert_allclose(down, [0, 1, 0], atol=1e-9)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)


def test_ghost_is_grey_and_behind(standing):
    ghost = standing.copy()
    ghost[11:14, 1] += 0.3
    image = draw_skeleton_3d(standing, ghost=ghost).astype(int)
    changed = (image != draw_skeleton_3d(standing)).any(-1)
    assert changed.sum() > 20
    assert np.ptp(image[changed], axis=-1).mean() < 25  # grey, but for soft edges of limbs
    nan = np.full((17, 3), np.nan)
    assert draw_skeleton_3d(nan, ghost=standing).min() < 215


def test_part_colours_tell_parts_and_sides_apart():
    assert PART_COLOURS.shape == (15, 3)
    distance = np.linalg.norm(PART_COLOURS[:, None].astype(float) - PART_COLOURS, axis=-1)
    assert distance[~np.eye(15, dtype=bool)].min() > 50
    for part, name in enumerate(PART_NAMES):
        if name.startswith("left"):
            left, right = PART_COLOURS[part].astype(int), PART_COLOURS[PART_FLIP_INDICES[part]]
            assert left[0] > left[2] and int(right[0]) < int(right[2])


def test_colour_and_blend_parts():
    labels = np.array([[0, 1], [14, 255]])
    painted = colour_parts(labels)
    assert (painted[0, 1] == PART_COLOURS[1]).all() and (painted[1, 1] == 255).all()
    image = np.full((2, 2, 3), 100, np.uint8)
    blended = blend_parts(image, labels, 0.5)
    assert (blended[0, 0] == 100).all()
    np.testing.assert_allclose(blended[1, 0], 50 + 0.5 * PART_COLOURS[14], atol=1)


def test_contact_sheet_puts_images_in_their_cells():
    red = np.zeros((10, 20, 3), np.uint8)
    red[..., 0] = 255
    sheet = contact_sheet([[red, None], [None, red[:, :10]]], cell=40, gap=2)
    assert sheet.shape == (2 + 2 * 42, 2 + 2 * 42, 3)
    cells = [[sheet[2 + 42 * i :, 2 + 42 * j :][:40, :40] for j in (0, 1)] for i in (0, 1)]
    assert (cells[0][0][10:30] == [255, 0, 0]).all() and (cells[0][0][:9] == 240).all()
    assert (cells[1][1] == [255, 0, 0]).all()
    assert (cells[0][1] == 240).all()
    with_words = contact_sheet([[red]], ["a column"], ["a caption that is far too long"], cell=40)
    assert with_words.shape[0] > 60 and with_words.shape[1] == 48


@pytest.mark.parametrize("image", [True, False])
def test_prediction_sheet_shows_the_columns_it_can_fill(standing, image):
    crop = np.full((32, 32, 3), 90, np.uint8)
    labels = np.zeros((16, 16), np.uint8)
    lifter = PredictionRow(standing, standing, keypoints=standing[:, :2], caption="Walk")
    full = PredictionRow(
        standing, standing, crop, standing[:, :2] * 12 + 16, None, labels, labels.repeat(2, 0)
    )
    rows = [lifter, full] if image else [lifter, lifter]
    sheet = prediction_sheet(rows, cell=50)
    assert sheet.shape[1] == 4 + 54 * (6 if image else 3)
    assert sheet.dtype == np.uint8


def test_images_are_written_as_rgb(tmp_path):
    image = np.zeros((4, 4, 3), np.uint8)
    image[..., 0] = 200
    write_image(tmp_path / "new" / "a.png", image)
    assert cv2.imread(str(tmp_path / "new" / "a.png"))[0, 0].tolist() == [0, 0, 200]
    with pytest.raises(OSError, match="Could not write"):
        (tmp_path / "b.png").mkdir()
        write_image(tmp_path / "b.png", image)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda j: draw_skeleton_2d(np.zeros((4, 4)), j[:, :2]), "RGB uint8"),
        (lambda j: draw_skeleton_2d(np.zeros((4, 4, 3), np.uint8), j), r"\(17, 2\).*\(17, 3\)"),
        (lambda j: draw_skeleton_3d(j[:16]), r"\(17, 3\).*\(16, 3\)"),
        (lambda j: draw_skeleton_3d(j, gravity=[0, 0, 0]), "gravity"),
        (lambda j: colour_parts(j[0]), r"\(H, W\)"),
        (lambda j: blend_parts(np.zeros((4, 4, 3), np.uint8), np.zeros((2, 2))), "differ"),
        (lambda j: contact_sheet([]), "at least one"),
        (lambda j: prediction_sheet([]), "at least one"),
    ],
)
def test_bad_input(standing, call, words):
    with pytest.raises(ValueError, match=words):
        call(standing)
