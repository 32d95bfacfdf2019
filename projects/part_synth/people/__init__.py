"""Who is where in a picture: boxes of files and detectors, 2D joints, and who is who over time.

Map: ``frame_people`` (the people of a frame), ``box_files``, ``keypoint_files`` (from files),
``detector`` (mmdet), ``pose2d`` (mmpose), ``tracking``. Data sets of one's own videos and the
inferencer both stand on these. The models are imported from their modules: they need configs.
"""

from .box_files import Boxes, read_boxes
from .frame_people import WHOLE_FRAME, FramePeople, WholeFrame, boxes_around
from .tracking import BoxTracker, track_boxes

__all__ = [
    "WHOLE_FRAME",
    "BoxTracker",
    "Boxes",
    "FramePeople",
    "WholeFrame",
    "boxes_around",
    "read_boxes",
    "track_boxes",
]
