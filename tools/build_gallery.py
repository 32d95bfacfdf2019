"""Embed the frames of a data set into a gallery that tools/retrieve.py searches.

    python tools/build_gallery.py configs/metric_synthetic.py work_dirs/m/epoch_20.pth --out g.npz

The frames are those of the config's test_dataloader; --split takes another split of that data set.
"""

import argparse
import sys
from pathlib import Path

from part_synth.apis import ConfigError
from part_synth.apis.cli import CfgOptionsAction, run_tool
from part_synth.apis.gallery import SPLITS, build_gallery
from rich.console import Console


def main() -> None:
    """Parse the command line, embed and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config of a model that embeds")
    parser.add_argument("checkpoint", help="its checkpoint")
    parser.add_argument("--out", required=True, metavar="GALLERY", help=".npz file to write")
    parser.add_argument("--split", choices=SPLITS, help="(default: what the config tests on)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (%(default)s)")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=CfgOptionsAction,
        metavar="KEY=VALUE",
        help="override settings of the config, such as test_dataloader.dataset.data_root=DIR",
    )
    args = parser.parse_args()

    # Before the hours of embedding.
    if Path(args.out).suffix != ".npz":
        raise ConfigError(f"--out must end with .npz, got {args.out}.")
    if Path(args.out).is_dir() or any(p.is_file() for p in Path(args.out).parents):
        raise ConfigError(f"--out {args.out} can't be written: it is a folder, or below a file.")
    gallery = build_gallery(args.config, args.checkpoint, args.split, args.device, args.cfg_options)
    gallery.save(args.out)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    people, cameras = (len(set(c.tolist())) for c in (gallery.subject, gallery.camera))
    console.print(
        f"{len(gallery)} frames of {people} people and {cameras} cameras, "
        f"{gallery.embeddings.shape[1]} numbers each, "
        f"{'without' if gallery.poses is None else 'with'} poses -> {args.out}"
    )


if __name__ == "__main__":
    sys.exit(run_tool(main))
