"""What system A's steps cost, as ratios to parts of them.

    python tools/analysis/benchmark_synthesis.py [CONFIG] [--repeats 15] [--out benchmark.json]

- Every objective's step (forward, backward, no optimiser) against forward and backward of the
  backbone, and where it paints of the decoder, alone on as many images.
- The puppet's part maps, forward and backward, against writing and reading them once in memory.

Images, backgrounds and poses are random. Each pair alternates; ratios are medians of the pairs'.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from pathlib import Path

import torch
from mmengine.registry import init_default_scope
from part_synth.apis.cli import run_tool
from part_synth.apis.config import load_config
from part_synth.apis.memory import keep_freed_memory
from part_synth.models.synthesizer import Appearance
from part_synth.registry import MODELS
from rich.console import Console

_WARM_UP = 3
_MAPS = (32, 64)  # puppets, pixels


class Sample:
    """Frames of one video; an objective without labels looks at no more."""

    metainfo = {"camera": "cam0", "clip": "clip", "frame": [0, 1]}  # noqa: RUF012


def seconds(action) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def compare(action, reference, repeats: int) -> dict:
    """Milliseconds of both and the median ratio, alternating."""
    pairs = [(seconds(action), seconds(reference)) for _ in range(repeats + _WARM_UP)][_WARM_UP:]
    return {
        "ms": 1000 * statistics.median(a for a, _ in pairs),
        "reference_ms": 1000 * statistics.median(b for _, b in pairs),
        "ratio": statistics.median(a / b for a, b in pairs),
    }


def build(cfg) -> torch.nn.Module:
    """The model with a fitted prior and made poses."""
    model = MODELS.build(cfg.model)
    generator = torch.Generator().manual_seed(0)
    prior = model.prior
    prior.lengths.fill_(0.25)
    with torch.no_grad():
        codes = torch.rand(2000, prior.code_size, generator=generator) * 2 - 1
        model._unpaired_poses = prior(codes)
    return model.train()


def run_backbone(model, images, half: bool):
    """Forward and backward of the backbone on (B, 3, S, S) images."""
    encoder = model.encoder

    def action() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            seen = encoder._with_background(images, None) if encoder.use_background else images
            total = sum(feature.float().square().mean() for feature in encoder.backbone(seen))
        total.backward()

    return action


def run_decoder(model, maps, half: bool):
    """Forward and backward of the decoder on part maps."""
    count, capsules = maps.capsules.shape[:2]
    features = torch.randn(count, model.puppet.num_parts, model.decoder.appearance_channels)
    looks = Appearance(torch.rand(count, capsules, 3), features)

    def action() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            made = model.decoder(maps, looks, None)
            total = made.image.square().mean() + made.part_logits.square().mean()
        total.backward()

    return action


def time_objectives(model, cfg, repeats: int, half: bool) -> dict:
    """A row for each objective."""
    size = cfg.train_dataloader.dataset.crop.size
    groups, frames = cfg.train_dataloader.batch_size, cfg.train_dataloader.dataset.num_frames
    shape = (groups, frames, 3, size, size)
    inputs = {name: torch.rand(shape) * 2 - 1 for name in ("image", "background")}
    samples = [Sample()] * groups
    rows = {}
    for name, objective in model.objectives.items():

        def step(objective=objective) -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                losses = objective.loss(model, inputs, samples)
            sum(value for key, value in losses.items() if "loss" in key).backward()

        images = getattr(objective, "batch_size", groups * frames)
        images *= getattr(objective, "repeats", 1)
        crops = torch.rand(images, 3, size, size) * 2 - 1
        actions = [run_backbone(model, crops, half)]
        if name in ("synthesis", "cycle"):
            with torch.no_grad():
                maps = model.render(model.decode(model.encoder(crops)), (size, size), 1.0)
            actions.append(run_decoder(model, maps, half))
        rows[name] = compare(step, lambda actions=actions: [a() for a in actions], repeats)
        rows[name]["images"] = images
    return rows


def time_maps(model, repeats: int) -> dict:
    """Part maps against memory."""
    count, size = _MAPS
    poses = model.draw_unpaired_poses(count)
    extended = model.puppet.extend_joints(poses)
    points = (0.7 * extended[..., :2]).requires_grad_()
    depths, scale = extended[..., 2].contiguous(), torch.full((count,), 0.7)
    parts = model.puppet.num_parts + 1
    kept = torch.rand(count, parts, size, size)
    written = torch.empty_like(kept)

    def draw() -> None:
        model.puppet(points, depths, scale, (size, size)).parts.square().mean().backward()

    def copy() -> None:
        written.copy_(kept)

    return {**compare(draw, copy, repeats), "puppets": count, "parts": parts, "pixels": size}


def main() -> None:
    """Parse the command line, measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="?", default="configs/part_synth_synthetic.py")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch")
    parser.add_argument("--out", default="benchmark_synthesis.json")
    args = parser.parse_args()

    # As tools/train.py does.
    keep_freed_memory()
    torch.set_flush_denormal(True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    init_default_scope("mmpose")
    cfg = load_config(args.config)
    model = build(cfg)
    half = cfg.optim_wrapper.get("type") == "part_synth.AutocastOptimWrapper"
    result = {
        "config": args.config,
        "machine": f"{platform.machine()}, torch {torch.__version__}, {args.threads} thread(s)",
        "objectives": time_objectives(model, cfg, args.repeats, half),
        "part_maps": time_maps(model, args.repeats),
    }
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for name, row in [*result["objectives"].items(), ("part maps", result["part_maps"])]:
        console.print(
            f"{name}: {row['ms']:.1f} ms, {row['ratio']:.2f} times the {row['reference_ms']:.1f} "
            "ms of what it is compared with"
        )
    Path(args.out).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(run_tool(main))
