import cv2
import numpy as np
import pytest
import torch
from part_synth.datasets.transforms import CropPerson, crop_square, normalise_keypoints


def blob(u, v, height=90, width=120, sigma=2.5):
    """A smooth bright dot whose middle is at column u, row v of the pixel centres."""
    rows, columns = np.mgrid[:height, :width]
    value = np.exp(-((columns - u) ** 2 + (rows - v) ** 2) / (2 * sigma**2))
    return np.repeat(np.rint(255 * value).astype(np.uint8)[..., None], 3, axis=2)


def centroid(image):
    """Centre of mass of a picture in normalised coordinates of its own frame."""
    weight = image[..., 0].astype(float)
    size = len(image)
    axis = (2 * np.arange(size) + 1) / size - 1
    return np.array([(weight.sum(0) * axis).sum(), (weight.sum(1) * axis).sum()]) / weight.sum()


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("side, size", [(48.0, 64), (47.3, 47), (70.7, 32), (75.0, 20), (80.0, 11)])
def test_a_dot_is_found_where_its_keypoint_says(side, size, flip):
    point, box = np.array([62.3, 41.8]), np.array([58.4, 44.9, side])
    # The dot is as wide as a pixel of the crop, so that its middle can be seen.
    image = blob(*point, sigma=max(2.5, side / size))
    crop = crop_square(image, box, size, flip)
    expected = normalise_keypoints(point[None, None], box[None])[0, 0] * ([-1, 1] if flip else 1)
    assert crop.shape == (size, size, 3)
    # A twentieth of the larger of the two pixels: OpenCV interpolates in steps of 1/32.
    tolerance = 0.05 * max(1.0, side / size)
    np.testing.assert_allclose(centroid(crop), expected, atol=tolerance * 2 / side)


def test_a_whole_box_at_its_own_size_is_the_image():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    box = np.array([15.5, 15.5, 32.0])
    np.testing.assert_array_equal(crop_square(image, box, 32), image)
    np.testing.assert_array_equal(crop_square(image, box, 32, flip=True), image[:, ::-1])


@pytest.mark.parametrize("factor", [3, 4, 8])
def test_shrinking_by_a_whole_number_averages_blocks(factor):
    image = np.random.default_rng(1).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    small = 48 // factor
    crop = crop_square(image, np.array([23.5, 23.5, 48.0]), small)
    blocks = image.reshape(small, factor, small, factor, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(crop, blocks, atol=1.0)


def test_matches_grid_sample():
    image = np.random.default_rng(2).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    image = cv2.GaussianBlur(image, (5, 5), 1.5)
    box, size = np.array([24.0, 18.0, 21.0]), 16
    axis = (2 * torch.arange(size) + 1) / size - 1
    grid_y, grid_x = torch.meshgrid(axis, axis, indexing="ij")
    x = 24.0 + grid_x * 10.5
    y = 18.0 + grid_y * 10.5
    grid = torch.stack([(2 * x + 1) / 50 - 1, (2 * y + 1) / 40 - 1], -1)[None]
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    expected = torch.nn.functional.grid_sample(tensor, grid, align_corners=False)[0]
    # OpenCV interpolates with weights in steps of 1/32.
    difference = expected.permute(1, 2, 0).numpy() - crop_square(image, box, size)
    assert np.abs(difference).max() < 4


def test_labels_are_never_mixed():
    labels = np.random.default_rng(3).choice(np.array([0, 7, 14], dtype=np.uint8), (60, 60))
    crop = crop_square(labels, np.array([55.0, 30.0, 50.0]), 17, labels=True)
    assert set(np.unique(crop)) == {0, 7, 14}
    # Outside of the image there is background.
    assert (crop[:, -1] == 0).all()


def test_outside_the_image_its_border_is_repeated():
    image = np.full((20, 20, 3), 9, dtype=np.uint8)
    assert (crop_square(image, np.array([0.0, 0.0, 30.0]), 15) == 9).all()


def test_a_box_much_larger_than_the_image():
    image = np.full((6, 5, 3), 9, dtype=np.uint8)
    assert (crop_square(image, np.array([2.0, 3.0, 400.0]), 8) == 9).all()


@pytest.mark.parametrize(
    "arguments", [{"size": 0}, {"padding": 0.0}, {"shift": 1.0}, {"scale": -0.1}, {"flip": 1.5}]
)
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match=r"must be"):
        CropPerson(**{"size": 8, **arguments})
