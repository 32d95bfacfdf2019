"""How fast this package lifts, against mmpose, in one run on one machine.

    python tools/analysis/benchmark_lifter.py lift [--frames 10000] [--out benchmark_lift.json]

`lift` compares lifting 2D keypoints on the CPU: `part_synth.apis.lift`, all frames in one call,
against mmpose's `inference_pose_lifter_model`, frame after frame as mmpose's demo calls it. Both
start from keypoints in COCO's order in memory and run networks of the same width and depth with
random weights; ours also averages over the mirrored pose. The repeats of both alternate.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from part_synth.apis import lift
from part_synth.apis.cli import run_tool
from part_synth.registry import MODELS
from rich.console import Console
from torch import nn

_IMAGE_SIZE = (1280, 720)


def benchmark_lift(args: argparse.Namespace) -> dict:
    """Seconds for a frame, ours and mmpose's, and their ratio.

    Args:
        args: ``frames``, ``reference_frames``, ``repeats``, ``width``, ``blocks``.

    Returns:
        dict: The numbers; seconds of all frames are extrapolated for mmpose.
    """
    rng = np.random.default_rng(0)
    keypoints = rng.uniform((100, 50), (1100, 650), (args.frames, 17, 2)).astype(np.float32)
    scores = np.ones(keypoints.shape[:2], dtype=np.float32)
    few = min(args.reference_frames, args.frames)
    ours = _our_lifter(args.width, args.blocks)
    theirs = _mmpose_lifter(args.width, args.blocks)

    def run_ours() -> None:
        poses = lift(keypoints, scores, image_size=_IMAGE_SIZE, model=ours, fps=30)
        assert poses.ok.all()

    def run_theirs() -> None:
        assert len(_mmpose_loop(theirs, keypoints[:few])) == few

    times = _alternate([run_ours, run_theirs], args.repeats)
    counted = list(zip(times, (args.frames, few), strict=True))
    per_frame = [statistics.median(seconds) / count for seconds, count in counted]
    # The least of each: what a machine with others on it does when they are quiet.
    best = [min(seconds) / count for seconds, count in counted]
    return {
        "frames": args.frames,
        "mmpose_frames_timed": few,
        "part_synth_s": per_frame[0] * args.frames,
        "mmpose_s_extrapolated": per_frame[1] * args.frames,
        "ratio": per_frame[1] / per_frame[0],
        "ratio_of_best_repeats": best[1] / best[0],
        "part_synth_ms_per_frame": 1e3 * per_frame[0],
        "mmpose_ms_per_frame": 1e3 * per_frame[1],
        "part_synth_parameters": _count(ours.lifter),
        "mmpose_parameters": _count(theirs),
        "repeats": args.repeats,
        "seconds_of_repeats": {"part_synth": times[0], "mmpose": times[1]},
    }


def _alternate(calls: list[Callable[[], None]], repeats: int) -> list[list[float]]:
    """Seconds of each repeat of each call; a first one of each is not counted."""
    times: list[list[float]] = [[] for _ in calls]
    for repeat in range(repeats + 1):
        for call, seconds in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            if repeat:
                seconds.append(time.perf_counter() - start)
    return times


def _count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _our_lifter(width: int, blocks: int) -> nn.Module:
    lifter = {"type": "part_synth.FrameLifter", "width": width, "num_blocks": blocks}
    return MODELS.build({"type": "part_synth.LiftingModel", "lifter": lifter}).eval()


def _mmpose_lifter(width: int, blocks: int) -> nn.Module:
    """SimpleBaseline3D as mmpose has it (TCN of one frame), of the same width and depth."""
    import mmpose.models  # noqa: F401 - registers PoseLifter
    from mmengine.config import Config
    from mmpose.datasets.datasets.utils import parse_pose_metainfo
    from mmpose.registry import MODELS as MMPOSE_MODELS

    # Means and spreads of the data change nothing in the time.
    codec = {
        "type": "ImagePoseLifting",
        "num_keypoints": 17,
        "root_index": 0,
        "remove_root": True,
        "target_mean": np.zeros((16, 3)).tolist(),
        "target_std": np.ones((16, 3)).tolist(),
        "keypoints_mean": np.full((17, 2), 500.0).tolist(),
        "keypoints_std": np.full((17, 2), 100.0).tolist(),
    }
    keys = ("id", "category_id", "target_img_path", "flip_indices", "target_root")
    pipeline = [
        {"type": "GenerateTarget", "encoder": codec},
        {"type": "PackPoseInputs", "meta_keys": (*keys, "target_root_index")},
    ]
    cfg = Config(
        {
            "default_scope": "mmpose",
            "model": {
                "type": "mmpose.PoseLifter",
                "backbone": {
                    "type": "mmpose.TCN",
                    "in_channels": 34,
                    "stem_channels": width,
                    "num_blocks": blocks,
                    "kernel_sizes": (1,) * (blocks + 1),
                    "dropout": 0.5,
                },
                "head": {
                    "type": "mmpose.TemporalRegressionHead",
                    "in_channels": width,
                    "num_joints": 16,
                    "loss": {"type": "mmpose.MSELoss"},
                    "decoder": codec,
                },
            },
            "test_dataloader": {"dataset": {"pipeline": pipeline, "seq_len": 1, "causal": True}},
        }
    )
    model = MMPOSE_MODELS.build(cfg.model).eval()
    model.cfg = cfg
    model.dataset_meta = parse_pose_metainfo({"from_file": "configs/_base_/datasets/h36m.py"})
    return model


def _mmpose_loop(model: nn.Module, keypoints: np.ndarray) -> list:
    """Frame after frame, as mmpose's body3d_pose_lifter_demo.py: convert, window, lift."""
    from mmengine.structures import InstanceData
    from mmpose.apis import (
        convert_keypoint_definition,
        extract_pose_sequence,
        inference_pose_lifter_model,
    )
    from mmpose.structures import PoseDataSample

    dataset = model.cfg.test_dataloader.dataset
    window = {"causal": dataset["causal"], "seq_len": dataset["seq_len"], "step": 1}
    lifter_set = model.dataset_meta["dataset_name"]
    frames, results = [], []
    for index, points in enumerate(keypoints):
        box = np.concatenate([points.min(0), points.max(0)])
        person = PoseDataSample()
        person.pred_instances = InstanceData(
            keypoints=convert_keypoint_definition(points[None], "coco", lifter_set),
            bboxes=box[None],
        )
        person.gt_instances = InstanceData()
        person.set_field(0, "track_id")
        frames.append([person])
        sequence = extract_pose_sequence(frames, frame_idx=index, **window)
        results += inference_pose_lifter_model(
            model, sequence, image_size=_IMAGE_SIZE, norm_pose_2d=True
        )
    return results


def main() -> None:
    """Parse the command line, measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (%(default)s)")
    commands = parser.add_subparsers(dest="do", required=True)
    command = commands.add_parser("lift", help="speed of lifting 2D keypoints")
    command.add_argument("--frames", type=int, default=10_000, help="%(default)s")
    command.add_argument(
        "--reference-frames",
        type=int,
        default=300,
        help="frames that mmpose's loop is timed with; the rest is extrapolated (%(default)s)",
    )
    command.add_argument("--repeats", type=int, default=5, help="of both (%(default)s)")
    command.add_argument("--width", type=int, default=1024, help="of both networks (%(default)s)")
    command.add_argument("--blocks", type=int, default=2, help="residual blocks (%(default)s)")
    command.add_argument("--out", default="benchmark_lift.json", help="%(default)s")
    command.set_defaults(benchmark=benchmark_lift)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    result = {
        "what": args.do,
        "machine": f"{platform.machine()}, torch {torch.__version__}, {args.threads} thread(s)",
        **args.benchmark(args),
    }
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for name, value in result.items():
        console.print(f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}")
    path = Path(args.out)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(run_tool(main))
