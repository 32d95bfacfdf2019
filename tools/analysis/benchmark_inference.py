"""How fast videos become 3D poses, and how much memory that takes, as ratios in one run.

    python tools/analysis/benchmark_inference.py lift [--frames 1000] [--people 3]
    python tools/analysis/benchmark_inference.py end-to-end [--frames 24] [--people 3]
    python tools/analysis/benchmark_inference.py memory [--seconds 3600]

`lift` compares the lifting stage over 2D tracks: everything after the 2D poses, of
PartSynthInferencer and of mmpose's Pose3DInferencer, both with the lifter in the package. mmpose
follows people by their boxes itself; ours is timed with the tracks' numbers, and with ByteTrack.

`end-to-end` compares PartSynthInferencer from the video file to the JSON file with its own detector
and 2D model alone, in batches of the same size: RTMDet-tiny and RTMPose-m of mmdet's and mmpose's
configs, 640 and 256 x 192 px. They have random weights, so that nothing must be downloaded: their
networks and decoders run as ever, and the boxes that are handed on are made ones.

`memory` runs the demo on a video of 10 seconds and on a long one, in processes of their own, and
compares their peaks. Repeats of what is compared alternate; the first of each is not counted.
Ratios are medians over pairs, of seconds by the clock and of the processor's (with ffmpeg's), which
other work on the machine disturbs less.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from part_synth.apis import load_lifter
from part_synth.apis.cli import run_tool
from part_synth.apis.zoo import ZOO
from part_synth.inferencer import PartSynthInferencer, open_source
from part_synth.inferencer.collect import PeopleRows, collect_with_models
from part_synth.inferencer.lifting import identify, to_sequence
from part_synth.people import FramePeople
from part_synth.people.detector import Detector
from part_synth.people.pose2d import Pose2D
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent))
from mmpose_lifting_stage import MMPoseLiftingStage, shipped_config

ROOT = Path(__file__).resolve().parents[2]
_SIZE = (1280, 720)
_FPS = 25.0


def made_tracks(frames: int, people: int) -> tuple[np.ndarray, np.ndarray]:
    """COCO joints of people who walk side by side, and their boxes.

    Returns:
        tuple: (T, P, 17, 2) and (T, P, 4) float32 px.
    """
    x = [0, 2, -2, 4, -4, 8, -8, 11, -11, 12, -12, 5, -5, 6, -6, 6, -6]
    y = [-46, -48, -48, -47, -47, -36, -36, -22, -22, -8, -8, -6, -6, 18, 18, 42, 42]
    person = np.stack([x, y], -1) * 4.0
    places = np.stack([_SIZE[0] * (np.arange(people) + 0.5) / people, np.full(people, 360.0)], -1)
    sway = np.sin(np.arange(frames) / 10)[:, None, None] * [30.0, 0.0]
    noise = np.random.default_rng(0).normal(0, 2, (frames, people, 17, 2))
    points = (person + (places + sway)[:, :, None] + noise).astype(np.float32)
    boxes = np.concatenate([points.min(2) - 10, points.max(2) + 10], axis=-1)
    return points, boxes


def benchmark_lift(args: argparse.Namespace) -> dict:
    """Seconds of the lifting stage, ours and mmpose's, and their ratio."""
    points, boxes = made_tracks(args.frames, args.people)
    lifter = load_lifter(None, "cpu")
    reference = MMPoseLiftingStage(ZOO / "lifter", _SIZE)
    count = args.frames * args.people

    class Video:
        is_video, fps, names, notes = True, _FPS, (), ()
        name = origin = "made"

    def run_ours(tracked: bool) -> None:
        ids = np.tile(np.arange(args.people), args.frames) if tracked else None
        flat = points.reshape(count, 17, 2)
        ones = np.ones((count, 17), np.float32)
        people = FramePeople(boxes.reshape(-1, 4), ones[:, 0], flat, ones, person_ids=ids)
        frames = np.repeat(np.arange(args.frames), args.people)
        rows = PeopleRows(frames, people, sizes=[_SIZE], num_frames=args.frames)
        sequence = to_sequence(identify(rows, Video), Video, lifter)
        assert sequence.ok.sum() == count and len(set(sequence.person_ids)) == args.people

    def run_theirs() -> None:
        assert reference.run(points, boxes) == count

    calls = {
        "part_synth": lambda: run_ours(True),
        "part_synth_with_byte_track": lambda: run_ours(False),
        "mmpose": run_theirs,
    }
    pairs = {
        "ratio": ("mmpose", "part_synth"),
        "ratio_with_byte_track": ("mmpose", "part_synth_with_byte_track"),
    }
    counts = {"frames": args.frames, "people": args.people}
    return counts | compare(calls, pairs, args.repeats)


