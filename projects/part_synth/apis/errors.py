"""Which errors are the user's to mend, and how to say so in a sentence or two."""

import contextlib
import difflib
import errno
import inspect
import logging
import pickle
import re
import sys
import traceback

from mmengine.logging import MMLogger
from mmengine.registry import Registry

import part_synth.registry

# A ValueError from these modules is about the config, the data or an argument; one from numpy or
# torch is a fault of the program.
_SPEAKING_MODULES = ("part_synth", "mmengine.runner", "mmengine.config", "mmengine.registry")
_NOT_REGISTERED = re.compile(r"([\w.]+) is not in the ([\w-]+)::(.+?) registry")
_NOT_FOUND = re.compile(r"^Failed to get ([\w.]+)$")
_WRONG_ARGUMENTS = re.compile(
    r"(\S+?)(?:\.__init__)?\(\) (got an unexpected keyword argument '(\w+)'|"
    r"missing \d+ required .*)"
)
_WORKER = re.compile(r"^Caught (\w+) in DataLoader worker process")


class ConfigError(ValueError):
    """The config or the command line asks for something that can't be."""


def explain(error: BaseException) -> str | None:
    """Say in one or two sentences what the user can mend.

    Args:
        error (BaseException): What a tool raised, with its traceback.

    Returns:
        str or None: The sentences; None for an error of the program, whose traceback the user
        should see.
    """
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    modules = [frame.f_globals.get("__name__", "") for frame in frames] or [""]
    if match := _WORKER.match(text):
        return _explain_worker_error(match[1], text)
    if isinstance(error, OSError):
        return _explain_os_error(error, text, ours=modules[-1].startswith("part_synth"))
    if isinstance(error, KeyError | RuntimeError) and (
        match := _NOT_REGISTERED.search(text) or _NOT_FOUND.match(text)
    ):
        return _explain_name(match[1])
    if isinstance(error, TypeError) and any(m.startswith("mmengine.registry") for m in modules):
        match = _WRONG_ARGUMENTS.search(text)
        return _explain_arguments(match, error) if match else None
    if isinstance(error, KeyError) and 'must contain the key "type"' in text:
        words = text.split("but got ")[-1].splitlines()[0][:200]
        return f"A part of the config has no type='...': {words}"
    if isinstance(error, KeyError) and any(f.f_code.co_name == "from_cfg" for f in frames[-4:]):
        return f"The config lacks the key {text!r}."
    if isinstance(error, ValueError) and modules[-1].startswith(_SPEAKING_MODULES):
        return text
    if isinstance(error, ConfigError):
        return text
    if isinstance(error, ValueError) and "loaded state dict" in text and "group" in text:
        return (
            "The checkpoint's optimisers are those of another config, so training can't be resumed "
            "from it with this one. Resume with the config that wrote it, or start a new run from "
            "its weights with --cfg-options load_from=FILE."
        )
    read_errors = (
        pickle.UnpicklingError,
        EOFError,
        RuntimeError,
        AttributeError,
        IndexError,
        KeyError,
    )
    reading = "mmengine.runner.checkpoint" in modules and "torch.serialization" in modules
    if isinstance(error, read_errors) and reading:
        return (
            "The checkpoint can't be read: the file is damaged or not a torch checkpoint. "
            f"Copy it again, or use an earlier one. ({text.splitlines()[0] if text else 'empty'})"
        )
    return None


def log_traceback() -> str | None:
    """Write the traceback of the error in progress to the run's log file, and only there.

    Returns:
        str or None: Path of the log file; None when the run had not opened one.
    """
    logger = MMLogger.get_current_instance()
    record = logger.makeRecord(
        logger.name, logging.ERROR, __file__, 0, "The run stopped:", (), sys.exc_info()
    )
    files = [h for h in logger.handlers if isinstance(h, logging.FileHandler)]
    for handler in files:
        handler.handle(record)
    return files[0].baseFilename if files else None


def _explain_os_error(error: OSError, text: str, ours: bool) -> str | None:
    if isinstance(error, FileNotFoundError):
        return text if error.filename is None else f"{error.filename} does not exist."
    if error.errno == errno.ENOSPC:
        return "The disk is full: make room, or choose another folder with --work-dir."
    if isinstance(error, PermissionError):
        return f"No permission for {error.filename}: choose another path, or change its rights."
    # Raised in our words, such as a corrupt image.
    return text if ours else None


def _explain_worker_error(kind: str, text: str) -> str | None:
    """A DataLoader worker's error comes as text: the innermost file and the last line tell."""
    files = re.findall(r'File "([^"]+)", line', text)
    final = re.search(rf"^(?:[\w.]+\.)?{kind}: (.*)\Z", text.strip(), re.MULTILINE | re.DOTALL)
    speaking = kind in ("ValueError", "OSError") and "part_synth" in files[-1]
    if final and (kind == "FileNotFoundError" or speaking):
        return final[1]
    return None


def _explain_name(key: str) -> str:
    """A registered name that does not exist: the prefix is missing, or it is misspelt."""
    bare = key.rsplit(".", 1)[-1]
    registries = [r for r in vars(part_synth.registry).values() if isinstance(r, Registry)]
    ours: set[str] = set()
    others: set[str] = set()
    for registry in registries:
        if registry.scope != part_synth.registry.SCOPE:
            others |= set(registry.module_dict)
            continue
        # A part that can't be imported has its own message; here only names are wanted.
        with contextlib.suppress(ImportError):
            registry.import_from_location()
        ours |= set(registry.module_dict)
    if bare in ours:
        return f"{key!r} is not registered: the config must write type='part_synth.{bare}'."
    names = {**{n: n for n in others}, **{n: f"part_synth.{n}" for n in ours}}
    close = difflib.get_close_matches(bare, names, n=1)
    hint = f"did you mean type={names[close[0]]!r}?" if close else "check the spelling of its type."
    return f"{key!r} is not registered: {hint}"


def _explain_arguments(match: re.Match, error: TypeError) -> str:
    """A registered part that was given a wrong set of arguments."""
    owner, what, unknown = match[1].split(".")[0], match[2], match[3]
    if unknown is None:
        return f"The config of {owner} is incomplete: {what}."
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    # A function that a part hands some of its own arguments to, such as those of `crop`.
    function = frames[-1].f_globals.get(owner)
    if inspect.isfunction(function):
        known = set(inspect.signature(function).parameters)
    else:
        known = set()
        for part in filter(inspect.isclass, (f.f_locals.get("obj_cls") for f in frames)):
            for base in part.__mro__:
                with contextlib.suppress(TypeError, ValueError):
                    known |= set(inspect.signature(base.__init__).parameters)
    known -= {"self", "args", "kwargs"}
    close = difflib.get_close_matches(unknown, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"it knows {', '.join(sorted(known))}."
    return f"The config gives {owner} the unknown key {unknown!r}: {hint}"
