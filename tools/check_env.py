"""What of the environment is there, what is missing or wrong, and what to type to mend it.

``python tools/check_env.py`` exits with 1 when something that is needed is missing. It runs with
the standard library alone.
"""

import importlib
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Import name, what pip calls it, and the versions that work: the pins of pyproject.toml, widened to
# what the code needs, so that deployments with the official OpenMMLab packages pass too.
PACKAGES = [
    ("torch", "torch", ">=2.0"),
    ("torchvision", "torchvision", ">=0.15"),
    ("numpy", "numpy", ">=1.21"),
    ("cv2", "opencv-python", ">=4.5,<5"),
    ("xtcocotools", "xtcocotools", ">=1.12"),
    ("mmengine", "mmengine", ">=0.10,<1"),
    ("mmcv", "mmcv", ">=2.0,<3"),
    ("mmdet", "mmdet", ">=3.0,<4"),
    ("mmpose", "mmpose", ">=1.3,<2"),
    ("six", "six", ""),
    ("anny", "anny", ">=0.6"),
    ("roma", "roma", ">=1.5"),
    ("FrEIA", "FrEIA", ">=0.2"),
    ("onnx", "onnx", ">=1.16"),
    ("onnxruntime", "onnxruntime", ">=1.18"),
    ("onnxscript", "onnxscript", ">=0.5"),
    ("imageio_ffmpeg", "imageio-ffmpeg", ">=0.5"),
    ("rich", "rich", ""),
    ("part_synth", "part_synth", ""),
]
# The forks that pyproject.toml installs under the import names of the official packages.
FORKS = {"mmengine": "onedl-mmengine", "mmcv": "onedl-mmcv", "mmdet": "onedl-mmdetection"}
# Packages that little needs, and what does: without them the environment counts as whole.
OPTIONAL = {
    "anny": "only rendering data needs it",
    **dict.fromkeys(("onnx", "onnxscript"), "only writing ONNX files needs it"),
    "onnxruntime": "only ONNX files need it",
    "imageio_ffmpeg": "only videos for browsers need it",
}
PYTHON = ">=3.10,<3.13"
GOOD = ("ok", "optional")


@dataclass(frozen=True)
class Row:
    """One line of the table; ``mend`` is a command, empty where all is well."""

    name: str
    wanted: str
    found: str
    verdict: str
    mend: str = ""


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: '2.12.1+cu130' -> (2, 12, 1)."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def fits(version: str, wanted: str) -> bool:
    """Whether a version lies in a range such as '>=2.0,<3'."""
    found = numbers(version)
    for condition in filter(None, wanted.split(",")):
        operator, limit = re.fullmatch(r"(>=|<)([\d.]+)", condition).groups()
        if (found >= numbers(limit)) != (operator == ">="):
            return False
    return True


def uses_uv() -> bool:
    """Whether uv manages this environment: a clone, and uv at hand."""
    return shutil.which("uv") is not None and (ROOT / "pyproject.toml").is_file()


def install_command(package: str, wanted: str, reinstall: bool = False) -> str:
    """What to type to get a package."""
    if uses_uv():
        name = FORKS.get(package, package)
        return f"uv sync --reinstall-package {name}" if reinstall else "uv sync"
    if package == "part_synth":
        return "pip install --no-deps ."
    force = "--force-reinstall --no-deps " if reinstall else ""
    return f'pip install {force}"{package}{wanted}"'


def version_of(module, package: str) -> str:
    """Version of an imported module, or of its distribution where it names none."""
    version = getattr(module, "__version__", None)
    if isinstance(version, str):
        return version
    for name in (package, FORKS.get(package, package)):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "unknown"


def check_package(module_name: str, package: str, wanted: str) -> Row:
    """Import a package and look at its version; say of an optional one what needs it."""
    row = _look_at_package(module_name, package, wanted)
    if row.verdict == "ok" or module_name not in OPTIONAL:
        return row
    found = row.verdict if row.found == "-" else f"{row.verdict}: {row.found}"
    found = f"{found}; {OPTIONAL[module_name]}: {row.mend}"
    return Row(module_name, row.wanted, found, "optional")


