"""Find the poses of a gallery that look most like the one in a picture.

    python tools/retrieve.py photo.jpg --gallery gallery.npz --topk 5 --out sheet.png

Writes a contact sheet: the query, then the nearest pictures with the distance of their embeddings,
and below each its 3D pose where the gallery has poses. The gallery is made by
tools/build_gallery.py and names the model that embedded it.
"""

import argparse
import sys
from pathlib import Path

from part_synth.apis import ConfigError
from part_synth.apis.cli import run_tool
from part_synth.apis.retrieval import check_topk, gallery_model, read_picture, retrieve
from part_synth.retrieval import PoseGallery
from part_synth.visualization import write_image
from rich.console import Console

_ENDINGS = (".png", ".jpg", ".jpeg")


def main() -> None:
    """Parse the command line, search and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("image", help="picture of a person")
    parser.add_argument("--gallery", required=True, help=".npz file of tools/build_gallery.py")
    parser.add_argument("--topk", type=int, default=5, metavar="K", help="(%(default)s)")
    parser.add_argument(
        "--box",
        nargs=3,
        type=float,
        metavar=("X", "Y", "SIDE"),
        help="centre and side of a square around the person, pixels (default: the whole picture)",
    )
    parser.add_argument(
        "--background", metavar="IMAGE", help="the same scene without people, if models read it"
    )
    parser.add_argument("--config", help="(default: the one that the gallery names)")
    parser.add_argument("--checkpoint", help="(default: the one that the gallery names)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (%(default)s)")
    parser.add_argument("--out", default="retrieved.png", help="sheet to write (%(default)s)")
    args = parser.parse_args()

    if Path(args.out).suffix.lower() not in _ENDINGS:
        raise ConfigError(f"--out must end with {', '.join(_ENDINGS)}, got {args.out}.")
    if Path(args.out).is_dir() or any(p.is_file() for p in Path(args.out).parents):
        raise ConfigError(f"--out {args.out} can't be written: it is a folder, or below a file.")
    _check_overwrites(args.out, args.image, args.gallery, args.background)
    image = read_picture(args.image)
    background = None if args.background is None else read_picture(args.background)
    gallery = PoseGallery.load(args.gallery)
    # Before the model is loaded, which takes its time.
    check_topk(args.topk, gallery)
    model = gallery_model(gallery, args.config, args.checkpoint, args.device)
    found = retrieve(image, gallery, args.topk, model, args.box, background)
    write_image(args.out, found.draw())
    console = Console(highlight=False, markup=False, soft_wrap=True)
    if gallery.embedder.background and background is None:
        console.print(
            "The gallery was embedded with pictures of the empty scene and the query without: "
            "distances are larger than need be. Give one with --background."
        )
    for rank, (row, distance) in enumerate(zip(found.indices, found.distances, strict=True), 1):
        console.print(
            f"{rank}: distance {distance:.4f}, person {gallery.subject[row]}, clip "
            f"{gallery.clip[row]}, camera {gallery.camera[row]}, {gallery.time[row]:.2f} s, "
            f"{gallery.img_path[row]}"
        )
    console.print(f"{len(found.indices)} of {len(gallery)} frames -> {args.out}")


def _check_overwrites(out: str, *read: str | None) -> None:
    """Refuse to write over a file that is read, whatever it is called."""
    for file in read:
        if file and Path(out).is_file() and Path(file).is_file() and Path(out).samefile(file):
            raise ConfigError(
                f"--out {out} would overwrite {file}, which is read here. Name another file for "
                "the sheet."
            )


if __name__ == "__main__":
    sys.exit(run_tool(main))
