import numpy as np
import pytest
from part_synth.datasets.wild.camera_motion import CameraMotion
from part_synth.datasets.wild.clips import ClipRules, Tracks, cut_clips
from tiny_wild import backdrop

SIZE = (400, 300)


def tracks(rows):
    """Tracks of (time, id, box) rows."""
    time, ids, boxes = zip(*rows, strict=True)
    joints = np.full((len(rows), 17, 3), np.nan, dtype=np.float32)
    time = np.array(time, dtype=float)
    place = np.rint(10 * time).astype(int)
    return Tracks(place, time, np.array(ids), np.array(boxes, dtype=np.float32), joints)


def walk(person, start, end, box=(100, 50, 180, 250)):
    return [(t / 10, person, box) for t in range(start, end)]


def test_gaps_cut_and_short_clips_go():
    rows = walk(3, 0, 20) + walk(3, 24, 40) + walk(3, 60, 65) + walk(8, 5, 30)
    rows.sort(key=lambda row: row[0])
    found = tracks(rows)
    clips = cut_clips(found, ClipRules(min_length=1.0, max_gap=0.55), SIZE)
    assert clips.dropped == {"seen for less than 1 s": 5}
    assert len(clips) == 2
    # One clip, though nobody is there for four frames.
    assert [(p, c, n) for (p, c), n in _sizes(clips).items()] == [(0, 0, 36), (1, 0, 25)]
    narrow = cut_clips(found, ClipRules(min_length=1.0, max_gap=0.3), SIZE)
    assert [(p, c, n) for (p, c), n in _sizes(narrow).items()] == [
        (0, 0, 20),
        (0, 1, 16),
        (1, 0, 25),
    ]
    kept_time = found.time[narrow.rows]
    for person, clip in _sizes(narrow):
        inside = (narrow.person == person) & (narrow.clip == clip)
        assert (np.diff(kept_time[inside]) > 0).all()


def _sizes(clips):
    keys = list(zip(clips.person.tolist(), clips.clip.tolist(), strict=True))
    return {key: keys.count(key) for key in dict.fromkeys(keys)}


def test_a_clip_lasts_as_long_as_it_is_shown():
    """Ten frames at ten per second show one second."""
    assert len(cut_clips(tracks(walk(0, 0, 10)), ClipRules(min_length=1.0), SIZE)) == 1
    assert len(cut_clips(tracks(walk(0, 0, 9)), ClipRules(min_length=1.0), SIZE)) == 0


def test_reasons_are_counted():
    rows = walk(-1, 0, 3) + walk(1, 0, 20, (10, 10, 30, 40)) + walk(2, 0, 20, (350, 50, 550, 250))
    rows += walk(4, 0, 20)
    clips = cut_clips(tracks(rows), ClipRules(), SIZE)
    assert clips.dropped == {
        "not followed by the tracker": 3,
        "smaller than 64 px": 20,
        "mostly outside of the picture": 20,
    }
    assert len(clips) == 1 and len(clips.rows) == 20


def test_nobody_gives_no_clip():
    empty = Tracks(
        np.zeros(0, int),
        np.zeros(0),
        np.zeros(0, int),
        np.zeros((0, 4)),
        np.zeros((0, 17, 3)),
    )
    clips = cut_clips(empty, ClipRules(), SIZE)
    assert len(clips) == 0 and clips.dropped == {}


@pytest.mark.parametrize("change", [dict(min_length=-1), dict(max_gap=0), dict(min_inside=2)])
def test_rules_are_checked(change):
    with pytest.raises(ValueError, match="must"):
        ClipRules(**change)


def look(images, boxes=None, seconds=0.5):
    motion = CameraMotion()
    for number, image in enumerate(images):
        motion.add(image, number * seconds, boxes)
    return motion


def noisy(image, rng):
    return np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)


def test_a_still_camera_with_noise_light_and_people_stands_still():
    rng, room = np.random.default_rng(0), backdrop(640, 480)
    images = []
    for number in range(12):
        image = np.clip(noisy(room, rng) * (0.7 + 0.05 * number), 0, 255).astype(np.uint8)
        image[100:400, 40 * number : 40 * number + 160] = (30, 30, 200)
        images.append(image)
    motion = look(images)
    assert motion.knows and motion.compared == 11 and not motion.moving


@pytest.mark.parametrize("pan", [8, 40])
def test_a_pan_is_noticed(pan):
    room = backdrop(1200, 480)
    assert look([room[:, pan * i : pan * i + 640] for i in range(10)]).moving


def test_a_cut_is_noticed():
    scenes = [backdrop(640, 480, seed) for seed in (0, 0, 0, 1, 1, 1)]
    assert look(scenes).moving


def test_a_large_person_does_not_move_the_camera():
    """The box says where the person is, who fills most of the picture."""
    room, person = backdrop(640, 480), backdrop(900, 480, seed=5)
    images = []
    for number in range(8):
        image = room.copy()
        image[:, 100:560] = person[:, 30 * number : 30 * number + 460]
        images.append(image)
    boxes = np.array([[120, 20, 540, 460]])
    assert not look(images, boxes).moving
    assert look(images).moving


def test_a_plain_wall_tells_nothing():
    motion = look([np.full((480, 640, 3), 128, np.uint8)] * 4)
    assert not motion.knows and not motion.moving and motion.compared == 0
