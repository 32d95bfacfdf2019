"""The lifting stage of mmpose's Pose3DInferencer, for benchmarks: all but the 2D model and drawing.

Symbols: T frames, P people.
"""

from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData


class _ReadyPoses:
    """In place of the 2D inferencer: gives one frame after the other what is known."""

    def __init__(self, model, points: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> None:
        self.model, self.points, self.boxes, self.size = model, points, boxes, size

    def __call__(self, index: int, **_):
        from mmpose.structures import PoseDataSample

        samples = []
        for points, box in zip(self.points[index], self.boxes[index], strict=True):
            sample = PoseDataSample(metainfo={"ori_shape": self.size[::-1], "img_path": ""})
            sample.pred_instances = InstanceData(
                keypoints=points[None],
                keypoint_scores=np.ones((1, len(points)), np.float32),
                bboxes=box[None],
            )
            sample.gt_instances = InstanceData()
            samples.append(sample)
        yield {"predictions": samples}


class MMPoseLiftingStage:
    """mmpose's own code, frame by frame: tracking, windows, its pipeline, the network, its axes.

    Args:
        lifter: Folder with ``mmpose.py`` and ``weights.pth`` of a lifter.
        size: (width, height) px of the frames.
    """

    def __init__(self, lifter: Path, size: tuple[int, int]) -> None:
        from mmpose.apis.inferencers import Pose3DInferencer

        # Any 2D model of COCO's joints; it is built and never runs.
        small = "body_2d_keypoint/topdown_heatmap/coco/td-hm_mobilenetv2_8xb64-210e_coco-256x192.py"
        self.inferencer = Pose3DInferencer(
            str(lifter / "mmpose.py"),
            str(lifter / "weights.pth"),
            pose2d_model=without_download("mmpose", small),
            det_model="whole_image",
            device="cpu",
        )
        self.size = size

    @torch.no_grad()
    def run(self, points: np.ndarray, boxes: np.ndarray) -> int:
        """Lift everybody.

        Args:
            points: (T, P, 17, 2) COCO joints, px.
            boxes: (T, P, 4) px.

        Returns:
            int: Number of 3D poses.
        """
        ours = self.inferencer
        ours.pose2d_model = _ReadyPoses(ours.pose2d_model.model, points, boxes, self.size)
        ours._video_input = True
        ours.video_info = {"width": self.size[0], "height": self.size[1]}
        ours._buffer.clear()
        count = 0
        with DefaultScope.overwrite_default_scope("mmpose"):
            for index in range(len(points)):
                data = ours.preprocess_single(index, index)
                (sample,) = ours.forward(ours.collate_fn(data))
                count += len(sample.pred_instances)
        return count


def without_download(package: str, name: str) -> Config:
    """A config that mmdet or mmpose brings, whose backbone loads no weights."""
    config = Config.fromfile(
        str(Path(__import__(package).__file__).parent / ".mim" / "configs" / name)
    )
    config.model.backbone.init_cfg = None
    return config


def shipped_config(package: str, name: str, folder: str | Path) -> tuple[str, str]:
    """Files of a config that mmdet or mmpose brings, and of random weights for it."""
    config = without_download(package, name)
    if package == "mmdet":
        from mmdet.apis import init_detector as build
        from mmdet.utils import register_all_modules

        register_all_modules(init_default_scope=False)
    else:
        from mmpose.apis import init_model as build
    files = [str(Path(folder) / f"{package}{ending}") for ending in (".py", ".pth")]
    config.dump(files[0])
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(package):
        model = build(files[0], None, device="cpu")
    torch.save({"meta": {}, "state_dict": model.state_dict()}, files[1])
    return files[0], files[1]
