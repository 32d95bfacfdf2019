"""What programs and tools call.

Models on pictures, people synthesised in new poses, 2D keypoints lifted to 3D, configs from command
lines, plain errors.
"""

from .config import apply_amp, load_config
from .errors import ConfigError
from .inference import PersonPose, init_model, predict_people
from .keypoint_files import KeypointTracks, read_keypoints
from .lifting import LiftedPoses, lift
from .synthesis import SynthesisResult, load_synthesizer, synthesize
from .zoo import load_lifter

__all__ = [
    "ConfigError",
    "KeypointTracks",
    "LiftedPoses",
    "PersonPose",
    "SynthesisResult",
    "apply_amp",
    "init_model",
    "lift",
    "load_config",
    "load_lifter",
    "load_synthesizer",
    "predict_people",
    "read_keypoints",
    "synthesize",
]
