"""One optimiser per group of submodules, checked to cover the model exactly once."""

import copy

from mmengine.optim import OptimWrapperDict, build_optim_wrapper
from torch import nn

from part_synth.registry import OPTIM_WRAPPER_CONSTRUCTORS

from .unwrap import unwrap

# Settings of a wrapper that may also be written once, beside the optimisers, for all of them.
SHARED_KEYS = ("type", "clip_grad", "accumulative_counts", "loss_scale", "dtype")


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class MultiOptimWrapperConstructor:
    """Build an ``OptimWrapperDict`` with one entry per optimiser.

    Every key that is not a shared setting names an optimiser. By default it optimises the
    submodule of the same name; ``modules`` lists other or several submodules (dotted paths are
    allowed). Submodules wrapped for distributed training are unwrapped.

    Args:
        optim_wrapper_cfg (dict): Optimiser name -> config of its wrapper: ``optimizer``, and
            optionally ``modules``, ``paramwise_cfg``, ``type``, ``clip_grad`` ... The keys
            ``type``, ``clip_grad``, ``accumulative_counts``, ``loss_scale`` and ``dtype`` beside
            them are defaults of all wrappers. ``allow_shared=True`` lets several optimisers have
            the same parameters, each with moments of its own: an optimiser for each loss.
        paramwise_cfg (dict, optional): Default ``paramwise_cfg`` of all optimisers.

    Example:
        >>> optim_wrapper = dict(
        ...     constructor='part_synth.MultiOptimWrapperConstructor',
        ...     clip_grad=dict(max_norm=5.0),
        ...     pose=dict(modules=['encoder', 'puppet'], optimizer=dict(type='Adam', lr=1e-3)),
        ...     synthesizer=dict(optimizer=dict(type='Adam', lr=1e-3)))
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        cfg = copy.deepcopy(dict(optim_wrapper_cfg))
        self.defaults = {key: cfg.pop(key) for key in SHARED_KEYS if key in cfg}
        self.allow_shared = cfg.pop("allow_shared", False)
        if paramwise_cfg is not None:
            self.defaults["paramwise_cfg"] = paramwise_cfg
        if not cfg:
            raise ValueError(
                "optim_wrapper names no optimiser: give at least one entry such as "
                "encoder=dict(optimizer=dict(type='Adam', lr=1e-3))."
            )
        for name, entry in cfg.items():
            if not isinstance(entry, dict) or "optimizer" not in entry:
                raise ValueError(
                    f"optim_wrapper.{name} must be a dict with the key 'optimizer', got {entry!r}. "
                    f"Settings for all optimisers are: {', '.join(SHARED_KEYS)}."
                )
        self.entries = cfg

    def __call__(self, model: nn.Module) -> OptimWrapperDict:
        """Build the wrappers.

        Args:
            model (nn.Module): The model, wrapped for distributed training or not.

        Returns:
            OptimWrapperDict: One ``OptimWrapper`` per entry, in the order of the config.

        Raises:
            ValueError: An entry names a submodule that the model lacks or that holds no
                trainable parameter, or a trainable parameter belongs to no optimiser or to two.
        """
        model = unwrap(model)
        wrappers = {name: self._build(model, name, cfg) for name, cfg in self.entries.items()}
        _check_cover(model, wrappers, self.allow_shared)
        return OptimWrapperDict(**wrappers)

    def _build(self, model: nn.Module, name: str, entry: dict):
        cfg = {**copy.deepcopy(self.defaults), **copy.deepcopy(entry)}
        paths = cfg.pop("modules", [name])
        paths = [paths] if isinstance(paths, str) else list(paths)
        modules = nn.ModuleDict(
            {path.replace(".", "_"): _submodule(model, path, name) for path in paths}
        )
        if not any(parameter.requires_grad for parameter in modules.parameters()):
            raise ValueError(
                f"optim_wrapper.{name}: {', '.join(paths)} has no trainable parameter; "
                "remove this optimiser from the config."
            )
        return build_optim_wrapper(modules, cfg)


def _submodule(model: nn.Module, path: str, name: str) -> nn.Module:
    module = model
    for part in path.split("."):
        children = dict(module.named_children())
        if part not in children:
            raise ValueError(
                f"optim_wrapper.{name} asks for the submodule {path!r}, but "
                f"{type(module).__name__} has {sorted(children)}. Correct the name, or list the "
                "submodules in modules=[...]."
            )
        module = unwrap(children[part])
    return module


def _check_cover(model: nn.Module, wrappers: dict, allow_shared: bool) -> None:
    """Raise unless every trainable parameter belongs to one optimiser, or to several if allowed."""
    owners: dict[int, list[str]] = {}
    for name, wrapper in wrappers.items():
        for group in wrapper.optimizer.param_groups:
            for parameter in group["params"]:
                owners.setdefault(id(parameter), []).append(name)
    for name, parameter in model.named_parameters():
        found = owners.get(id(parameter), [])
        if len(found) > 1 and not allow_shared:
            raise ValueError(
                f"Parameter {name} belongs to several optimisers ({', '.join(found)}); "
                "list its submodule in one of them only, or set allow_shared=True for an optimiser "
                "per loss."
            )
        if parameter.requires_grad and not found:
            raise ValueError(
                f"Parameter {name} belongs to no optimiser of optim_wrapper "
                f"({', '.join(wrappers)}). Add its submodule to the modules=[...] of one of them, "
                "or set requires_grad=False."
            )
