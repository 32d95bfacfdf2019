"""``SyntheticMocap``: rendered people in motion, made on first use.

- recipe: the arguments;
- bodies, body_file, clothing, retarget: a dressed person in a pose;
- scene, travel: cameras and light; rooms, textures: what else they film;
- rasterizer, rendering: the images;
- clip_source, motions: what drives the people;
- generate, worker, pool, writer: tasks, processes, and the files on disk.
"""

from part_synth.datasets.synthetic.contact_sheet import write_contact_sheet
from part_synth.datasets.synthetic.recipe import GENERATOR_VERSION, Recipe
from part_synth.datasets.synthetic.writer import ensure_synthetic_mocap, make_synthetic_mocap

__all__ = [
    "GENERATOR_VERSION",
    "Recipe",
    "ensure_synthetic_mocap",
    "make_synthetic_mocap",
    "write_contact_sheet",
]
