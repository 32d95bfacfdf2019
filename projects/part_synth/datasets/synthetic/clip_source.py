"""Where the driving motion comes from: made by the project, or a motion-capture file.

Frames of both: (T, 17, 3) metres, world z up, Human3.6M joints, at the recipe's frame rate.
"""

from dataclasses import dataclass

import numpy as np

from part_synth.datasets.synthetic.recipe import SPLITS, Recipe

_WANDER_RADIUS = 0.25  # metres, how far a person strays from the middle of a clip
_UNPAIRED_FRAMES = 40  # frames of one clip of unpaired poses


@dataclass(frozen=True)
class DrivingClip:
    """One clip of driving motion.

    Attributes:
        xyz: (T, 17, 3) metres.
        action: CamelCase name, letters and digits only (it becomes part of file names).
        origin: what it was made from, for ``clips.json``.
    """

    xyz: np.ndarray
    action: str
    origin: str


def action_name(text: str) -> str:
    """CamelCase letters and digits of a free-text action: 'sit down, get up' -> 'SitDownGetUp'."""
    words = "".join(c if c.isalnum() else " " for c in text).split()
    return "".join(word[:1].upper() + word[1:] for word in words)[:40] or "Motion"


def open_source(recipe: Recipe) -> "MadeMotion | CapturedMotion":
    """The source of motion a recipe asks for."""
    return MadeMotion(recipe) if recipe.motions is None else CapturedMotion(recipe)


class MadeMotion:
    """Motion made by the project; every clip is drawn from its own random stream.

    Args:
        recipe: of the data set.
    """

    def __init__(self, recipe: Recipe):
        from part_synth.datasets.synthetic.motions import MOTION_CLASSES

        self.recipe, self.classes = recipe, MOTION_CLASSES

    def _class_of(self, split: str, number: int) -> str:
        """Classes in a shuffled order per round, so that every split sees all of them."""
        turn, place = divmod(number, len(self.classes))
        stream = [self.recipe.seed, 3, (*SPLITS, "unpaired").index(split), turn]
        return self.classes[np.random.default_rng(stream).permutation(len(self.classes))[place]]

    def rendered(
        self, split: str, person: int, clip: int, frames: int, rng: np.random.Generator
    ) -> DrivingClip:
        """The motion of one rendered clip."""
        number = person * len(self.recipe.clip_lengths) + clip
        return self._draw(self._class_of(split, number), frames, rng)

    def unpaired(self, person: int, clip: int, rng: np.random.Generator) -> DrivingClip:
        """A motion that is not rendered."""
        return self._draw(self._class_of("unpaired", person * 5 + clip), _UNPAIRED_FRAMES, rng)

    def _draw(self, action: str, frames: int, rng: np.random.Generator) -> DrivingClip:
        from part_synth.datasets.synthetic.motions import make_motion

        xyz = make_motion(action, rng, frames, self.recipe.fps, radius=_WANDER_RADIUS)
        return DrivingClip(np.asarray(xyz, dtype=np.float64), action_name(action), "made")


class CapturedMotion:
    """Clips of a motion-capture file, its train and test people kept apart.

    Test people move like clips of the file's test split, training people like its train split,
    validation people like clips of train-split people set aside for them. Half of the remaining
    train clips are rendered; the unpaired poses come from the other half.

    Args:
        recipe: of the data set; its ``motions`` names the file.

    Raises:
        ValueError: if a split that the recipe asks for has no clips in the file.
    """

    def __init__(self, recipe: Recipe):
        from part_synth.datasets.motion_io import load_motions

        self.recipe, self.motions = recipe, load_motions(recipe.motions).resample(recipe.fps)
        self.pools = self._divide()
        wanted = {split for _, split, _ in recipe.people}
        wanted |= {"unpaired"} if recipe.unpaired_poses else set()
        empty = sorted(split for split in wanted if not self.pools[split])
        if empty:
            raise ValueError(
                f"{recipe.motions} has no clips left for {', '.join(empty)}: it needs clips with "
                "split 'test' for the test people and, for the rest, clips with split 'train' of "
                "at least two people; give a larger file or ask for no such people"
            )

    def _divide(self) -> dict[str, list[int]]:
        motions, rng = self.motions, np.random.default_rng([self.recipe.seed, 4])
        split, subject = np.asarray(motions.split), np.asarray(motions.subject)
        long_enough = np.asarray(motions.length) >= 2
        train = np.flatnonzero((split == "train") & long_enough)
        people = rng.permutation(np.unique(subject[train]))
        set_aside = people[: max(1, round(0.15 * len(people)))] if len(people) > 1 else people[:0]
        if not self.recipe.subjects[1]:
            set_aside = people[:0]
        is_val = np.isin(subject[train], set_aside)
        rest = rng.permutation(train[~is_val])
        half = (len(rest) + 1) // 2 if self.recipe.unpaired_poses else len(rest)
        return {
            "train": rest[:half].tolist(),
            "unpaired": rest[half:].tolist(),
            "val": rng.permutation(train[is_val]).tolist(),
            "test": rng.permutation(np.flatnonzero((split == "test") & long_enough)).tolist(),
        }

    def rendered(
        self, split: str, person: int, clip: int, frames: int, rng: np.random.Generator
    ) -> DrivingClip:
        """The motion of one rendered clip: a random window of a clip of the split."""
        number = person * len(self.recipe.clip_lengths) + clip
        pool = self.pools[split]
        return self._window(pool[number % len(pool)], frames, rng)

    def unpaired(self, person: int, clip: int, rng: np.random.Generator) -> DrivingClip:
        """A window of a clip that is not rendered."""
        pool = self.pools["unpaired"]
        return self._window(pool[(person * 5 + clip) % len(pool)], _UNPAIRED_FRAMES, rng)

    def _window(self, index: int, frames: int, rng: np.random.Generator) -> DrivingClip:
        xyz = self.motions.poses(index).astype(np.float64)
        # A clip shorter than the window is played slower rather than padded.
        step = min(1.0, (len(xyz) - 1) / max(frames - 1, 1))
        start = rng.uniform(0, max(len(xyz) - 1 - step * (frames - 1), 0))
        if step == 1.0:
            start = np.floor(start)
        when = np.minimum(start + step * np.arange(frames), len(xyz) - 1)
        before = np.minimum(np.floor(when).astype(np.int64), len(xyz) - 2)
        share = (when - before)[:, None, None]
        return DrivingClip(
            (1 - share) * xyz[before] + share * xyz[before + 1],
            action_name(str(self.motions.action[index])),
            str(self.motions.clip[index]),
        )
