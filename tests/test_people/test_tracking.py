import numpy as np
from part_synth.inferencer import BoxTracker, track_boxes
from tiny_videos import crossing


def run(boxes, order=None):
    """ids (T, P) of boxes (T, P, 4)."""
    count, people = boxes.shape[:2]
    frames = np.repeat(np.arange(count), people)
    ids = track_boxes(frames, boxes.reshape(-1, 4), np.ones(count * people), count, 25.0)
    return ids.reshape(count, people)


def test_two_people_who_cross_keep_their_ids():
    boxes = crossing(40, width=640.0) * np.array([1, 8, 1, 8])
    boxes[..., 0] -= 25
    boxes[..., 2] += 25
    # Detectors list people in any order.
    swap = np.random.default_rng(0).random(40) < 0.5
    listed = np.where(swap[:, None, None], boxes[:, ::-1], boxes)
    ids = run(listed)
    ids = np.where(swap[:, None], ids[:, ::-1], ids)
    assert (ids[:, 0] == ids[0, 0]).all() and (ids[:, 1] == ids[0, 1]).all()
    assert ids[0, 0] != ids[0, 1]


def test_many_people_who_stand():
    places = np.stack(np.meshgrid(np.arange(6), np.arange(5)), -1).reshape(-1, 2) * 100.0
    boxes = np.concatenate([places, places + 60], -1)
    ids = run(np.tile(boxes, (5, 1, 1)))
    assert (ids == ids[0]).all() and len(set(ids[0])) == 30


def test_somebody_who_is_away_for_a_moment_comes_back():
    tracker = BoxTracker(25.0)
    box = np.array([[10.0, 10, 50, 90]])
    first = tracker.update(box, np.ones(1))
    for _ in range(10):
        assert len(tracker.update(np.zeros((0, 4)), np.zeros(0))) == 0
    assert tracker.update(box, np.ones(1)) == first


def test_the_tracker_forgets_old_boxes():
    tracker = BoxTracker(25.0)
    for _ in range(50):
        tracker.update(np.array([[10.0, 10, 50, 90]]), np.ones(1))
    (track,) = tracker._tracker.tracks.values()
    assert len(track["bboxes"]) <= 3


def test_weak_boxes_begin_no_track():
    assert BoxTracker(25.0).update(np.array([[0.0, 0, 9, 9]]), np.array([0.2])).tolist() == [-1]
