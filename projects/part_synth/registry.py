"""Child registries of mmpose: ``type='part_synth.X'`` resolves inside any mmpose config.

Importing this module is cheap: the modules that register parts are named in ``locations`` and
imported by mmengine the first time a name of ours is looked up, so neither compiled operators
nor mmdet are needed. mmengine finds this file by its name, ``{scope}.registry``.
"""

from mmengine.registry import FUNCTIONS as MMENGINE_FUNCTIONS
from mmengine.registry import OPTIMIZERS as MMENGINE_OPTIMIZERS
from mmengine.registry import Registry
from mmpose.registry import DATA_SAMPLERS as MMPOSE_DATA_SAMPLERS
from mmpose.registry import DATASETS as MMPOSE_DATASETS
from mmpose.registry import HOOKS as MMPOSE_HOOKS
from mmpose.registry import INFERENCERS as MMPOSE_INFERENCERS
from mmpose.registry import METRICS as MMPOSE_METRICS
from mmpose.registry import MODELS as MMPOSE_MODELS
from mmpose.registry import OPTIM_WRAPPER_CONSTRUCTORS as MMPOSE_OPTIM_WRAPPER_CONSTRUCTORS
from mmpose.registry import OPTIM_WRAPPERS as MMPOSE_OPTIM_WRAPPERS
from mmpose.registry import TRANSFORMS as MMPOSE_TRANSFORMS
from mmpose.registry import VISUALIZERS as MMPOSE_VISUALIZERS

SCOPE = "part_synth"


def _child(name: str, parent: Registry, *locations: str) -> Registry:
    """A registry of this package below ``parent``, filled by importing ``locations``."""
    return Registry(name, parent=parent, scope=SCOPE, locations=list(locations))


# Models, heads, losses, objectives: everything that is an ``nn.Module``.
MODELS = _child("model", MMPOSE_MODELS, "part_synth.models")
DATASETS = _child("dataset", MMPOSE_DATASETS, "part_synth.datasets")
DATA_SAMPLERS = _child("data sampler", MMPOSE_DATA_SAMPLERS, "part_synth.datasets")
TRANSFORMS = _child("transform", MMPOSE_TRANSFORMS, "part_synth.datasets")
# Collate functions.
FUNCTIONS = _child("function", MMENGINE_FUNCTIONS, "part_synth.datasets")
METRICS = _child("metric", MMPOSE_METRICS, "part_synth.evaluation")
# mmengine looks for the types of optimisers from its own registry down, not from mmpose's.
OPTIMIZERS = _child("optimizer", MMENGINE_OPTIMIZERS, "part_synth.engine")
HOOKS = _child("hook", MMPOSE_HOOKS, "part_synth.engine", "part_synth.visualization")
OPTIM_WRAPPERS = _child("optimizer_wrapper", MMPOSE_OPTIM_WRAPPERS, "part_synth.engine")
OPTIM_WRAPPER_CONSTRUCTORS = _child(
    "optimizer wrapper constructor", MMPOSE_OPTIM_WRAPPER_CONSTRUCTORS, "part_synth.engine"
)
VISUALIZERS = _child("visualizer", MMPOSE_VISUALIZERS, "part_synth.inferencer")
INFERENCERS = _child("inferencer", MMPOSE_INFERENCERS, "part_synth.inferencer")
