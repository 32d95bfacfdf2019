"""RTMDet-tiny of mmdet's own config, trained a little on people of the embedded renderer."""

import json
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from part_synth.datasets import LAYOUTS
from part_synth.datasets.synthetic import make_synthetic_mocap

SIZE = 128
FPS = 10.0


def make_pictures(folder):
    """Pictures of one person, and COCO's file of boxes.

    Returns:
        {name: (left, top, right, bottom)} in the order of time.
    """
    recipe = dict(subjects=(1, 0, 0), cameras=1, frames_per_subject=20, size=SIZE, seed=3)
    root = make_synthetic_mocap(folder / "set", workers=0, unpaired_poses=10, **recipe)
    index = LAYOUTS.get("h36m").from_disk(root, split="train")
    images, annotations, boxes = [], [], {}
    for i in range(len(index)):
        path = index.image_path(i)
        y, x = np.nonzero(cv2.imread(str(index.part_path(i)), cv2.IMREAD_GRAYSCALE))
        left, top, right, bottom = x.min(), y.min(), x.max() + 1, y.max() + 1
        boxes[str(path)] = np.array([left, top, right, bottom])
        box = [float(v) for v in (left, top, right - left, bottom - top)]
        images.append(dict(id=i, file_name=str(path), width=SIZE, height=SIZE))
        annotations.append(
            dict(id=i, image_id=i, category_id=1, bbox=box, area=box[2] * box[3], iscrowd=0)
        )
    coco = dict(images=images, annotations=annotations, categories=[dict(id=1, name="person")])
    (folder / "coco.json").write_text(json.dumps(coco))
    return boxes


def train_detector(folder, steps=80):
    """Train on ``make_pictures``' boxes; write detector.py and detector.pth."""
    import mmdet

    shipped = Path(mmdet.__file__).parent / ".mim/configs/rtmdet/rtmdet_tiny_8xb32-300e_coco.py"
    cfg = Config.fromfile(shipped)
    cfg.model.backbone.init_cfg = None  # no download
    cfg.model.bbox_head.num_classes = 1
    for part in (cfg.model.backbone, cfg.model.neck, cfg.model.bbox_head):
        part.norm_cfg = dict(type="BN")  # SyncBN trains on GPUs alone
    resize = dict(type="Resize", scale=(SIZE, SIZE), keep_ratio=True)
    dataset = dict(
        type="CocoDataset",
        ann_file=str(folder / "coco.json"),
        data_prefix=dict(img=""),
        metainfo=dict(classes=("person",)),
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="LoadAnnotations", with_bbox=True),
            resize,
            dict(type="PackDetInputs"),
        ],
    )
    keys = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
    test_pipeline = [
        dict(type="LoadImageFromFile"),
        resize,
        dict(type="PackDetInputs", meta_keys=keys),
    ]
    cfg.test_dataloader.dataset.pipeline = test_pipeline
    cfg.dump(folder / "detector.py")
    with DefaultScope.overwrite_default_scope("mmdet"):
        runner = Runner(
            model=cfg.model,
            work_dir=str(folder / "work"),
            train_dataloader=dict(
                batch_size=8,
                num_workers=0,
                sampler=dict(type="InfiniteSampler", seed=0),
                dataset=dataset,
            ),
            train_cfg=dict(type="IterBasedTrainLoop", max_iters=steps),
            optim_wrapper=dict(optimizer=dict(type="AdamW", lr=2e-3, weight_decay=0.05)),
            default_hooks=dict(checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=-1)),
            randomness=dict(seed=0),
            default_scope="mmdet",
            experiment_name=f"small_detector_{folder.name}",
            log_level="WARNING",
        )
        runner.train()
        runner.save_checkpoint(str(folder), "detector.pth", save_optimizer=False)
    return folder / "detector.py", folder / "detector.pth"


def film(path, pictures):
    """A video of pictures, and nothing else: lossless."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"FFV1"), FPS, (SIZE, SIZE))
    assert writer.isOpened()
    for picture in pictures:
        writer.write(cv2.imread(picture))
    writer.release()
    return path
