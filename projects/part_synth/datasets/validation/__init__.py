"""What is wrong with a data set, in plain words.

Every check takes a :class:`~part_synth.datasets.frame_index.FrameIndex` and returns a list of
:class:`Finding`, empty if all is well; ``validate_data_set`` runs them all. A new check: write it
in one of these modules and add it to ``ANNOTATION_CHECKS`` of the runner.
"""

from part_synth.datasets.validation.cameras import (
    check_cameras,
    check_reprojection,
    project_distorted,
)
from part_synth.datasets.validation.images import check_boxes, check_image_files
from part_synth.datasets.validation.poses import (
    check_left_right,
    check_units,
    check_unpaired_poses,
    check_values,
    knee_frontness,
)
from part_synth.datasets.validation.report import Finding
from part_synth.datasets.validation.runner import validate_data_set, validate_index

__all__ = [
    "Finding",
    "check_boxes",
    "check_cameras",
    "check_image_files",
    "check_left_right",
    "check_reprojection",
    "check_units",
    "check_unpaired_poses",
    "check_values",
    "knee_frontness",
    "project_distorted",
    "validate_data_set",
    "validate_index",
]
