"""A prior over poses, learned beforehand from unpaired 3D poses.

An autoencoder squeezes body-frame poses through a short tanh embedding. Its decoder, frozen,
turns the pose encoder's code into a pose: whatever the code, the result has fixed bone lengths
and keeps the articulation limits. The size of the embedding follows Kundu et al. (CVPR 2020) as
recalled in later work; the layers are this project's choice.

Symbols: M poses, B batch, K = 17 joints, D size of the code.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseModule
from torch import Tensor, nn

from part_synth.geometry import (
    H36M17,
    REST_DIRECTIONS,
    ArticulationLimits,
    bone_lengths,
    forward_kinematics,
    local_directions,
    mirror,
)
from part_synth.registry import MODELS, OPTIMIZERS

# Limbs, by child joint, that `fit` exchanges between poses.
_LIMB_GROUPS = (
    (1, 2, 3),  # right leg
    (4, 5, 6),  # left leg
    (7, 8, 9, 10),  # trunk and head
    (11, 12, 13),  # left arm
    (14, 15, 16),  # right arm
)

# By bone (its child joint less one): the group that it belongs to, and its mirror image.
_GROUP_OF_BONE = [
    next(i for i, children in enumerate(_LIMB_GROUPS) if child in children)
    for child in range(1, H36M17.num_joints)
]
_MIRRORED_BONES = [index - 1 for index in H36M17.flip_indices[1:]]


def _mlp(*sizes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i, (n_in, n_out) in enumerate(pairwise(sizes)):
        layers.append(nn.Linear(n_in, n_out))
        if i < len(sizes) - 2:
            layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Steps this small are faster on one processor thread than divided among several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@MODELS.register_module()
class PosePrior(BaseModule):
    """Autoencoder of body-frame poses with a tanh embedding and a kinematic decoder.

    Args:
        code_size: D, size of the embedding.
        hidden: Width of the two hidden layers on either side.
        num_joints: K.
        learn_lengths: Let training change the bone-length ratios, equal left and right, by a
            bounded factor. Name 'prior' among the modules of an optimiser then; everything else of
            the prior stays frozen.
        max_log_length: Bound of the log factor.
        hard_limits: Move bones that the decoder bends beyond the articulation limits to the limit.
            False leaves them to a :class:`~part_synth.models.losses.ArticulationLimitLoss`.
    """

    def __init__(
        self,
        code_size: int = 32,
        hidden: int = 256,
        num_joints: int = 17,
        learn_lengths: bool = False,
        max_log_length: float = 0.15,
        hard_limits: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.code_size = code_size
        self.hidden = hidden
        size = (num_joints - 1) * 3
        self.encoder = _mlp(size, hidden, hidden, code_size)
        self.decoder = _mlp(code_size, hidden, hidden, size)
        self.limits = ArticulationLimits()
        self.hard_limits = hard_limits
        rest = torch.as_tensor(REST_DIRECTIONS, dtype=torch.float32)
        self.register_buffer("rest", rest.clone(), persistent=False)
        # Set by `fit`; metres.
        self.register_buffer("lengths", torch.zeros(num_joints - 1))
        self.max_log_length = max_log_length
        self.log_lengths = nn.Parameter(torch.zeros(num_joints - 1)) if learn_lengths else None

    def init_weights(self) -> None:
        """Load what ``init_cfg`` names, if anything.

        Raises:
            ValueError: The checkpoint holds no pose prior, or one of other sizes.
        """
        super().init_weights()
        configs = self.init_cfg if isinstance(self.init_cfg, list) else [self.init_cfg or {}]
        for config in configs:
            if config.get("type") == "Pretrained" and not self.fitted:
                raise ValueError(
                    f"{config['checkpoint']} holds no pose prior under "
                    f"prefix={config.get('prefix')!r}; for a checkpoint of configs/pose_prior_*.py "
                    "or of a part_synth.PartSynth it is prefix='prior.'."
                )

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        """Refuse weights of other sizes: mmengine would say so in the log, and go on without."""
        for name, own in self.state_dict().items():
            given = state_dict.get(prefix + name)
            if given is not None and given.shape != own.shape:
                raise ValueError(
                    f"The checkpoint's pose prior has {name} of {tuple(given.shape)}, this "
                    f"config's {tuple(own.shape)} (hidden={self.hidden}, code_size="
                    f"{self.code_size}): give both configs the same model.prior.hidden and "
                    "code_size."
                )
        super()._load_from_state_dict(state_dict, prefix, *args)

    def freeze(self) -> None:
        """Stop learning, but for the bone-length ratios where they are learned."""
        self.requires_grad_(False)
        if self.log_lengths is not None:
            self.log_lengths.requires_grad_(True)

    def set_lengths(self, poses_body: Tensor) -> None:
        """Take the mean bone lengths of (M, K, 3) poses, metres."""
        self.lengths.copy_(bone_lengths(poses_body.to(self.lengths)).mean(0))

    def bone_lengths(self) -> Tensor:
        """(K - 1,) metres, with the learned factors; their sum is that of the mean lengths."""
        if self.log_lengths is None:
            return self.lengths
        factors = self.max_log_length * torch.tanh(self.log_lengths / self.max_log_length)
        lengths = self.lengths * (0.5 * (factors + factors[_MIRRORED_BONES])).exp()
        # Size is not in a picture: only the ratios are learned.
        return lengths * (self.lengths.sum() / lengths.sum())

    @property
    def fitted(self) -> bool:
        """Whether `fit` has run or a fitted state was loaded."""
        return bool(self.lengths.sum() > 0)

    def encode(self, joints_body: Tensor) -> Tensor:
        """Embed poses.

        Args:
            joints_body: (B, K, 3) body frame, metres; only directions of limbs matter.

        Returns:
            (B, D) codes in (-1, 1).
        """
        return torch.tanh(self.encoder(local_directions(joints_body).flatten(1)))

    def decode(self, code: Tensor) -> Tensor:
        """Turn codes into poses of mean bone lengths within the articulation limits.

        Args:
            code: (B, D) in [-1, 1].

        Returns:
            (B, K, 3) body frame, metres, root at the origin.
        """
        # Angles and norms lose too much in half precision.
        with torch.autocast(code.device.type, enabled=False):
            offsets = self.decoder(code.float()).unflatten(-1, (-1, 3))
            raw = self.rest + offsets
            directions = raw / raw.norm(dim=-1, keepdim=True).clamp_min(1e-4)
            if self.hard_limits:
                directions = self.limits.clamp(directions)
            return self._pose(directions)

    def forward(self, code: Tensor) -> Tensor:
        """Same as :meth:`decode`."""
        return self.decode(code)

    def retarget(self, joints_body: Tensor) -> Tensor:
        """Give (B, K, 3) body-frame poses the mean bone lengths, directions kept."""
        return self._pose(local_directions(joints_body))

    def _pose(self, directions: Tensor) -> Tensor:
        """(B, K, 3) joints of (B, K - 1, 3) local directions, with the mean bone lengths."""
        return forward_kinematics(directions, self.bone_lengths().expand(*directions.shape[:-1]))

    def reconstruction_loss(
        self,
        directions: Tensor,
        others: Tensor,
        noise: float = 0.02,
        recombine: float = 0.3,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Mean distance between poses and what noisy codes of theirs are decoded to, metres.

        Args:
            directions: (B, K - 1, 3) local directions of poses.
            others: (B, K - 1, 3) of other poses; limbs are taken from them at random.
            noise: Standard deviation of the noise added to codes.
            recombine: Share of limbs taken from the others.
            generator: Source of the draws, on the CPU; None = the global one.
        """
        device, batch = directions.device, len(directions)
        foreign = torch.rand(batch, len(_LIMB_GROUPS), generator=generator).to(device)
        foreign = (foreign < recombine)[:, _GROUP_OF_BONE, None]
        wanted = torch.where(foreign, others, directions)
        code = torch.tanh(self.encoder(wanted.flatten(1)))
        jitter = torch.randn(code.shape, generator=generator).to(device)
        poses = self.decode((code + noise * jitter).clamp(-1, 1))
        return (poses - self._pose(wanted)).norm(dim=-1).mean()

    def fit(
        self,
        poses_body: Tensor,
        steps: int = 3000,
        batch_size: int = 256,
        lr: float = 1e-3,
        noise: float = 0.02,
        recombine: float = 0.3,
        seed: int = 0,
        optimizer: dict | None = None,
    ) -> float:
        """Train on unpaired poses and freeze.

        Args:
            poses_body: (M, K, 3) body-frame poses, metres.
            steps: Steps of the optimiser, with a cosine decay of the learning rate.
            batch_size: Poses per step.
            lr: First learning rate of Adam.
            noise: Standard deviation of the noise added to codes, so that near codes mean
                near poses.
            recombine: Share of limbs taken from another pose (mirrored poses count as poses).
                Without it the prior fits its poses and not those of other people: on motion
                capture the error on unseen people was 45 mm, with it 34 mm.
            seed: Seed of the draws; the global random state is left as it was.
            optimizer: Config of another optimiser than Adam, with its own learning rate. With
                ``dict(type='part_synth.Muon')`` 1,000 steps leave 9.7 mm (P-MPJPE) on made poses
                of other people, 2,000 of Adam 15.9, in three quarters of the time; mean bone
                lengths alone leave 8.0.

        Returns:
            Mean distance between the poses, retargeted to mean lengths, and their
            reconstructions, in metres, over (at most) 2,000 of the poses.
        """
        if poses_body.ndim != 3 or len(poses_body) < 100:
            raise ValueError(
                "PosePrior.fit expects at least 100 unpaired poses (M, 17, 3) in the body "
                f"frame, got {tuple(poses_body.shape)}"
            )
        device = self.lengths.device
        poses_body = poses_body.to(device, torch.float32)
        self.set_lengths(poses_body)
        poses_body = torch.cat([poses_body, mirror(poses_body)])
        directions = local_directions(poses_body)
        self.requires_grad_(True)
        generator = torch.Generator().manual_seed(seed)
        weights = [*self.encoder.parameters(), *self.decoder.parameters()]
        config = optimizer or {"type": "Adam", "lr": lr}
        mover = OPTIMIZERS.build({**config, "params": weights})
        schedule = torch.optim.lr_scheduler.LambdaLR(
            mover, lambda step: 0.505 + 0.495 * math.cos(math.pi * step / steps)
        )
        with torch.enable_grad(), _one_thread():
            for _ in range(steps):
                rows = torch.randint(len(directions), (2, batch_size), generator=generator)
                first, second = directions[rows.to(device)]
                loss = self.reconstruction_loss(first, second, noise, recombine, generator)
                mover.zero_grad(set_to_none=True)
                loss.backward()
                mover.step()
                schedule.step()
        self.freeze()
        rows = torch.randperm(len(directions), generator=generator)[:2000].to(device)
        with torch.no_grad():
            rebuilt = self.decode(torch.tanh(self.encoder(directions[rows].flatten(1))))
            error = (rebuilt - self._pose(directions[rows])).norm(dim=-1).mean().item()
        MMLogger.get_current_instance().info(
            f"Pose prior fitted to {len(poses_body) // 2} unpaired poses: "
            f"reconstruction error {1000 * error:.1f} mm"
        )
        return error
