import numpy as np
import pytest
from part_synth.visualization.synthesis_sheet import (
    pose_pictures,
    synthesis_frame,
    synthesis_sheet,
)

GREY = (240, 240, 240)


def flat(value, *shape):
    """Pictures of one colour each."""
    return np.broadcast_to(np.uint8(value), (*shape, 8, 8, 3))


def cells(sheet, rows, columns, top=0):
    """(rows, columns, 3) colours in the middles of a sheet's cells of 20 px."""
    y, x = (4 + 24 * np.arange(n) + 10 for n in (rows, columns))
    return sheet[top + y[:, None], x]


def test_looks_are_rows_and_poses_are_columns():
    images = np.stack([[flat(10 * (3 * i + j)) for j in range(3)] for i in range(2)])
    looks, poses = [flat(100), flat(110)], [flat(200), None, flat(220)]
    sheet = synthesis_sheet(looks, poses, images, ["a", "b", "c"], cell=20)
    found = cells(sheet, 3, 4, top=18)[..., 0]
    assert found.tolist() == [[240, 200, 240, 220], [100, 0, 10, 20], [110, 30, 40, 50]]
    assert len(np.unique(sheet[:18])) > 1
    # Nothing above the columns: no row for it, and no words.
    sheet = synthesis_sheet(looks, [None] * 3, images, cell=20)
    assert cells(sheet, 2, 4)[..., 0].tolist() == [[100, 0, 10, 20], [110, 30, 40, 50]]
    assert sheet.shape[0] == 4 + 2 * 24


def test_frames_of_a_video():
    looks, images = [flat(100), flat(110)], np.stack([flat(10), flat(20)])
    frame = synthesis_frame(looks, flat(200), images, cell=20)
    assert cells(frame, 2, 3)[..., 0].tolist() == [[240, 100, 110], [200, 10, 20]]
    frame = synthesis_frame(looks, None, images, cell=20)
    assert cells(frame, 2, 2)[..., 0].tolist() == [[100, 110], [10, 20]]


def test_drawn_poses(standing):
    pictures = pose_pictures(1000 * np.stack([standing, standing @ np.diag([-1, 1, -1])]), 64)
    assert [picture.shape for picture in pictures] == [(64, 64, 3)] * 2
    assert not np.array_equal(*pictures) and pictures[0].std() > 10


def test_numbers_that_do_not_fit():
    images = np.zeros((2, 3, 8, 8, 3), np.uint8)
    looks, poses = [flat(0)] * 2, [None] * 3
    for arguments in (
        (looks[:1], poses, images),
        (looks, poses[:2], images),
        (looks, poses, images[0]),
    ):
        with pytest.raises(ValueError, match=r"need images \(\d, \d\) \+ \(S, S, 3\)"):
            synthesis_sheet(*arguments)
    with pytest.raises(ValueError, match=r"got .* and 1 labels"):
        synthesis_sheet(looks, poses, images, ["a"])
