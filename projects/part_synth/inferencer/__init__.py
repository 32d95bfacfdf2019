"""From raw pictures and videos to 3D poses: :class:`PartSynthInferencer`.

Map: ``sources`` (where frames come from), :mod:`part_synth.people` (boxes, 2D joints, who is who),
``checks`` (of a call), ``out_files`` (names of results, and what must not be lost to them),
``collect`` (the first pass), ``lifting`` and ``motion`` (3D), ``drawing`` and ``results`` (the
second pass), ``live`` (webcams).
"""

from part_synth.people import Boxes, BoxTracker, read_boxes, track_boxes

from .checks import OUT_FORMATS
from .drawing import SceneDrawing
from .part_synth_inferencer import PartSynthInferencer
from .sources import open_source
from .visualizer import Pose3dDrawing

__all__ = [
    "OUT_FORMATS",
    "BoxTracker",
    "Boxes",
    "PartSynthInferencer",
    "Pose3dDrawing",
    "SceneDrawing",
    "open_source",
    "read_boxes",
    "track_boxes",
]
