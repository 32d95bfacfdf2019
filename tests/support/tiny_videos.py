"""Small made videos, keypoint files and sequences of poses."""

import json

import cv2
import numpy as np
from part_synth.datasets.synthetic.motions import make_motion
from part_synth.outputs import PoseSequence

FPS = 12.5


def write_video(path, num_frames=8, size=(64, 48), fps=FPS, codec="mp4v"):
    """A video in which a grey value tells the frame; OpenCV's encoder."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, size)
    assert writer.isOpened()
    for number in range(num_frames):
        writer.write(np.full((size[1], size[0], 3), 20 * (number + 1) % 256, np.uint8))
    writer.release()
    return path


def frames_of(path):
    """What another program would decode: [(H, W, 3)], and the rate."""
    capture = cv2.VideoCapture(str(path))
    fps, frames = capture.get(cv2.CAP_PROP_FPS), []
    while True:
        good, image = capture.read()
        if not good:
            return frames, fps
        frames.append(image)


def pose_2d(centre, height=40.0):
    """(17, 2) COCO joints of a person who stands, px."""
    x = [0, 2, -2, 4, -4, 8, -8, 11, -11, 12, -12, 5, -5, 6, -6, 6, -6]
    y = [-46, -48, -48, -47, -47, -36, -36, -22, -22, -8, -8, -6, -6, 18, 18, 42, 42]
    return np.stack([x, y], -1) * height / 100.0 + np.asarray(centre, dtype=float)


def mmpose_json(path, frames, ids=None):
    """mmpose's file of predictions; ``frames`` is a list of lists of (17, 2)."""
    content = []
    for number, people in enumerate(frames):
        instances = [
            {"keypoints": person.tolist(), "keypoint_scores": [0.9] * len(person)}
            for person in people
        ]
        for place, person in enumerate(instances):
            if ids is not None:
                person["track_id"] = ids[number][place]
        content.append({"frame_id": number, "instances": instances})
    path.write_text(json.dumps(content))
    return path


def motion_sequence(num_frames=20, people=2, fps=25.0, root=False):
    """A sequence of people of constant bones who walk; frame 3 has nobody, person 1 comes late."""
    rng = np.random.default_rng(3)
    rows = []
    for person in range(people):
        xyz = make_motion("walk", rng, num_frames, fps)  # world, z up
        camera = np.stack([xyz[..., 0], -xyz[..., 2], xyz[..., 1] + 4.0], -1)
        rows += [(n, person, camera[n]) for n in range(5 * person, num_frames) if n != 3]
    rows.sort(key=lambda row: row[:2])
    joints = 1000 * np.array([row[2] for row in rows], np.float32)
    count = len(rows)
    places = joints[:, 0]
    pixels = joints[..., :2] / joints[..., 2:] * 1000 + 500
    return PoseSequence(
        joints=joints - places[:, None],
        ok=np.ones(count, bool),
        keypoints=pixels,
        scores=np.full((count, 17), 0.9, np.float32),
        boxes=np.concatenate([pixels.min(1), pixels.max(1)], 1),
        box_scores=np.ones(count, np.float32),
        person_ids=np.array([row[1] for row in rows]),
        frames=np.array([row[0] for row in rows]),
        num_frames=num_frames,
        fps=fps,
        image_size=(1000, 1000),
        root=places if root else None,
        source="made",
    )


def crossing(num_frames, width=64.0):
    """Boxes (num_frames, 2, 4) of two people who walk past each other, and where they are."""
    share = np.arange(num_frames) / (num_frames - 1)
    x = np.stack([8 + share * (width - 16), width - 8 - share * (width - 16)], 1)
    # The second one is smaller: farther away.
    tops, halves = np.array([8.0, 14.0]), np.array([5.0, 4.0])
    bottoms = np.array([44.0, 38.0])
    boxes = np.stack([x - halves, np.tile(tops, (num_frames, 1)), x + halves], -1)
    return np.concatenate([boxes, np.tile(bottoms, (num_frames, 1))[..., None]], -1)
