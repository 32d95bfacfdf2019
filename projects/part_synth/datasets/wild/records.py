"""What an earlier run left in the folder of a data set: which videos are done, and from what.

A record is what ``videos/NAME.json`` says of a video.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from part_synth.datasets.wild.options import VideoOutcome, WildOptions
from part_synth.datasets.wild.writer import remove_video

# Changes when the same options would make another set.
_VERSION = 1
# Of a name, in UTF-8; with a time, a code and an ending it must stay below the 255 of file systems.
_MAX_BYTES = 200


def check_kind(out: Path) -> None:
    """Refuse a folder that holds something else."""
    if not out.is_dir() or (out / "videos").is_dir():
        return
    foreign = [p.name for p in out.iterdir() if not p.name.startswith(".")]
    if foreign:
        raise ValueError(
            f"{out} exists and is no set of prepared videos (it holds {foreign[0]}); name another "
            "folder by --out."
        )


def known_records(out: Path) -> dict[str, dict]:
    """Records of earlier runs, by name; damaged ones count as none."""
    records = {}
    for path in sorted((out / "videos").glob("*.json")):
        try:
            record = json.loads(path.read_text())
            if {"name", "source", "key", "clips"} <= set(record):
                records[path.stem] = record
        except (OSError, ValueError, TypeError):
            continue
    return records


def names_of(files: Sequence[Path], known: dict[str, dict]) -> dict[Path, str]:
    """Name of every video in the data set, the same in each run."""
    named = {Path(record["source"]): name for name, record in known.items()}
    names: dict[Path, str] = {}
    taken = {name.lower() for name in known}
    for file in files:
        name = named.get(file)
        if name is None:
            name = _name_of(file.stem)
            if name.lower() in taken:
                # Cameras call their files alike.
                name += "-" + hashlib.sha256(str(file).encode()).hexdigest()[:6]
        taken.add(name.lower())
        names[file] = name
    return names


def _name_of(stem: str) -> str:
    """Letters and digits of any script; what lies between them becomes one hyphen."""
    # Vowel signs of some scripts are marks of their own. Some systems spell an umlaut with one too.
    letters = unicodedata.normalize("NFC", stem)
    kept = (c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in letters)
    name = "-".join(word for word in "".join(kept).split() if word[0].isalnum())
    return name.encode()[:_MAX_BYTES].decode(errors="ignore").strip("-") or "video"


def fingerprint(options: WildOptions) -> str:
    """Other options have another one."""
    text = json.dumps([_VERSION, asdict(options)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def key_of(file: Path, fingerprint: str) -> str:
    """What a video was prepared from and how."""
    stat = file.stat()
    return f"{fingerprint}-{stat.st_size}-{stat.st_mtime_ns}"


def check_fingerprints(
    out: Path, names: dict[Path, str], known: dict[str, dict], fingerprint: str, force: bool
) -> None:
    """Remove videos made with other options if that is wanted, else refuse.

    Raises:
        ValueError: There are some and ``force`` is not given, or one would stay as it was made.
    """
    other = [n for n, record in known.items() if not record["key"].startswith(fingerprint)]
    if other and not force:
        raise ValueError(
            f"{out} was made with other options ({len(other)} videos, such as {other[0]}); name "
            "another folder by --out, or give --force to prepare them again."
        )
    for name in other:
        # Those that are not named now would stay as they were made.
        if name not in names.values():
            raise ValueError(
                f"{out} holds {name}, made with other options and not among the videos named now; "
                "name it too, or another folder by --out."
            )
        remove_video(out, name)


def summary_of(outcomes: Sequence[VideoOutcome], options: WildOptions) -> dict:
    """What ``summary.json`` says."""
    return {
        "options": asdict(options),
        "videos": [
            {"source": str(o.source), "name": o.name, "error": o.error, **o.record}
            for o in outcomes
        ],
        "clips": sum(o.record.get("clips", 0) for o in outcomes),
        "frames": sum(o.record.get("frames", 0) for o in outcomes),
    }
