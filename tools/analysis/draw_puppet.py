"""Draw a puppet, the package's own or that of a file: docs/puppet.md says how to write one.

python tools/analysis/draw_puppet.py [--puppet FILE] --out puppet.png
"""

import argparse
import sys

import numpy as np
import torch
from part_synth.apis.cli import check_out_file, run_tool
from part_synth.datasets.synthetic.motions import make_motion
from part_synth.geometry import REST_DIRECTIONS, bone_lengths, forward_kinematics, to_body_frame
from part_synth.models import Puppet
from part_synth.visualization import write_image
from part_synth.visualization.puppet_sheet import puppet_sheet

# Activity and the second of it to show.
_ACTIVITIES = {"walk": 1.0, "wave": 2.0, "squat": 2.0, "kick": 1.5}


def made_poses() -> dict[str, torch.Tensor]:
    """(17, 3) poses by name, body frame, metres: the rest pose, then those of made motion."""
    poses = {}
    for action, second in _ACTIVITIES.items():
        motion = make_motion(action, np.random.default_rng(3), 120, 30.0)
        poses[action] = to_body_frame(torch.from_numpy(motion))[0][round(30 * second)]
    lengths = bone_lengths(poses["walk"])
    return {"rest pose": forward_kinematics(REST_DIRECTIONS.to(lengths), lengths), **poses}


def main() -> None:
    """Parse the command line and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--puppet", help="JSON file of the puppet; without, the package's own")
    parser.add_argument("--out", required=True, help="picture to write, .png")
    args = parser.parse_args()
    check_out_file(args.out, [".png"])
    write_image(args.out, puppet_sheet(Puppet(puppet=args.puppet), made_poses()))


if __name__ == "__main__":
    sys.exit(run_tool(main))