def _look_at_package(module_name: str, package: str, wanted: str) -> Row:
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name:
            return _broken(module_name, package, wanted, error)
        mend = install_command(package, wanted)
        return Row(module_name, wanted or "any", "-", "missing", mend)
    # A package built for other versions fails in many ways, none of them a fault of this tool.
    except Exception as error:
        return _broken(module_name, package, wanted, error)
    found = version_of(module, package)
    if numbers(found) and not fits(found, wanted):
        return Row(
            module_name, wanted, found, "wrong version", install_command(package, wanted, True)
        )
    return Row(module_name, wanted or "any", found, "ok")


def _broken(name: str, package: str, wanted: str, error: Exception) -> Row:
    found = f"{type(error).__name__}: {error}".splitlines()[0][:70]
    return Row(name, wanted or "any", found, "broken", install_command(package, wanted, True))


def check_python() -> Row:
    """The interpreter."""
    found = ".".join(map(str, sys.version_info[:3]))
    if fits(found, PYTHON):
        return Row("python", PYTHON, found, "ok")
    mend = "uv sync --python 3.11" if uses_uv() else "python3.11 -m venv .venv"
    return Row("python", PYTHON, found, "wrong version", mend)


def run_nms() -> str:
    """Suppress one of two equal boxes with mmcv's compiled operator."""
    torch = importlib.import_module("torch")
    ops = importlib.import_module("mmcv.ops")
    boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.0], [5.0, 5.0, 6.0, 6.0]])
    _, kept = ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7]), iou_threshold=0.5)
    if kept.tolist() != [0, 2]:
        raise RuntimeError(f"nms kept boxes {kept.tolist()} instead of [0, 2]")
    return "nms runs"


def import_models() -> str:
    """Import mmpose's models, which need mmcv's operators, mmdet and six."""
    importlib.import_module("mmpose.models")
    return "imports"


def check_call(name: str, wanted: str, call: Callable[[], str], mend: str) -> Row:
    """Try something out."""
    try:
        return Row(name, wanted, call(), "ok")
    # Whatever stops it is what the user wants to see.
    except Exception as error:
        found = f"{type(error).__name__}: {error}".splitlines()[0][:70]
        return Row(name, wanted, found, "broken", mend)


def check_gpu() -> Row:
    """A GPU is welcome, not needed."""
    try:
        cuda = importlib.import_module("torch").cuda
        names = [cuda.get_device_name(i) for i in range(cuda.device_count())]
    except Exception as error:
        return Row("GPU", "optional", f"{type(error).__name__}: {error}"[:70], "optional")
    return Row("GPU", "optional", ", ".join(names) or "none: runs on the CPU", "optional")


def check_all() -> list[Row]:
    """All rows of the table."""
    rows = [check_python()]
    rows += [check_package(*package) for package in PACKAGES]
    rebuild = install_command("mmcv", ">=2.0,<3", reinstall=True)
    rows.append(check_call("mmcv.ops", "compiled", run_nms, rebuild))
    broken = [row.mend for row in rows if row.verdict not in GOOD]
    models_mend = broken[0] if broken else install_command("mmpose", ">=1.3,<2", reinstall=True)
    rows.append(check_call("mmpose.models", "importable", import_models, models_mend))
    rows.append(check_gpu())
    return rows


def show(rows: list[Row]) -> None:
    """Write the table: by rich where it is there, plain otherwise."""
    header = ["package", "wanted", "found", "verdict"]
    lines = [[row.name, row.wanted, row.found, row.verdict] for row in rows]
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]
        for line in [header, *lines]:
            cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
            sys.stdout.write("  ".join(cells).rstrip() + "\n")
        return
    table = Table(*header)
    for row, line in zip(rows, lines, strict=True):
        style = "" if row.verdict in GOOD else "bold red"
        table.add_row(*[Text(cell) for cell in line], style=style)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def main() -> int:
    """Check, show, and say what to type."""
    rows = check_all()
    show(rows)
    mends = dict.fromkeys(row.mend for row in rows if row.verdict not in GOOD)
    if not mends:
        sys.stdout.write("All that is needed is there.\n")
        return 0
    sys.stdout.write("To mend it, type:\n" + "".join(f"  {mend}\n" for mend in mends))
    return 1


if __name__ == "__main__":
    sys.exit(main())
