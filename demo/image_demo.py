"""Pose and parts of the people in a picture.

    python demo/image_demo.py IMAGE [CONFIG CHECKPOINT | NAME] [--box LEFT TOP RIGHT BOTTOM]
        [--background IMAGE] [--out PNG]

Without a box the whole picture is taken as one person's box, without a config a model in the
package is used.
"""

import argparse
import sys
from pathlib import Path

from part_synth.apis import init_model, predict_people
from part_synth.apis.cli import check_out_file, run_tool
from part_synth.apis.pictures import iterate_pictures
from part_synth.visualization import PredictionRow, prediction_sheet
from part_synth.visualization.hooks import write_image

# Pictures that OpenCV writes without further libraries.
_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


def main() -> None:
    """Predict and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image")
    parser.add_argument("config", nargs="?", help="config, or the name of a model in the package")
    parser.add_argument("checkpoint", nargs="?", help="its checkpoint")
    parser.add_argument(
        "--box",
        nargs=4,
        type=float,
        action="append",
        metavar=("LEFT", "TOP", "RIGHT", "BOTTOM"),
        help="box of a person, pixels; may be given several times",
    )
    parser.add_argument(
        "--background", help="picture of the empty scene, of a camera that stands still"
    )
    parser.add_argument(
        "--out", default="image_demo.png", help="picture to write (default: %(default)s)"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (default: %(default)s)")
    args = parser.parse_args()
    check_out_file(args.out, _ENDINGS, [args.image, args.background])
    image = _read_picture(args.image)
    background = None if args.background is None else _read_picture(args.background)
    model = init_model(args.config, args.checkpoint, args.device)
    people = predict_people(model, image, args.box, background)
    rows = [
        PredictionRow(
            joints=person.joints,
            image=person.crop,
            keypoints=_to_crop(person),
            part_labels=person.part_labels,
            caption=f"person {i + 1}",
        )
        for i, person in enumerate(people)
    ]
    write_image(args.out, prediction_sheet(rows))
    boxes = "" if args.box else " (the whole picture is their box; --box gives another)"
    print(f"Wrote {len(people)} person(s){boxes} to {args.out}")


def _read_picture(path):
    """(H, W, 3) uint8 RGB."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no picture {path}.")
    return next(iterate_pictures(path))


def _to_crop(person):
    """Joints in pixels of the crop (pixel centres are whole numbers)."""
    corner = person.crop_box[:2] - person.crop_box[2] / 2
    return (person.keypoints - corner) * (len(person.crop) / person.crop_box[2]) - 0.5


if __name__ == "__main__":
    sys.exit(run_tool(main))
