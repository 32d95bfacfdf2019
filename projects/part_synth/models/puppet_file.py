"""Puppets as files that a user can edit; docs/puppet.md explains the format."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from part_synth.geometry import H36M17

from .puppet_formula import FUNCTIONS, FormulaBook, FormulaError, did_you_mean

_PUPPETS = Path(__file__).with_name("puppets")

DEFAULT_PUPPET = _PUPPETS / "default.json"
"""The package's own puppet file, to copy and edit."""

FORMAT, VERSION = "part_synth.puppet", 1

CLOTHES = (
    "skin",
    "hair",
    "top",
    "sleeve",
    "long_sleeve",
    "bottom",
    "trouser_leg",
    "shoes",
    "accessory",
)
"""What the painter can dress a capsule in; see ``PuppetPainter.draw_clothes``."""

# Part labels are bytes; 0 is the background and 255 marks ignored pixels.
_MAX_PARTS = 254
# Metres; a larger one was meant in another unit.
_LARGEST_RADIUS = 1.0
_SIDES = {"left_": "right_", "right_": "left_"}


@dataclass(frozen=True)
class Capsule:
    """One tapered capsule of a puppet.

    Args:
        part: Name of the body part it belongs to.
        start: Joint of its first end, a real or a virtual one.
        end: Joint of its second end.
        start_radius: Radius at the first end, metres, of a person of mean build.
        end_radius: Radius at the second end, metres.
        clothes: What painted puppets wear there, one of ``CLOTHES``.
    """

    part: str
    start: str
    end: str
    start_radius: float
    end_radius: float
    clothes: str = "skin"

    def is_mirror_of(self, other: Capsule) -> bool:
        """Whether it lies where the other one does in the mirror: left and right exchanged."""
        ends = {_mirrored(other.start), _mirrored(other.end)}
        return {self.start, self.end} == ends and self.part == _mirrored(other.part)


def _mirrored(name: str) -> str:
    for side, opposite in _SIDES.items():
        if name.startswith(side):
            return opposite + name[len(side) :]
    return name


@dataclass(frozen=True)
class PuppetDefinition:
    """A checked puppet.

    Attributes:
        source: Its file, or words for messages.
        part_names: Names of its parts, background first, in the order of labels and channels.
        joint_names: The E extended joints: the skeleton's 17, then the virtual ones.
        capsules: Its capsules.
        formulas: Formulas of the virtual joints.
    """

    source: str
    part_names: tuple[str, ...]
    joint_names: tuple[str, ...]
    capsules: tuple[Capsule, ...]
    formulas: FormulaBook

    def with_capsules(self, capsules: Iterable[Capsule | Mapping]) -> PuppetDefinition:
        """The same parts and joints with other capsules, which need not show every part."""
        source = "the puppet given by its capsules"
        table = _read_capsules(source, list(capsules), self.part_names, self.joint_names)
        return PuppetDefinition(source, self.part_names, self.joint_names, table, self.formulas)


def load_puppet(puppet: str | Path | Mapping[str, Any] | None = None) -> PuppetDefinition:
    """Read and check a puppet.

    Args:
        puppet: A JSON file, or what such a file holds; None is the package's own, ``"slim"`` the
            thinner one that it had before.

    Returns:
        The puppet.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no puppet; the message names the file and the entry.
    """
    if puppet is None or puppet in _own_names():
        return _own_puppet(puppet or DEFAULT_PUPPET.stem)
    if isinstance(puppet, Mapping):
        return _check("the puppet given as a dict", puppet)
    if not isinstance(puppet, str | Path):
        raise ValueError(f"puppet must be a JSON file, a dict or None, got {puppet!r}")
    path = Path(puppet).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"No puppet file {path}; give a JSON file as docs/puppet.md describes it, one of the "
            f"package's own ({', '.join(_own_names())}), or leave the puppet out"
        )
    return _check(str(path), _read_json(path))


@functools.cache
def _own_names() -> tuple[str, ...]:
    return tuple(sorted(file.stem for file in _PUPPETS.glob("*.json")))


@functools.cache
def _own_puppet(name: str) -> PuppetDefinition:
    own = "the package's own puppet" if name == DEFAULT_PUPPET.stem else f"the puppet {name!r}"
    return _check(own, _read_json(_PUPPETS / f"{name}.json"))


def _read_json(path: Path) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # JSON's last one of two equal keys would win in silence.
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(f"{path}: the key {key!r} is written twice")
            found[key] = value
        return found

    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no puppet file: it can't be read as JSON ({error})") from error


