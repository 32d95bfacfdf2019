"""Say in plain words what is wrong with a data set.

    python tools/dataset_converters/validate.py data/h36m
    python tools/dataset_converters/validate.py data/mpi_inf_3dhp --layout mpi_inf_3dhp

Looks for missing and corrupt images, wrong shapes, NaN, units that are not metres, left and right
exchanged, cameras that don't reproject or don't agree with each other, boxes outside of the image,
and part labels that are missing or of the wrong size. Ends with status 1 if anything is wrong.
"""

import argparse
import sys
from collections.abc import Sequence

from part_synth.datasets.validation import validate_data_set
from rich.console import Console


def main(argv: Sequence[str] | None = None) -> int:
    """Command line.

    Args:
        argv: Arguments; None = those of the process.

    Returns:
        0 if nothing is wrong, else 1.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", help="folder of the data set")
    parser.add_argument("--layout", help="h36m, mpi_inf_3dhp or wild; default: found by the files")
    parser.add_argument("--ann-file", help="one annotation file; default: all that are found")
    parser.add_argument("--image-dir", default="images", help="folder of the images (%(default)s)")
    parser.add_argument("--camera-file", help="camera file; default: the layout's usual one")
    parser.add_argument(
        "--decode", type=int, default=2000, help="images to decode per file, -1 = all (%(default)s)"
    )
    args = parser.parse_args(argv)
    options = {"image_dir": args.image_dir}
    if args.camera_file:
        options["camera_file"] = args.camera_file
    console = Console(highlight=False, markup=False, soft_wrap=True)
    findings, frames = validate_data_set(
        args.data,
        layout=args.layout,
        ann_file=args.ann_file,
        max_decoded=None if args.decode < 0 else args.decode,
        **options,
    )
    for finding in findings:
        console.print(f"{finding.check}: {finding.message}")
    if not findings:
        console.print(f"no problem found in {frames} frames")
        return 0
    plural = "" if len(findings) == 1 else "s"
    console.print(f"{len(findings)} problem{plural} found")
    return 1


if __name__ == "__main__":
    sys.exit(main())
