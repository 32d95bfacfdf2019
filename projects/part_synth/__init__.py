"""Self-supervised 3D human pose from unlabelled video, as a plugin for mmengine, mmpose and mmdet.

Rooms:

- :mod:`part_synth.geometry`: camera, skeleton, kinematics, Procrustes; pure functions.
- :mod:`part_synth.datasets`: the embedded rendered data set, adapters for real ones, transforms.
- :mod:`part_synth.models`: encoders, puppet, synthesis, priors, losses and the models they make.
- :mod:`part_synth.people`: boxes and 2D joints of people in pictures, and who is who over time.
- :mod:`part_synth.inferencer`: from raw videos to 3D poses.
- :mod:`part_synth.outputs`: files of poses, videos.
- :mod:`part_synth.evaluation`: metrics and trivial baselines.
- :mod:`part_synth.retrieval`: galleries of embedded poses and the search in them.
- :mod:`part_synth.engine`: hooks, optimiser wrappers, checkpoints.
- :mod:`part_synth.visualization`: drawing of skeletons, part maps and predictions.
- :mod:`part_synth.apis`: what programs and tools call.
- :mod:`part_synth.registry`: the registries that make ``type='part_synth.X'`` work in a config.

Importing the package imports none of them.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
