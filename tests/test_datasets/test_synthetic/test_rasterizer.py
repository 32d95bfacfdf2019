import numpy as np
import pytest
from part_synth.datasets.synthetic.rasterizer import interpolate, nearest_vertex, rasterize


def slow_z_buffer(pixels, depth, faces, height, width):
    """Triangle by triangle, pixel by pixel, in float64: (triangle or -1, inverse depth)."""
    winner = np.full((height, width), -1)
    nearest = np.zeros((height, width))
    for index, (a, b, c) in enumerate(faces):
        matrix = np.column_stack([pixels[[a, b, c]], np.ones(3)]).T
        signed = np.linalg.det(matrix)
        if signed >= 0 or min(depth[[a, b, c]]) <= 0:
            continue
        for row in range(height):
            for column in range(width):
                weights = np.linalg.solve(matrix, [column, row, 1.0])
                if weights.min() < 0:
                    continue
                inverse = weights @ (1 / depth[[a, b, c]])
                if inverse > nearest[row, column]:
                    nearest[row, column], winner[row, column] = inverse, index
    return winner, nearest


def random_mesh(rng, faces=14):
    pixels = rng.uniform(-6, 26, (3 * faces, 2))
    depth = rng.uniform(2, 6, 3 * faces)
    return pixels, depth, np.arange(3 * faces).reshape(-1, 3)


@pytest.mark.parametrize("seed", range(4))
def test_matches_slow_reference(seed):
    pixels, depth, faces = random_mesh(np.random.default_rng(seed))
    winner, nearest = slow_z_buffer(pixels, depth, faces, 18, 22)
    fragments = rasterize(pixels, depth, faces, 18, 22)
    seen = np.full((18, 22), -1)
    seen[fragments.rows, fragments.columns] = fragments.triangles
    assert (winner >= 0).sum() > 50
    np.testing.assert_array_equal(seen, winner)
    np.testing.assert_allclose(
        fragments.inverse_depth, nearest[fragments.rows, fragments.columns], rtol=1e-9
    )


def test_interpolation_reproduces_pixel_coordinates():
    pixels, depth, faces = random_mesh(np.random.default_rng(9))
    fragments = rasterize(pixels, depth, faces, 20, 20)
    where = interpolate(pixels, faces, fragments)
    np.testing.assert_allclose(
        where, np.column_stack([fragments.columns, fragments.rows]), atol=1e-9
    )


def test_nearest_vertex_is_a_corner_of_the_triangle():
    pixels, depth, faces = random_mesh(np.random.default_rng(3))
    fragments = rasterize(pixels, depth, faces, 20, 20)
    vertex = nearest_vertex(faces, fragments)
    assert (faces[fragments.triangles] == vertex[:, None]).any(axis=1).all()
    assert (fragments.barycentric.max(axis=1) >= 1 / 3).all()


def test_faces_turned_away_or_behind_the_camera_are_left_out():
    pixels = np.array([[0.0, 0.0], [0.0, 9.0], [9.0, 0.0]])
    faces = np.array([[0, 1, 2]])
    depth = np.full(3, 2.0)
    assert len(rasterize(pixels, depth, faces, 10, 10).rows) > 30
    assert len(rasterize(pixels, depth, faces[:, ::-1], 10, 10).rows) == 0
    assert len(rasterize(pixels, np.array([2.0, -1.0, 2.0]), faces, 10, 10).rows) == 0
