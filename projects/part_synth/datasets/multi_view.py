"""The same instant seen by several cameras."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
from mmengine.logging import print_log

from part_synth.datasets.few_labels import choose_labelled, have_labels
from part_synth.datasets.frame_datasets import FrameDataset, unknown_camera
from part_synth.datasets.pseudo_labels import (
    PseudoLabels,
    checked_options,
    make_pseudo_labels,
)
from part_synth.registry import DATASETS

# What takes the place of labels that a sample must not show.
_HIDDEN = {"joints": np.nan, "keypoints": np.nan, "joints_visible": 0, "keypoints_visible": 0}


@DATASETS.register_module()
class MultiViewDataset(FrameDataset):
    """V views of one instant: frames of one person and clip with the same number.

    Args:
        data_root (str): Folder of the data set.
        num_views (int): V. Instants that fewer cameras saw are left out; of more cameras V are
            drawn at random, in random order (``test_mode``: the first V in the order of names).
        labelled (dict | None): Arguments of :func:`~part_synth.datasets.few_labels.
            choose_labelled`: ``subjects``, ``fraction``, ``seed``. The labels of all other
            instants never leave the data set: joints and 2D joints become NaN, visibility 0,
            calibration unknown, part labels are not read. None = all that have labels. An
            instant whose frames have no 3D joint (NaN, or visibility 0) is never labelled.
        only_labelled (bool): Leave the other instants out.
        pseudo_labels (dict | None): Give the other instants labels that a model makes. ``lifter``
            (None = the package's own, or (config, checkpoint)) makes them from their 2D joints,
            which then leave the data set; frames that lack one get none. ``image_model`` (the name
            of a model in the package or (config, checkpoint)) reads them off the pictures and uses
            no 2D joint. ``agree=True``: what all views of an instant agree on instead of what each
            one says; cameras stand still for a ``camera_scope``, 'person' (default) or 'clip'.
            ``keep`` below 1: of all instants only that share whose views agree best keep such
            labels, others without labels leave the data set. ``weight`` in (0, 1], by default 0.8,
            takes the place of the joints' visibility. None = no pseudo-labels.
        **kwargs: See :class:`~part_synth.datasets.frame_datasets.FrameDataset`; ``frame_step``
            counts instants of a clip here.

    Attributes:
        instants (dict): By sample: ``subject`` and ``clip`` (len,) str, ``time`` (len,) seconds in
            the clip, ``labelled`` (len,) bool. What a batch sampler needs to know.

    Raises:
        ValueError: If no instant was seen by so many cameras, or an argument is wrong.
    """

    def __init__(
        self,
        data_root: str,
        num_views: int = 2,
        labelled: dict | None = None,
        only_labelled: bool = False,
        pseudo_labels: dict | None = None,
        **kwargs,
    ) -> None:
        if not isinstance(num_views, int) or num_views < 2:
            raise ValueError(f"`num_views` must be a whole number from 2, got {num_views!r}.")
        if not isinstance(labelled, Mapping | None):
            raise ValueError(f"`labelled` must be a dict or None, got {labelled!r}.")
        self.num_views = num_views
        self.labelled = labelled
        self.only_labelled = only_labelled
        if pseudo_labels is not None:
            pseudo_labels = checked_options(pseudo_labels)
        self.pseudo_labels = pseudo_labels
        self._made: PseudoLabels | None = None
        super().__init__(data_root, **kwargs)

    def sample_starts(self) -> np.ndarray:
        """Instants (groups of frames) with enough views."""
        self._instants = self.index.group_by("subject", "clip", "frame")
        sizes = self._instants.sizes
        seen = np.flatnonzero(sizes >= self.num_views)
        if len(seen) == 0:
            raise ValueError(
                f"No instant of {self.data_root} was seen by {self.num_views} cameras; the most "
                f"is {sizes.max(initial=0)}. Lower `num_views`, keep more `cameras`, or set "
                "`camera_offsets` if the cameras were started apart."
            )
        if len(seen) < len(sizes):
            print_log(
                f"{type(self).__name__}: {len(sizes) - len(seen)} of {len(sizes)} instants were "
                f"seen by fewer than {self.num_views} cameras and are left out.",
                logger="current",
                level=logging.WARNING,
            )
        first = self._instants.order[self._instants.offsets[seen]]
        subject, clip = self.index.column("subject")[first], self.index.column("clip")[first]
        new = (subject[1:] != subject[:-1]) | (clip[1:] != clip[:-1])
        new = np.concatenate([[True], new])
        begin = np.maximum.accumulate(np.where(new, np.arange(len(seen)), 0))
        kept = (np.arange(len(seen)) - begin) % self.frame_step == 0
        self._starts = seen[kept]
        self._describe(first[kept])
        self._leave_disagreeing_out()
        return self._starts[self._described["labelled"]] if self.only_labelled else self._starts

    def _describe(self, first: np.ndarray) -> None:
        """Note what samplers and samples have to know of the instants that begin with frames."""
        subject = self.index.column("subject")[first]
        available = have_labels(self.index, self._instants)[self._starts]
        labelled = self._choose_labelled(subject, available)
        self._described = {
            "subject": subject,
            "clip": self.index.column("clip")[first],
            "time": self.index.time[first],
            "labelled": labelled,
        }
        self._people = np.unique(subject)
        if self.pseudo_labels is not None:
            kept = self._instants.select(self._starts)
            self._made = make_pseudo_labels(self.index, kept, self.pseudo_labels)

    def _leave_disagreeing_out(self) -> None:
        """Of the instants with pseudo-labels, leave those out whose views disagree."""
        if self.pseudo_labels is None or self.pseudo_labels["keep"] == 1:
            return
        first = self._instants.order[self._instants.offsets[self._starts]]
        stays = self._described["labelled"] | np.isfinite(self._made.joints[first]).all((1, 2))
        print_log(
            f"{type(self).__name__}: {(~stays).sum()} of {len(stays)} instants are left out, whose "
            "views disagree or were not all read.",
            logger="current",
        )
        if not stays.any():
            raise ValueError(
                f"The views of none of the {len(stays)} instants of {self.data_root} were all "
                f"read, so `keep={self.pseudo_labels['keep']}` of the pseudo-labels leaves "
                "nothing. Fill in missing 2D joints, lower `num_views`, or leave `keep` out."
            )
        self._starts = self._starts[stays]
        self._described = {name: values[stays] for name, values in self._described.items()}

    def _choose_labelled(self, subject: np.ndarray, available: np.ndarray) -> np.ndarray:
        """Which of n instants keep their labels, of those that have any; the log says how many."""
        options = dict(self.labelled or {})
        people = options.pop("subjects", None)
        unknown = sorted(set(options) - {"fraction", "seed"})
        if unknown:
            raise ValueError(
                f"`labelled` takes subjects, fraction and seed, got {', '.join(unknown)}."
            )
        labelled = choose_labelled(subject, people, **options, available=available)
        empty = choose_labelled(subject, people) & ~available
        if self.labelled is None and not empty.any():
            return labelled
        said = (
            f"{type(self).__name__}: {labelled.sum()} of {len(labelled)} instants keep their "
            f"labels, of {len(np.unique(subject[labelled]))} people."
        )
        if empty.any():
            said += (
                f" {empty.sum()} instants that are to be labelled have no 3D joint and count as "
                "unlabelled."
            )
        print_log(said, logger="current", level=logging.INFO)
        return labelled

    @property
    def instants(self) -> dict[str, np.ndarray]:
        """See the class; of a subset, of its samples alone."""
        rows = np.searchsorted(self._starts, self.data_list)
        return {name: values[rows] for name, values in self._described.items()}

    def choose_frames(self, start: int, rng: np.random.Generator) -> np.ndarray:
        """V of the frames of one instant."""
        frames = self._instants[start]
        if self.test_mode:
            return frames[: self.num_views]
        return rng.permutation(frames)[: self.num_views]

    def get_data_info(self, idx: int) -> dict:
        """See :meth:`FrameDataset.get_data_info`; adds ``subject_id``, hides labels."""
        info = super().get_data_info(idx)
        info["subject_id"] = int(np.searchsorted(self._people, info["subject"][0]))
        row = np.searchsorted(self._starts, self.data_list[info["sample_idx"]])
        if self._described["labelled"][row]:
            return info
        info["part_path"] = None
        info["camera"] = unknown_camera(info["camera"])
        hidden = np.ones(len(info["joints"]), dtype=bool)
        if self._made is not None:
            info["joints"] = self._made.joints[info["frame_ids"]]
            info["keypoints"] = self._made.keypoints[info["frame_ids"]]
            visible = self.pseudo_labels["weight"]
            info["joints_visible"] = np.full_like(info["joints_visible"], visible)
            if self.pseudo_labels["image_model"] is not None:
                info["keypoints_visible"] = np.ones_like(info["keypoints_visible"])
            # Frames that lack 2D joints could not be lifted.
            hidden = np.isnan(info["joints"]).any((1, 2))
        for name, nothing in _HIDDEN.items():
            info[name] = info[name].copy()
            info[name][hidden] = nothing
        return info
