"""Write a trained model as an ONNX file, and compare the file with the model.

    python tools/export_onnx.py configs/lifter_cmu.py best.pth --out lifter.onnx
    python tools/lift.py keypoints.json --onnx lifter.onnx

Takes models that read pictures (part_synth.PartSynth) and lifters (part_synth.LiftingModel). The
file says in its metadata what goes in and what comes out.
"""

import argparse
import sys

from part_synth.apis.cli import check_out_file, run_tool
from part_synth.apis.export import export_onnx
from part_synth.apis.onnx import ENDING
from rich.console import Console
from rich.table import Table


def main() -> None:
    """Parse the command line, export and show how exact the file is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="config of the model")
    parser.add_argument("checkpoint", help="its checkpoint")
    parser.add_argument("--out", default="model.onnx", help=".onnx file (%(default)s)")
    parser.add_argument(
        "--batch-sizes",
        type=int,
        nargs="+",
        default=[1, 2, 7],
        metavar="B",
        help="sizes of the batches to compare on (1 2 7)",
    )
    args = parser.parse_args()

    check_out_file(args.out, (ENDING,))
    report = export_onnx(args.config, args.checkpoint, args.out, args.batch_sizes)
    outputs = list(report.parity[0].differences)
    table = Table("batch size", *outputs, title="Largest difference, onnxruntime - PyTorch")
    for row in report.parity:
        table.add_row(str(row.batch_size), *(f"{row.differences[name]:.1e}" for name in outputs))
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(table)
    for name in outputs:
        console.print(f"{name}: {report.metadata['outputs'][name]}")
    console.print(f"{report.kind} model, {report.size_bytes / 1e6:.1f} MB -> {report.path}")


if __name__ == "__main__":
    sys.exit(run_tool(main))