def _check(source: str, content: Any) -> PuppetDefinition:
    """Check what a puppet file holds."""
    if not isinstance(content, Mapping):
        raise ValueError(f"{source}: a puppet is a JSON object {{...}}, got {content!r:.60}")
    required = ("format", "version", "parts", "capsules")
    _check_keys(source, content, required, ("description", "directions", "virtual_joints"))
    if (content["format"], content["version"]) != (FORMAT, VERSION):
        raise ValueError(
            f"{source}: expected format {FORMAT!r} and version {VERSION}, got "
            f"{content['format']!r} and {content['version']!r}"
        )
    part_names = ("background", *_read_parts(source, content["parts"]))
    directions = _read_formulas(source, content, "directions")
    places = _read_formulas(source, content, "virtual_joints")
    both = sorted(set(directions) & set(places))
    if both:
        raise ValueError(f"{source}: {both[0]!r} is both a direction and a virtual joint")
    try:
        formulas = FormulaBook(H36M17.joint_names, directions, places)
    except FormulaError as error:
        raise ValueError(f"{source}: {error}") from None
    joint_names = (*H36M17.joint_names, *places)
    if not isinstance(content["capsules"], list | tuple):
        raise ValueError(f"{source}: capsules must be a list, got {content['capsules']!r:.60}")
    capsules = _read_capsules(source, content["capsules"], part_names, joint_names)
    bare = [name for name in part_names[1:] if all(name != c.part for c in capsules)]
    if bare:
        raise ValueError(
            f"{source}: the part {bare[0]!r} has no capsule; add one to capsules, or take the name "
            "out of parts"
        )
    return PuppetDefinition(source, part_names, joint_names, capsules, formulas)


def _check_keys(
    entry: str, content: Mapping, required: Iterable[str], optional: Iterable[str]
) -> None:
    known = (*required, *optional)
    unknown = [key for key in content if key not in known]
    if unknown:
        raise ValueError(f"{entry}: unknown key {unknown[0]!r}{did_you_mean(unknown[0], known)}")
    missing = [key for key in required if key not in content]
    if missing:
        raise ValueError(f"{entry}: the key {missing[0]!r} is missing")


def _read_parts(source: str, parts: Any) -> list[str]:
    if not isinstance(parts, list | tuple) or not parts:
        raise ValueError(f"{source}: parts must be a list of at least one name, got {parts!r}")
    for name in parts:
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"{source}: parts must be names, got {name!r}")
    if "background" in parts:
        raise ValueError(f"{source}: leave 'background' out of parts; it always comes first")
    twice = [name for i, name in enumerate(parts) if name in parts[:i]]
    if twice:
        raise ValueError(f"{source}: the part {twice[0]!r} is named twice in parts")
    if len(parts) > _MAX_PARTS:
        raise ValueError(f"{source}: at most {_MAX_PARTS} parts are possible, got {len(parts)}")
    return list(parts)


def _read_formulas(source: str, content: Mapping, section: str) -> dict[str, str]:
    formulas = content.get(section, {})
    if not isinstance(formulas, Mapping):
        raise ValueError(f"{source}: {section} must be an object of names and formulas")
    for name, text in formulas.items():
        if not name.isidentifier():
            raise ValueError(
                f"{source}: {section}.{name} needs a name of letters, digits and underscores"
            )
        if name in H36M17.joint_names or name in FUNCTIONS:
            raise ValueError(f"{source}: {section}.{name} has a name that is taken; choose another")
        if not isinstance(text, str):
            raise ValueError(f"{source}: {section}.{name} must be a formula, got {text!r}")
    return dict(formulas)


def _read_capsules(
    source: str, items: list, part_names: tuple[str, ...], joint_names: tuple[str, ...]
) -> tuple[Capsule, ...]:
    if not items:
        raise ValueError(f"{source}: capsules must hold at least one capsule")
    required = [f.name for f in fields(Capsule) if f.default is MISSING]
    table = []
    for i, item in enumerate(items):
        entry = f"{source}: capsules[{i}]"
        if not isinstance(item, Capsule):
            if not isinstance(item, Mapping):
                raise ValueError(f"{entry} must be an object with {', '.join(required)}")
            _check_keys(entry, item, required, ["clothes"])
            item = Capsule(**item)
        _check_capsule(entry, item, part_names[1:], joint_names)
        table.append(item)
    return tuple(table)


def _check_capsule(
    entry: str, capsule: Capsule, parts: tuple[str, ...], joints: tuple[str, ...]
) -> None:
    for kind, names, known in (
        ("part", (capsule.part,), parts),
        ("joint", (capsule.start, capsule.end), joints),
        ("clothes", (capsule.clothes,), CLOTHES),
    ):
        for name in names:
            if name not in known:
                kinds = kind if kind == "clothes" else f"{kind}s"
                raise ValueError(
                    f"{entry} names the {kind} {name!r}{did_you_mean(str(name), known)} (known "
                    f"{kinds} are {', '.join(known)})"
                )
    for name in ("start_radius", "end_radius"):
        radius = getattr(capsule, name)
        number = isinstance(radius, int | float) and not isinstance(radius, bool)
        if not number or not 0 < radius <= _LARGEST_RADIUS:
            raise ValueError(
                f"{entry} needs radii above zero, in metres, of at most {_LARGEST_RADIUS:g}; "
                f"its {name} is {radius!r}"
            )
