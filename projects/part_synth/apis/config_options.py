"""``--cfg-options``: merged into a config, and what would silently change nothing is said."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Collection, Iterator

from mmengine.config import Config
from mmengine.logging import print_log

from .errors import ConfigError

_MISSING = object()
# Of more places the first are named.
_MAX_NAMED = 6
# A folder's name of fewer characters begins too many other words.
_MIN_PREFIX = 4


def merge_options(cfg: Config, options: dict, runner_keys: Collection[str]) -> None:
    """Merge dotted keys into a config.

    A config is read before the options are merged. So an option that sets a variable, such as
    ``data_root``, changes none of the parts that were computed from it; a warning then says where
    the variable's value stands.

    Args:
        cfg (Config): Changed in place.
        options (dict): Dotted key -> value, as ``--cfg-options`` gives them.
        runner_keys (Collection[str]): Top-level names that the runner reads; others are variables.

    Raises:
        ConfigError: A key does not fit the config, or None leaves out a part that is not there.
    """
    variables = [key for key in options if key.split(".")[0] not in runner_keys]
    places = {key: _places_of(cfg, key, runner_keys) for key in variables}
    for key, value in options.items():
        if value is None:
            _check_left_out(cfg, key)
        try:
            cfg.merge_from_dict({key: value})
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise ConfigError(
                f"--cfg-options {key}={value} does not fit the config ({error}): the levels above "
                "the last dot must be dicts or numbered entries that are there."
            ) from error
    for key in variables:
        _warn_of_variable(cfg, key, places[key])


def _at(cfg: Config, levels: Collection[str]):
    """What stands at a dotted key; ``_MISSING`` where nothing does."""
    value = cfg
    for level in levels:
        if isinstance(value, list | tuple) and level.isdigit() and int(level) < len(value):
            value = value[int(level)]
        elif isinstance(value, dict | Config) and level in value:
            value = value[level]
        else:
            return _MISSING
    return value


def _check_left_out(cfg: Config, key: str) -> None:
    """None leaves out one of several named parts, such as losses: the name must be one of them."""
    *above, name = key.split(".")
    parts = _at(cfg, above)
    owner = _at(cfg, above[:-1]) if above else _MISSING
    # Only what is given to a registered part, and holds registered parts itself.
    if not (isinstance(owner, dict) and "type" in owner and isinstance(parts, dict)):
        return
    if name in parts or not parts or not all(_is_part(value) for value in parts.values()):
        return
    close = difflib.get_close_matches(name, parts, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ConfigError(
        f"--cfg-options {key}=None leaves nothing out: {'.'.join(above)} has no {name!r}, but "
        f"{', '.join(parts)}.{hint}"
    )


def _is_part(value) -> bool:
    """A part of its own, or one that is left out."""
    return value is None or (isinstance(value, dict) and "type" in value)


def _walk(value, path: str) -> Iterator[tuple[str, object]]:
    """All values below a value, and it itself, with their dotted keys."""
    yield path, value
    items: list = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list | tuple):
        items = list(enumerate(value))
    for name, inner in items:
        yield from _walk(inner, f"{path}.{name}")


def _places_of(cfg: Config, key: str, runner_keys: Collection[str]) -> dict[str, object]:
    """Where a variable's value stands in what the runner reads: dotted key -> value."""
    variable, _, rest = key.partition(".")
    old = cfg[variable]
    everything = [
        pair for top, value in cfg.items() if top in runner_keys for pair in _walk(value, top)
    ]
    same = {path: value for path, value in everything if _holds(value, old)}
    named = {path: value for path, value in same.items() if path.split(".")[-1] == variable}
    # Numbers such as 1 stand everywhere.
    if old is None or isinstance(old, bool) or old in (0, 1):
        same = {}
    found = {**named, **same}
    if not rest:
        return found
    below = {f"{path}.{rest}": _at(cfg, f"{path}.{rest}".split(".")) for path in found}
    return {path: value for path, value in below.items() if value is not _MISSING}


def _holds(value, old) -> bool:
    """Whether a value is the variable's, or a file's name that begins with it."""
    if type(value) is not type(old):
        return False
    if isinstance(old, str) and len(old) >= _MIN_PREFIX:
        return value.startswith(old)
    return value == old


def _warn_of_variable(cfg: Config, key: str, places: dict[str, object]) -> None:
    """Say that a variable was set, unless all places of its value were set too."""
    left = [path for path, old in places.items() if _at(cfg, path.split(".")) == old]
    if places and not left:
        return
    more = f" and {len(left) - _MAX_NAMED} more" if len(left) > _MAX_NAMED else ""
    hint = f" Its old value still stands in {', '.join(left[:_MAX_NAMED])}{more}: set these."
    print_log(
        f"--cfg-options {key}: {key.split('.')[0]} is only a variable of the config, which the "
        f"runner does not read; what was computed from it stays as it was.{hint if left else ''}",
        logger="current",
        level=logging.WARNING,
    )
