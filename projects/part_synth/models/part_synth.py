"""The model: wires encoder, prior, puppet and synthesis, and gives each objective its turn.

Symbols: B batch, F frames of one person, K = 17 joints, E extended joints.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.structures import InstanceData, PixelData
from torch import Tensor, nn

from part_synth.geometry import mirror
from part_synth.registry import MODELS

from .novel_images import TEST_BLUR, novel_images
from .objectives import Objective, flat_frames
from .pose_encoder import PoseEncoding
from .puppet import PartMaps
from .puppet_fit import PuppetFit
from .view import CropCamera


@MODELS.register_module()
class PartSynth(BaseModel):
    """3D pose, part segmentation and novel images of a person, from unlabelled video.

    Args:
        encoder: Config of the pose encoder.
        prior: Config of the pose prior.
        puppet: Config of the puppet.
        appearance: Config of the appearance encoder.
        decoder: Config of the synthesis decoder.
        objectives: Configs of the objectives by name; None leaves one out.
        unpaired_poses: Path of the unpaired 3D poses (npz). The prior is fitted to them before
            training (``part_synth.PosePriorHook``); puppets are drawn from them.
        camera_distance: Fixed distance of the restricted camera, metres.
        part_source: What segments parts at test time: 'head', the encoder's part head;
            'decoder', the synthesis decoder; 'puppet', the template. None = the head where there
            is one, else the decoder.
        flip_test: Average the predictions for a picture and its mirror image, as mmpose's
            ``flip_test`` does.
        puppet_fit: Config of what fits the puppet, as it was read, to the parts that the part head
            sees: ``part_synth.PuppetFit``. Joints in the image, the parts of 'decoder' and 'puppet'
            and novel images are then those of the fitted puppet, and a painter that is trained
            alone learns with it; the 3D pose stays as it was read, for a fit in the image makes it
            no better. None leaves it out.
        predict_novel_images: At test time also synthesise the first frame of each sample from the
            looks of its other frames, if it has any, for ``part_synth.NovelImageMetric``.
    """

    def __init__(
        self,
        encoder: dict,
        prior: dict | None = None,
        puppet: dict | None = None,
        appearance: dict | None = None,
        decoder: dict | None = None,
        objectives: dict[str, dict] | None = None,
        unpaired_poses: str | None = None,
        camera_distance: float = 4.5,
        part_source: str | None = None,
        flip_test: bool = False,
        puppet_fit: dict | None = None,
        predict_novel_images: bool = False,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        # Built here: mmengine's own registry, which BaseModel asks, lies above ours.
        super().__init__(
            MODELS.build(data_preprocessor or {"type": "part_synth.PartSynthDataPreprocessor"}),
            init_cfg,
        )
        self.encoder = MODELS.build(encoder)
        self.prior = MODELS.build(prior or {"type": "part_synth.PosePrior"})
        self.prior.freeze()
        self.puppet = MODELS.build(puppet or {"type": "part_synth.Puppet"})
        self.appearance = MODELS.build(appearance or {"type": "part_synth.AppearanceEncoder"})
        self.decoder = MODELS.build(decoder or {"type": "part_synth.SynthesisDecoder"})
        self.objectives = nn.ModuleDict(
            {name: MODELS.build(config) for name, config in (objectives or {}).items() if config}
        )
        self.puppet.check_num_parts(
            decoder=getattr(self.decoder, "num_parts", None),
            part_head=getattr(getattr(self.encoder, "part_head", None), "num_parts", None),
        )
        _check_alike(encoder=(self.encoder, "code_size"), prior=(self.prior, "code_size"))
        _check_alike(
            appearance=(self.appearance, "channels"),
            decoder=(self.decoder, "appearance_channels"),
        )
        self.unpaired_poses_file = unpaired_poses
        self.camera_distance = camera_distance
        self.part_source = self._check_part_source(part_source)
        self.flip_test = flip_test
        self.puppet_fit = self._build_puppet_fit(puppet_fit)
        self.predict_novel_images = predict_novel_images
        # Filled from the file when first needed. Not a buffer: it is data, and moving averages
        # of the model would want a copy of equal shape.
        self._unpaired_poses: Tensor | None = None
        self.current_objective = next(iter(self.objectives), None)

    def _build_puppet_fit(self, config: dict | None) -> PuppetFit | None:
        if config is None:
            return None
        if getattr(self.encoder, "part_head", None) is None:
            raise ValueError(
                "puppet_fit of PartSynth fits puppets to what the encoder's part head sees; give "
                "the encoder a part_head, or leave puppet_fit out"
            )
        return MODELS.build(config)

    def _check_part_source(self, source: str | None) -> str:
        has_head = getattr(self.encoder, "part_head", None) is not None
        known = ("head", "decoder", "puppet") if has_head else ("decoder", "puppet")
        source = source or known[0]
        if source not in known:
            raise ValueError(
                f"part_source of PartSynth must be one of {', '.join(known)} or None, got "
                f"{source!r}" + ("" if has_head else " ('head' needs a part_head of the encoder)")
            )
        return source

    # ---- parts -----------------------------------------------------------------------------

    def load_unpaired_poses(self) -> Tensor:
        """(M, 17, 3) unpaired poses in the body frame, metres; read once."""
        device = self.prior.lengths.device
        if self._unpaired_poses is None:
            from part_synth.datasets import load_unpaired_poses

            if self.unpaired_poses_file is None:
                raise ValueError(
                    "This model needs unpaired 3D poses; set `unpaired_poses` of the model to an "
                    "npz file of them (keys xyz, start, length, ... as tools/dataset_converters/"
                    "make_synthetic.py writes it)"
                )
            self._unpaired_poses = load_unpaired_poses(self.unpaired_poses_file)
        self._unpaired_poses = self._unpaired_poses.to(device)
        return self._unpaired_poses

    def draw_unpaired_poses(self, count: int) -> Tensor:
        """(count, 17, 3) random unpaired poses, body frame, metres."""
        poses = self.load_unpaired_poses()
        return poses[torch.randint(len(poses), (count,), device=poses.device)]

    def decode(self, encoding: PoseEncoding) -> dict[str, Tensor]:
        """Turn an encoding into a pose.

        Returns:
            What :meth:`place` does.
        """
        return self.place(self.prior(encoding.code), encoding.camera(self.camera_distance))

    def place(self, joints_body: Tensor, camera: CropCamera) -> dict[str, Tensor]:
        """Show (B, K, 3) body-frame poses, metres, to B cameras.

        Returns:
            ``joints_body`` and root-relative ``joints_cam`` (B, K, 3) metres, ``points``
            (B, K, 2) crop coordinates; for the puppet ``extended_points`` (B, E, 2),
            ``extended_depths`` (B, E) metres, ``scale`` (B,) and ``nearest`` (B,) metres.
        """
        extended = camera.rotate(self.puppet.extend_joints(joints_body))
        points = camera.project(extended)
        joints = joints_body.shape[1]
        return {
            "joints_body": joints_body,
            "joints_cam": extended[:, :joints],
            "points": points[:, :joints],
            "extended_points": points,
            "extended_depths": extended[..., 2],
            "scale": camera.scale,
            "nearest": camera.nearest_depth(),
        }

    def render(self, decoded: dict[str, Tensor], size: tuple[int, int], blur: float) -> PartMaps:
        """Draw the puppet of decoded poses on maps of ``size`` (H, W)."""
        return self.puppet(
            decoded["extended_points"],
            decoded["extended_depths"],
            decoded["scale"],
            tuple(size),
            blur=blur,
            nearest=decoded["nearest"],
        )

    def _objective(self) -> Objective:
        if self.current_objective not in self.objectives:
            raise ValueError(
                f"There is no objective {self.current_objective!r} to train; give the model "
                f"objectives=dict(name=dict(type=...)), it has {list(self.objectives)}"
            )
        return self.objectives[self.current_objective]

    # ---- mmengine's contract -----------------------------------------------------------------

    def forward(self, inputs, data_samples: list | None = None, mode: str = "tensor"):
        """Run the model.

        Args:
            inputs: Dict with ``image`` (B, F, 3, H, W) in [-1, 1] (and ``background``), or an
                image batch (B, 3, H, W).
            data_samples: B samples.
            mode: 'tensor' gives the :class:`PoseEncoding`, 'loss' a dict of losses of the
                current objective, 'predict' the samples with predictions (first frame).
        """
        if isinstance(inputs, Tensor):
            inputs = {"image": inputs[:, None]}
        if mode == "tensor":
            return self.encoder(*flat_frames(inputs))
        if mode == "loss":
            return self._objective().loss(self, inputs, data_samples)
        if mode == "predict":
            return self.predict(inputs, data_samples)
        raise ValueError(f"mode is 'tensor', 'loss' or 'predict', got {mode!r}")

    def train_step(
        self, data: dict, optim_wrapper: OptimWrapperDict | OptimWrapper
    ) -> dict[str, Tensor]:
        """One step of the current objective, moving that objective's optimisers."""
        name = self.current_objective
        objective = self._objective()
        # OptimWrapperDict is an OptimWrapper too.
        if not isinstance(optim_wrapper, OptimWrapperDict):
            wrappers = [optim_wrapper]
        else:
            missing = set(objective.optimizers) - set(optim_wrapper.keys())
            if missing:
                raise ValueError(
                    f"Objective {name!r} moves the optimisers {objective.optimizers}, but "
                    f"optim_wrapper has {list(optim_wrapper.keys())}"
                )
            wrappers = [optim_wrapper[key] for key in objective.optimizers]
        data = self.data_preprocessor(data, True)
        if any(wrapper._accumulative_counts != 1 for wrapper in wrappers):
            raise ValueError(
                "PartSynth steps its optimisers after every batch; leave accumulative_counts out "
                "of optim_wrapper and raise the batch size instead"
            )
        with wrappers[0].optim_context(self):
            losses = self._run_forward(data, mode="loss")
        total, log_vars = self.parse_losses(losses)
        for wrapper in wrappers:
            wrapper.zero_grad()
        wrappers[0].backward(total)
        for wrapper in wrappers:
            wrapper.step()
        return {f"{name}/{key}": value for key, value in log_vars.items()}

    # ---- prediction --------------------------------------------------------------------------

    def read(
        self, images: Tensor, backgrounds: Tensor | None = None, flip: bool | None = None
    ) -> dict[str, Tensor]:
        """Decode (B, 3, H, W) images at test time.

        With ``flip`` (None takes the model's ``flip_test``) mirrored too, and averaged.

        Poses are averaged in the body frame, where a disagreement about the view does no harm;
        averaging the views too made both the 2D error and N-MPJPE worse.

        Returns:
            What :meth:`place` does, the ``camera``, the ``encoding``, and ``part_logits``
            (B, P + 1, h, w) of the part head, None without one.
        """
        encoding = self.encoder(images, backgrounds)
        camera = encoding.camera(self.camera_distance)
        read = {"camera": camera, "encoding": encoding, "part_logits": encoding.part_logits}
        if not (self.flip_test if flip is None else flip):
            return {**self.decode(encoding), **read}
        mirrored = self.encoder(
            images.flip(-1), None if backgrounds is None else backgrounds.flip(-1)
        )
        joints_body = (self.prior(encoding.code) + mirror(self.prior(mirrored.code))) / 2
        if encoding.part_logits is not None:
            seen = mirrored.part_logits.flip(-1)[:, self.puppet.part_mirror].log_softmax(1)
            read["part_logits"] = torch.logaddexp(encoding.part_logits.log_softmax(1), seen)
        return {**self.place(joints_body, camera), **read}

    def fitted(self, decoded: dict[str, Tensor]) -> dict[str, Tensor]:
        """What `read` gave, with the puppet fitted to the parts seen if ``puppet_fit`` says so."""
        return decoded if self.puppet_fit is None else self.puppet_fit(self, decoded)

    def segment(
        self, decoded: dict[str, Tensor], images: Tensor, background: Tensor | None = None
    ) -> Tensor:
        """Share of each part in each pixel of (B, 3, H, W) images that `read` decoded.

        Returns:
            (B, P + 1, H, W), background first; they sum to one. See ``part_source``.
        """
        if self.part_source == "head":
            logits = decoded["part_logits"]
            logits = F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False)
            return logits.softmax(1)
        maps = self.render(decoded, images.shape[-2:], blur=TEST_BLUR)
        if self.part_source == "puppet":
            return maps.parts
        appearance = self.appearance(images, maps, 1)
        return self.decoder(maps, appearance, background).part_logits.softmax(1)

    @torch.no_grad()
    def predict(self, inputs: dict[str, Tensor], data_samples: list | None) -> list:
        """Predict pose, joints in the crop and part labels of the first frame of each sample.

        Adds to each sample ``pred_instances``: ``keypoints`` (1, K, 3) root-relative
        camera-frame metres, ``keypoint_scores`` (1, K), ``crop_keypoints`` (1, K, 2) in
        [-1, 1], ``keypoints_2d`` (1, K, 2) image pixels where the crop's box is known; and
        ``pred_fields.part_labels`` (1, H, W) in crop pixels. With ``predict_novel_images`` also
        ``pred_fields.novel_image`` (3, H, W) uint8.
        """
        if data_samples is None:
            raise ValueError("mode='predict' needs the data_samples to fill in, got None")
        images, background = inputs["image"][:, 0], inputs.get("background")
        if background is not None:
            background = background[:, 0]
        decoded = self.read(images, background)
        shown = self.fitted(decoded)
        labels = self.segment(shown, images, background).argmax(1).to(torch.uint8).cpu()
        joints = decoded["joints_cam"].float().cpu().numpy()
        points = shown["points"].float().cpu().numpy()
        fill_samples(data_samples, joints, points, labels, self.puppet.part_names)
        if self.predict_novel_images and inputs["image"].shape[1] > 1:
            for sample, image in zip(data_samples, novel_images(self, inputs).cpu(), strict=True):
                sample.pred_fields.novel_image = image.clone()
        return data_samples


