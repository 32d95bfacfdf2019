import numpy as np
import pytest
from part_synth.inferencer import SceneDrawing
from part_synth.inferencer.drawing import assign_cells, person_colour
from tiny_videos import motion_sequence


@pytest.mark.parametrize("size", [(1, 1), (48, 64), (1080, 1920), (30, 4000), (4000, 30)])
def test_drawings_have_one_size_and_even_sides(size):
    scene = SceneDrawing(motion_sequence(num_frames=8))
    image = np.full((*size, 3), 100, np.uint8)
    shapes = {scene.draw(image, frame).shape for frame in range(8)}
    (shape,) = shapes
    assert shape[0] % 2 == 0 and shape[1] % 2 == 0
    assert 240 <= shape[0] <= 720 and shape[1] <= 6 * shape[0]


def test_the_picture_stays_and_people_come_beside_it():
    sequence = motion_sequence(num_frames=8)
    scene = SceneDrawing(sequence)
    image = np.full((480, 640, 3), (200, 100, 0), np.uint8)
    # Frame 3 has nobody.
    out = scene.draw(image, 3)
    assert (out[:, :640] == (0, 100, 200)).all() and (out[:, 640:] == 255).all()
    out = scene.draw(image, 6)
    for person in (0, 1):
        assert (out[:, 640:] == person_colour(person)).all(-1).any()
    # Person 1 is not there before frame 5; the place stays empty.
    assert not (scene.draw(image, 2)[:, 640:] == person_colour(1)).all(-1).any()


def test_cells_are_kept_and_used_again():
    frames = np.array([0, 0, 1, 1, 2, 5, 5])
    people = np.array([7, 8, 7, 8, 8, 9, 10])
    cells = assign_cells(frames, people)
    assert cells[7] != cells[8] and cells[9] != cells[10]
    assert max(cells.values()) == 1


def test_a_crowd_keeps_the_drawings_size():
    ids, frames = np.arange(40), np.zeros(40, int)
    assert sorted(assign_cells(frames, ids).values()) == list(range(40))
