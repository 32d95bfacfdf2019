"""What a synthetic data set is made of: its arguments, their check and their fingerprint."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

# Raise it when the same arguments give other images or poses than before.
GENERATOR_VERSION = 1
SPLITS = ("train", "val", "test")
CLOTHES = ("everyday", "vivid")
_FRAMES_PER_CLIP = 20


def _digest(path: Path) -> str:
    """Hash of a file, or of the names and contents of the files below a folder."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    files = sorted(file for file in path.rglob("*") if file.is_file())
    parts = [f"{file.relative_to(path)} {_digest(file)}" for file in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Recipe:
    """Arguments that decide every byte of the data set.

    Attributes:
        subjects: people in train, val and test.
        cameras: cameras per scene.
        frames_per_subject: frames of each person in each camera, in clips of about 20.
        size: side of the square images, px.
        seed: of everything random.
        motions: motion-capture file or folder to render instead of made motion, or None.
        moving_camera: cameras travel instead of standing still.
        fps: frames per second of the clips.
        unpaired_poses: least number of poses in ``unpaired_poses.npz``.
        clothes: 'everyday', or 'vivid': the same cuts and patterns in glaring colours.
        camera_distance: range of the cameras' distance from the middle of the room, metres.
        camera_height: range of their height above the floor, metres.
    """

    subjects: tuple[int, int, int] = (32, 4, 4)
    cameras: int = 4
    frames_per_subject: int = 100
    size: int = 128
    seed: int = 0
    motions: str | None = None
    moving_camera: bool = False
    fps: float = 10.0
    unpaired_poses: int = 100_000
    clothes: str = "everyday"
    camera_distance: tuple[float, float] = (4.6, 7.0)
    camera_height: tuple[float, float] = (0.7, 3.0)

    def __post_init__(self):
        subjects = tuple(int(n) for n in self.subjects)
        if len(subjects) != 3 or min(subjects) < 0 or subjects[0] < 1:
            raise ValueError(
                f"subjects must be three numbers of people (train, val, test), the first at "
                f"least 1, got {self.subjects}"
            )
        object.__setattr__(self, "subjects", subjects)
        for name, least in (
            ("cameras", 1),
            ("frames_per_subject", 1),
            ("size", 16),
            ("seed", 0),
            ("unpaired_poses", 0),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or int(value) != value or value < least:
                raise ValueError(f"{name} must be a whole number of at least {least}, got {value}")
        if self.clothes not in CLOTHES:
            raise ValueError(f"clothes must be one of {', '.join(CLOTHES)}, got {self.clothes!r}")
        for name, least in (("camera_distance", 2.0), ("camera_height", 0.1)):
            span = tuple(float(value) for value in getattr(self, name))
            if len(span) != 2 or not least <= span[0] <= span[1]:
                raise ValueError(
                    f"{name} must be (low, high) metres with {least} <= low <= high, got {span}"
                )
            object.__setattr__(self, name, span)
        if not self.fps > 0:
            raise ValueError(f"fps must be positive, got {self.fps}")
        if self.motions is not None:
            object.__setattr__(self, "motions", str(self.motions))
            if not Path(self.motions).exists():
                raise FileNotFoundError(
                    f"motions: there is no {self.motions}; give an npz of 17-joint clips, a BVH "
                    "file or a folder of them, or leave it out to use made motion"
                )

    @property
    def clip_lengths(self) -> list[int]:
        """Frames of each clip of one person."""
        number = max(1, round(self.frames_per_subject / _FRAMES_PER_CLIP))
        base, rest = divmod(self.frames_per_subject, number)
        return [base + (index < rest) for index in range(number)]

    @property
    def people(self) -> list[tuple[str, str, int]]:
        """(subject name, split, index in the split) of everybody rendered."""
        people, number = [], 0
        for split, count in zip(SPLITS, self.subjects, strict=True):
            for index in range(count):
                number += 1
                people.append((f"S{number}", split, index))
        return people

    @property
    def num_images(self) -> int:
        """Images of all splits together."""
        return sum(self.subjects) * self.cameras * self.frames_per_subject

    def arguments(self) -> dict:
        """JSON-able arguments; a motion file is named by its content.

        Those that came later are left out where they have their defaults: sets made before them
        are the same sets.
        """
        defaults = {field.name: field.default for field in fields(self)}
        values = asdict(self)
        for name in ("clothes", "camera_distance", "camera_height"):
            if values[name] == defaults[name]:
                del values[name]
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
        if self.motions is not None:
            values["motions"] = f"sha256:{_digest(Path(self.motions))}"
        return values

    def fingerprint(self) -> str:
        """Hash of the generator version and all arguments."""
        content = json.dumps([GENERATOR_VERSION, self.arguments()], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Text that :meth:`from_json` turns into an equal recipe."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """Recipe of a :meth:`to_json` text."""
        return cls(**json.loads(text))