def _check_alike(**sizes: tuple[nn.Module, str]) -> None:
    """Raise unless the attributes, of those networks that have them, are the same number."""
    said = {
        f"{part}.{name}": getattr(network, name)
        for part, (network, name) in sizes.items()
        if hasattr(network, name)
    }
    if len(set(said.values())) > 1:
        words = " and ".join(f"{name}={value}" for name, value in said.items())
        raise ValueError(f"PartSynth was given {words}; write the same number into both")


def fill_samples(
    data_samples: list,
    joints: np.ndarray,
    points: np.ndarray,
    labels: Tensor,
    part_names: Sequence[str],
) -> list:
    """Write predictions into samples as :meth:`PartSynth.predict` describes them.

    Args:
        data_samples: B samples; ``crop_box`` of their meta information (centre x, centre y, side,
            px) brings the joints into the image.
        joints: (B, K, 3) root-relative camera frame, metres.
        points: (B, K, 2) joints in the crop, [-1, 1].
        labels: (B, H, W) uint8 part labels of the crop's pixels.
        part_names: Names of the labels, background first.

    Returns:
        The samples.
    """
    for i, sample in enumerate(data_samples):
        instances = InstanceData()
        instances.keypoints = joints[i : i + 1]
        instances.keypoint_scores = joints[i : i + 1, :, 0] * 0 + 1
        instances.crop_keypoints = points[i : i + 1]
        box = sample.metainfo.get("crop_box")
        if box is not None:
            x, y, side = (float(v) for v in torch.as_tensor(box).reshape(-1, 3)[0])
            instances.keypoints_2d = points[i : i + 1] * side / 2 + np.float32([x, y])
        sample.pred_instances = instances
        # A copy: a dumped slice would take the memory of the whole batch with it.
        sample.pred_fields = PixelData(
            part_labels=labels[i : i + 1].clone(), metainfo={"part_names": tuple(part_names)}
        )
    return data_samples