class MadeBoxes(Detector):
    """A detector that does all of its work, and then says what was made."""

    def __init__(self, *arguments, boxes: np.ndarray, **named) -> None:
        super().__init__(*arguments, **named)
        scores = np.ones((*boxes.shape[:2], 1), np.float32)
        self.boxes = np.concatenate([boxes, scores], axis=-1)
        self.frame = 0

    def find(self, images: list[np.ndarray]) -> list[np.ndarray]:
        """The made boxes (P, 5) of the next images."""
        super().find(images)
        first, self.frame = self.frame, (self.frame + len(images)) % len(self.boxes)
        return list(self.boxes[first : first + len(images)])


def benchmark_end_to_end(args: argparse.Namespace) -> dict:
    """Seconds from the video to JSON (and to a drawn video), over those of the models alone."""
    _, boxes = made_tracks(args.frames, args.people)
    with tempfile.TemporaryDirectory() as folder:
        video = write_video(Path(folder) / "made.avi", args.frames, _SIZE, _FPS)
        inferencer = PartSynthInferencer(device="cpu", batch_size=8)
        det = shipped_config("mmdet", "rtmdet/rtmdet_tiny_8xb32-300e_coco.py", folder)
        pose = "body_2d_keypoint/rtmpose/coco/rtmpose-m_8xb256-420e_coco-256x192.py"
        pose = shipped_config("mmpose", pose, folder)
        inferencer.detector = MadeBoxes(*det, boxes=boxes)
        inferencer.finder = Pose2D(*pose)

        def run_models() -> None:
            source = open_source(video)
            rows = collect_with_models(
                source, inferencer.finder, inferencer.detector, 8, lambda _: None
            )
            assert len(rows.people) == args.frames * args.people

        def run_all(draw: bool) -> None:
            folders = {"pred_out_dir": folder} | ({"vis_out_dir": folder} if draw else {})
            assert len(list(inferencer(video, **folders))) == args.frames

        calls = {
            "models_alone": run_models,
            "to_json": lambda: run_all(False),
            "to_json_and_video": lambda: run_all(True),
        }
        pairs = {
            "ratio": ("to_json", "models_alone"),
            "ratio_with_drawing": ("to_json_and_video", "models_alone"),
        }
        compared = compare(calls, pairs, args.repeats)
    models = "RTMDet-tiny 640, RTMPose-m 256x192, random weights, made boxes; batches of 8"
    return {"frames": args.frames, "people": args.people, "models": models} | compared


def benchmark_memory(args: argparse.Namespace) -> dict:
    """Peaks of the demo over a short and a long video, drawn and written in all formats."""
    peaks = {}
    for seconds in (10, args.seconds):
        frames = round(seconds * args.fps)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            video = write_video(folder / "made.avi", frames, (320, 180), args.fps)
            points, _ = made_tracks(frames, args.people)
            np.savez(
                folder / "joints.npz",
                keypoints=points.reshape(-1, 17, 2) / 4,
                scores=np.ones((points.shape[0] * points.shape[1], 17), np.float32),
                frames=np.repeat(np.arange(frames), args.people),
                person_ids=np.tile(np.arange(args.people), frames),
                layout=np.array("coco"),
            )
            command = [sys.executable, str(ROOT / "demo" / "inferencer_demo.py"), str(video)]
            command += ["--keypoints", str(folder / "joints.npz"), "--out-dir", name, "--quiet"]
            command += ["--formats", "json", "csv", "npz", "bvh", "--device", "cpu"]
            peaks[seconds] = peak_of(command)
    short, long = peaks[10], peaks[args.seconds]
    return {
        "fps": args.fps,
        "people": args.people,
        "seconds_of_video": args.seconds,
        "peak_mib_10_s": short[0],
        "peak_mib_long": long[0],
        "difference_mib": long[0] - short[0],
        "run_time_s": {"10 s": short[1], "long": long[1]},
    }


