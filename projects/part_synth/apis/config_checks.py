"""Sections and numbers of a config that would end a run in somebody else's traceback."""

from numbers import Integral

from mmengine.config import Config

from .errors import ConfigError

# Keys of a config that hold a dict, or None.
_SECTIONS = (
    "model",
    "train_dataloader",
    "val_dataloader",
    "test_dataloader",
    "optim_wrapper",
    "train_cfg",
    "val_cfg",
    "test_cfg",
    "default_hooks",
    "env_cfg",
)
# Least value of whole numbers, by section.
_LEAST = {
    "dataloader": {"batch_size": 1, "num_workers": 0},
    "cfg": {"max_epochs": 1, "max_iters": 1, "val_interval": 1},
}
# What only data loaders with worker processes take.
_OF_WORKERS = {"persistent_workers": False, "prefetch_factor": None}


def check_sections(cfg: Config) -> None:
    """Raise where a section or a number of it can't be; settle what follows from no workers.

    ``num_workers=0`` switches off what torch refuses without workers.

    Args:
        cfg (Config): The config, which is changed in place.

    Raises:
        ConfigError: A section is no dict, or a number is too small or none.
    """
    for name in _SECTIONS:
        section = cfg.get(name)
        # The runner says what is missing; None switches a section off.
        if section is None:
            continue
        if not isinstance(section, dict):
            raise ConfigError(f"The config's {name} must be a dict, got {section!r:.80}.")
        for key, least in _LEAST.get(name.rsplit("_", 1)[-1], {}).items():
            value = section.get(key)
            if value is None:
                continue
            is_whole = isinstance(value, Integral) and not isinstance(value, bool)
            if not is_whole or value < least:
                raise ConfigError(
                    f"The config's {name}.{key} must be a whole number of at least {least}, got "
                    f"{value!r:.80}."
                )
        if section.get("num_workers") == 0:
            section.update({key: off for key, off in _OF_WORKERS.items() if key in section})
