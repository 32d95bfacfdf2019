"""Configs and checkpoints of mmdet's and mmpose's models, and what keeps one from being built."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from part_synth.apis import load_config
from part_synth.engine.checkpoint_guard import check_checkpoint_file

# Argument -> the argument of its weights, and the model in words.
_NAMES = {
    "det_model": ("det_weights", "detector"),
    "pose2d": ("pose2d_weights", "2D pose model"),
}


def resolve_model(
    config: str | Path | Config, weights: str | Path | None, what: str, scope: str
) -> tuple[Config, str]:
    """Config and checkpoint of a model of the OpenMMLab family.

    Args:
        config: Config, its file, or a name or alias of the metafiles of ``scope``.
        weights: Checkpoint; None for the one that belongs to a name.
        what: The argument that it is for: 'det_model' or 'pose2d'.
        scope: 'mmpose' or 'mmdet'.

    Returns:
        tuple[Config, str]: Config and checkpoint.

    Raises:
        FileNotFoundError: A file is missing; the message says which, and where it was looked for.
        ValueError: The checkpoint is not given, or the name is unknown.
    """
    if isinstance(config, Config):
        cfg = config
    elif Path(config).expanduser().is_file():
        cfg = load_config(str(Path(config).expanduser()))
    elif str(config).endswith((".py", ".json", ".yaml")):
        raise FileNotFoundError(
            f"The config {config} of {what} does not exist (looked for at "
            f"{Path(config).expanduser().resolve()})."
        )
    else:
        from mmengine.infer.infer import BaseInferencer

        try:
            # The method needs nothing of an inferencer but its scope.
            cfg, found = BaseInferencer._load_model_from_metafile(
                SimpleNamespace(scope=scope), str(config)
            )
        except (ValueError, AssertionError) as error:
            raise ValueError(
                f"{what}={str(config)!r} is neither a config file nor a name that {scope} knows; "
                "give the path of a config."
            ) from error
        weights = weights or found
    if weights is None:
        raise ValueError(
            f"{what} is given without a checkpoint; give {_NAMES[what][0]}=FILE, the weights that "
            "belong to this config."
        )
    if "://" not in str(weights):
        weights = Path(weights).expanduser()
        if not weights.is_file():
            raise FileNotFoundError(
                f"The checkpoint {weights} does not exist (looked for at {weights.resolve()}), "
                f"which the {_NAMES[what][1]} needs; name a local file."
            )
        check_checkpoint_file(weights)
    return cfg, str(weights)


def build_model(
    build: Callable[..., nn.Module], cfg: Config, weights: str, device: str, what: str, scope: str
) -> nn.Module:
    """Build a model of another package.

    Args:
        build: Its function, called as ``build(cfg, weights, device=device)``.
        cfg: Config.
        weights: Checkpoint.
        device: Where it runs.
        what: As of :func:`resolve_model`.
        scope: Registries in which the parts are looked for; that of the process stays.

    Returns:
        nn.Module: The model.

    Raises:
        ValueError: Whatever keeps it from being built, in a sentence.
    """
    try:
        with DefaultScope.overwrite_default_scope(scope):
            return build(cfg, weights, device=device)
    # These packages raise what comes: KeyError, RuntimeError, AttributeError, ...
    except Exception as error:
        words = " ".join(str(error).split())[:200]
        raise ValueError(
            f"The {_NAMES[what][1]} of {cfg.filename or 'the config'} can't be built with "
            f"{weights}: {type(error).__name__}: {words}"
        ) from error
