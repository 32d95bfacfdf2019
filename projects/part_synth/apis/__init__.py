"""What programs and tools call: models on pictures, configs from command lines, plain errors."""

from .config import apply_amp, load_config
from .errors import ConfigError
from .inference import PersonPose, init_model, predict_people

__all__ = [
    "ConfigError",
    "PersonPose",
    "apply_amp",
    "init_model",
    "load_config",
    "predict_people",
]
