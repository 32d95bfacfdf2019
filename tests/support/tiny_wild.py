"""Small made videos of people who cross a room, with their boxes and 2D joints."""

import struct

import cv2
import numpy as np

# (17, 2) a person who stands, Human3.6M's order, in a box of height 1 and width 0.4 about (0, 0).
_X = [0, -0.06, -0.07, -0.07, 0.06, 0.07, 0.07, 0, 0, 0, 0]
_X += [0.12, 0.17, 0.19, -0.12, -0.17, -0.19]
_Y = [0.02, 0.02, 0.24, 0.47, 0.02, 0.24, 0.47, -0.12, -0.26, -0.34, -0.44]
_Y += [-0.26, -0.1, 0.04, -0.26, -0.1, 0.04]
STANDING = np.stack([_X, _Y], axis=-1)


def backdrop(width, height, seed=0):
    """(height, width, 3) a room with corners everywhere."""
    blocks = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return cv2.resize(blocks, (width, height), interpolation=cv2.INTER_NEAREST)


def person_box(time, lane=0, width=192, height=144):
    """(4,) left, top, right, bottom px of a person who walks to the right, or back in lane 1."""
    x = width * (0.25 + 0.2 * time) if lane == 0 else width * (0.75 - 0.2 * time)
    tall = 0.75 * height
    return np.array([x - 0.2 * tall, 0.12 * height, x + 0.2 * tall, 0.12 * height + tall])


def joints_in(box, time=0.0):
    """(17, 2) px joints of the person of a box; arms swing with time."""
    points = STANDING.copy()
    points[[13, 16], 0] += 0.05 * np.sin(6 * time) * np.array([1, -1])
    centre = (box[:2] + box[2:]) / 2
    return centre + points * (box[3] - box[1])


def write_video(path, seconds=2.0, fps=10.0, size=(192, 144), people=1, pan=0.0, codec="mp4v"):
    """A video of people before a backdrop; ``pan`` px per second of the camera.

    Returns:
        Boxes (T, people, 4) px.
    """
    width, height = size
    room = backdrop(width + int(abs(pan) * seconds) + 8, height)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, size)
    assert writer.isOpened()
    boxes = []
    for number in range(round(seconds * fps)):
        time = number / fps
        left = int(abs(pan) * time)
        image = room[:, left : left + width].copy()
        boxes.append([person_box(time, lane, width, height) for lane in range(people)])
        for lane, box in enumerate(boxes[-1]):
            left_top, right_bottom = box[:2].astype(int), box[2:].astype(int)
            colour = [(40, 40, 220), (220, 160, 30)][lane % 2]
            cv2.rectangle(image, left_top.tolist(), right_bottom.tolist(), colour, -1)
        writer.write(image)
    writer.release()
    return np.array(boxes, dtype=np.float32).reshape(len(boxes), people, 4)


def save_boxes(path, boxes, ids=True):
    """Boxes (T, P, 4) as the archive that read_boxes knows."""
    frames, people = boxes.shape[:2]
    arrays = {"boxes": boxes.reshape(-1, 4), "frames": np.repeat(np.arange(frames), people)}
    if ids:
        arrays["person_ids"] = np.tile(np.arange(people), frames)
    np.savez(path, **arrays)
    return path


def save_keypoints(path, boxes, fps=10.0):
    """Joints of the people in boxes (T, P, 4) as the archive that read_keypoints knows."""
    frames, people = boxes.shape[:2]
    joints = [[joints_in(box, t / fps) for box in row] for t, row in enumerate(boxes)]
    np.savez(
        path,
        keypoints=np.array(joints).reshape(-1, 17, 2),
        scores=np.ones((frames * people, 17)),
        frames=np.repeat(np.arange(frames), people),
        person_ids=np.tile(np.arange(people), frames),
        layout=np.array("h36m"),
    )
    return path


def turn_mp4(path):
    """Set the flag that says: show this turned by 90 degrees to the right."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 44
    one, w = 1 << 16, 1 << 30
    data[start : start + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, w)
    path.write_bytes(data)


def retime_mp4(path, durations):
    """Give the frames other durations, in ticks of the file's own clock; a varying rate."""
    data = path.read_bytes()
    moov = data.index(b"moov") - 4
    # Frames must lie before their table, or their places in the file would change.
    assert data.index(b"mdat") < moov
    entries = b"".join(struct.pack(">II", 1, d) for d in durations)
    stts = struct.pack(">I4sII", 16 + len(entries), b"stts", 0, len(durations)) + entries
    path.write_bytes(data[:moov] + _replace(data[moov:], b"stts", stts))


def _replace(boxes, kind, new):
    """Replace a box of MP4 inside of others, whose sizes change with it."""
    out, place = b"", 0
    while place < len(boxes):
        size, name = struct.unpack_from(">I4s", boxes, place)
        box = boxes[place : place + size]
        if name == kind:
            box = new
        elif name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
            inner = _replace(box[8:], kind, new)
            box = struct.pack(">I4s", 8 + len(inner), name) + inner
        out, place = out + box, place + size
    return out


def ticks(path):
    """Duration of each frame of a video of constant rate, in ticks of the file's clock."""
    data = path.read_bytes()
    return struct.unpack_from(">I", data, data.index(b"stts") + 16)[0]
