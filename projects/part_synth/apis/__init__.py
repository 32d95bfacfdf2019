"""What programs and tools call: configs from command lines, and errors in plain words."""

from .config import apply_amp, load_config
from .errors import ConfigError

__all__ = ["ConfigError", "apply_amp", "load_config"]