def peak_of(command: list[str]) -> tuple[float, float]:
    """Peak of the resident memory of a process without its children, MiB, and its seconds."""
    start = time.perf_counter()
    code = "import runpy, sys, resource; sys.argv = sys.argv[1:]\n"
    code += "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
    code += "except SystemExit as end: assert not end.code, end.code\n"
    code += "text = open('/proc/self/status').read()\n"
    code += "print(text.split('VmHWM:')[1].split()[0])"
    result = subprocess.run(
        [command[0], "-c", code, *command[1:]], capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise RuntimeError(f"The demo failed: {result.stderr[-2000:]}")
    return int(result.stdout.split()[-1]) / 1024, time.perf_counter() - start


def write_video(path: Path, frames: int, size: tuple[int, int], fps: float) -> Path:
    """A video of a plain scene with a bar that moves."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, size)
    for number in range(frames):
        image = np.full((size[1], size[0], 3), 90, np.uint8)
        image[:, number % size[0]] = 200
        writer.write(image)
    writer.release()
    return path


def compare(
    calls: dict[str, Callable[[], None]], pairs: dict[str, tuple[str, str]], repeats: int
) -> dict:
    """Run calls in turns.

    Args:
        calls: Name -> what to run; a first run of each is not counted.
        pairs: Name of a ratio -> names of what is above and below.
        repeats: How often.

    Returns:
        dict: Medians, ratios, and the seconds of all repeats.
    """
    clock: dict[str, list[float]] = {name: [] for name in calls}
    cpu: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(repeats + 1):
        for name, call in calls.items():
            start, worked = time.perf_counter(), sum(os.times()[:4])
            call()
            if repeat:
                clock[name].append(time.perf_counter() - start)
                # Counted in hundredths of a second.
                cpu[name].append(max(sum(os.times()[:4]) - worked, 0.01))
    medians = {f"{name}_s": statistics.median(seconds) for name, seconds in clock.items()}
    ratios = {name: ratio(clock[a], clock[b]) for name, (a, b) in pairs.items()}
    cpu_ratios = {f"{name}_of_cpu": ratio(cpu[a], cpu[b]) for name, (a, b) in pairs.items()}
    repeated = {"seconds_of_repeats": clock, "cpu_seconds_of_repeats": cpu}
    return medians | ratios | cpu_ratios | repeated


def ratio(above: list[float], below: list[float]) -> float:
    """Median of the ratios of paired repeats."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def main() -> None:
    """Parse the command line, measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (%(default)s)")
    commands = parser.add_subparsers(dest="do", required=True)
    for name, benchmark, frames in (
        ("lift", benchmark_lift, 1000),
        ("end-to-end", benchmark_end_to_end, 24),
        ("memory", benchmark_memory, None),
    ):
        command = commands.add_parser(name)
        if frames:
            command.add_argument("--frames", type=int, default=frames, help="%(default)s")
            command.add_argument("--repeats", type=int, default=5, help="of each (%(default)s)")
        else:
            command.add_argument("--seconds", type=int, default=3600, help="(%(default)s)")
            command.add_argument("--fps", type=float, default=5.0, help="(%(default)s)")
        command.add_argument("--people", type=int, default=3, help="%(default)s")
        command.add_argument("--out", default=f"benchmark_{name}.json", help="%(default)s")
        command.set_defaults(benchmark=benchmark)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    result = {
        "what": args.do,
        "machine": f"{platform.machine()}, torch {torch.__version__}, {args.threads} thread(s)",
        "load_average": os.getloadavg()[0],
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
