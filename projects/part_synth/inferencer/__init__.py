"""From raw pictures and videos to 3D poses: :class:`PartSynthInferencer`.

Map: ``sources`` (where frames come from), ``people`` (boxes, 2D joints), ``collect`` (the first
pass), ``tracking`` (who is who), ``lifting`` and ``motion`` (3D), ``drawing`` (the second pass).
"""

from .box_files import Boxes, read_boxes
from .drawing import SceneDrawing
from .part_synth_inferencer import OUT_FORMATS, PartSynthInferencer
from .sources import open_source
from .tracking import BoxTracker, track_boxes
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
