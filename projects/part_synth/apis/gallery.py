"""Models that embed pictures, and galleries made from data sets."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from rich.progress import track
from torch import Tensor, nn

from part_synth.apis.config import load_config
from part_synth.apis.devices import to_device
from part_synth.apis.errors import ConfigError
from part_synth.apis.inference import init_model
from part_synth.evaluation.embedded_frames import root_relative
from part_synth.retrieval import EmbedderInfo, PoseGallery, model_fingerprint

SPLITS = ("train", "val", "test")


def load_embedder(
    config: str | Path | Config,
    checkpoint: str | Path,
    device: str = "cpu",
    cfg_options: dict | None = None,
) -> nn.Module:
    """A model that embeds pictures.

    Args:
        config: Config of the model, or its file.
        checkpoint: Checkpoint that ``tools/train.py`` wrote.
        device: Where to run.
        cfg_options: Changes of a config that is a file, dotted key -> value.

    Returns:
        The model in evaluation mode; ``model.cfg`` holds its config.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: The checkpoint belongs to another model, the model does not embed, or the
            device can't be used.
    """
    cfg = config if isinstance(config, Config) else load_config(str(config), cfg_options)
    if "model" not in cfg:
        raise ConfigError("The config has no model; give the config of a model that embeds.")
    model = init_model(cfg, checkpoint)
    if not callable(getattr(model, "embed", None)):
        raise ValueError(
            f"The model {type(model).__name__} makes no embeddings; give the config and the "
            "checkpoint of a part_synth.MetricPoseModel, such as configs/metric_synthetic.py."
        )
    return to_device(model, device)


@torch.inference_mode()
def build_gallery(
    config: str | Path,
    checkpoint: str | Path,
    split: str | None = None,
    device: str = "cpu",
    cfg_options: dict | None = None,
) -> PoseGallery:
    """Embed the frames of a data set: those of the config's ``test_dataloader``.

    Args:
        config: Config of the model.
        checkpoint: Checkpoint of the model.
        split: ``'train'``, ``'val'`` or ``'test'`` of that data set; None keeps what it has.
        device: Where to run.
        cfg_options: Changes of the config, dotted key -> value.

    Returns:
        PoseGallery: All frames, with their poses where the data set has them.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: The model does not embed, the config has no test data, or samples are no single
            frames.
    """
    model = load_embedder(config, checkpoint, device, cfg_options)
    loader_cfg = _loader_config(model.cfg, split)
    loader = Runner.build_dataloader(loader_cfg, seed=0)
    parts: list[np.ndarray] = []
    rows: list[dict] = []
    background, size = False, 0
    # Only where somebody watches.
    for batch in track(loader, "Embedding", transient=True, disable=not sys.stderr.isatty()):
        data = model.data_preprocessor(batch)
        background, size = "background" in data["inputs"], data["inputs"]["image"].shape[-1]
        parts.append(embed_batch(model, data["inputs"]))
        rows += [_describe(sample) for sample in data["data_samples"]]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    poses = columns.pop("poses")
    return PoseGallery(
        embeddings=np.concatenate(parts),
        poses=np.stack(poses) if all(pose is not None for pose in poses) else None,
        embedder=EmbedderInfo(
            fingerprint=model_fingerprint(model),
            model=type(model).__name__,
            config=str(Path(config).resolve()),
            checkpoint=str(Path(checkpoint).expanduser().resolve()),
            crop_size=int(size),
            background=background,
            cfg_options=dict(cfg_options or {}),
        ),
        **columns,
    )


def embed_batch(model: nn.Module, inputs: dict[str, Tensor]) -> np.ndarray:
    """Embed a batch of single frames.

    Args:
        model: From :func:`load_embedder`.
        inputs: What its data preprocessor made: ``image`` and maybe ``background``, both
            (B, 1, 3, H, W) in [-1, 1].

    Returns:
        (B, D) float32.

    Raises:
        ValueError: Samples hold several frames.
    """
    images = inputs["image"]
    if images.ndim != 5 or images.shape[1] != 1:
        raise ValueError(
            "Single frames are embedded, but the data set's samples are of shape "
            f"{tuple(images.shape[1:])}. Test with part_synth.PoseFrameDataset."
        )
    backgrounds = inputs.get("background")
    backgrounds = None if backgrounds is None else backgrounds[:, 0]
    return model.embed(images[:, 0], backgrounds=backgrounds).float().cpu().numpy()


def _loader_config(cfg: Config, split: str | None) -> dict:
    """The test loader, in its order, over another split if one is given."""
    loader = cfg.get("test_dataloader")
    if not loader or "dataset" not in loader:
        raise ConfigError(
            "The config has no test_dataloader with a dataset: there is nothing to embed."
        )
    loader = loader.copy()
    if split is None:
        return loader
    if split not in SPLITS:
        raise ConfigError(f"split must be one of {SPLITS}, got {split!r}.")
    dataset = loader["dataset"].copy()
    other = (cfg.get(f"{split}_dataloader") or {}).get("dataset", {})
    # An annotation file of the test split would hold nothing of another one.
    if dataset.get("ann_file") is not None and split != dataset.get("split", "test"):
        dataset["ann_file"] = other.get("ann_file")
    dataset["split"] = split
    loader["dataset"] = dataset
    return loader


def _describe(sample) -> dict:
    """What a gallery keeps of a data sample of one frame."""
    gt = sample.get("gt_instances")
    known = gt is not None and "lifting_target" in gt
    visible = gt.get("lifting_target_visible") if known else None
    return {
        "img_path": str(Path(sample.img_path).resolve()),
        "crop_box": np.asarray(sample.crop_box, dtype=np.float32).reshape(3),
        "subject": sample.subject,
        "clip": sample.clip,
        "camera": sample.camera,
        "time": float(np.asarray(sample.time).reshape(())),
        "poses": root_relative(gt.lifting_target[0], visible) if known else None,
    }
