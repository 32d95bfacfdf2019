"""What is written for people who want 3D poses: JSON, CSV, NPZ, BVH and video.

All of them write a :class:`PoseSequence`: millimetres, camera frame, root at the origin.
"""

from .bvh_file import write_bvh
from .files import read_source, write_csv, write_json, write_npz
from .folders import check_out_dir
from .sequence import PoseSequence
from .video import VideoFile

__all__ = [
    "PoseSequence",
    "VideoFile",
    "check_out_dir",
    "read_source",
    "write_bvh",
    "write_csv",
    "write_json",
    "write_npz",
]
