"""Pictures: skeletons, part maps, contact sheets, learning curves, and the hooks that write them.

Images are RGB uint8 (H, W, 3). Left is orange, right is blue, the centre is grey.
"""

from part_synth.visualization.curves import plot_curves, read_curves
from part_synth.visualization.hooks import (
    PredictionSheetHook,
    SaveVisualizationHook,
    write_image,
)
from part_synth.visualization.palette import PART_COLOURS
from part_synth.visualization.parts import blend_parts, colour_parts
from part_synth.visualization.sample_rows import batch_image, prediction_row
from part_synth.visualization.sheets import PredictionRow, contact_sheet, prediction_sheet
from part_synth.visualization.skeletons import draw_skeleton_2d, draw_skeleton_3d, upright_rotation

__all__ = [
    "PART_COLOURS",
    "PredictionRow",
    "PredictionSheetHook",
    "SaveVisualizationHook",
    "batch_image",
    "blend_parts",
    "colour_parts",
    "contact_sheet",
    "draw_skeleton_2d",
    "draw_skeleton_3d",
    "plot_curves",
    "prediction_row",
    "prediction_sheet",
    "read_curves",
    "upright_rotation",
    "write_image",
]
