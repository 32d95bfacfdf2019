"""A normalising-flow prior over 2D poses, learned beforehand from 2D poses alone.

Known from ElePose's published code: a flow over 26 principal components of the 2D poses, trained
beforehand and frozen, whose negative log-likelihood of the reprojected poses (summed over the
components, averaged over the batch) is a loss of weight 1. This project's choices: components
scaled to unit variance; GLOW's coupling blocks, of narrow subnets, with permutations in between;
and limits that keep losses and gradients of absurd poses, which an untrained lifter makes, small.
Those cost half a nat on held-out poses; without them scrambled poses got thousands of nats.

A likelihood tells broken poses well, flattened ones hardly: see the note of `FlowPrior`.

Symbols: M poses, B batch, K = 17 joints in Human3.6M order, N principal components. 2D poses: x
right, y down, root at the origin, at the size of the lifting frame (the head about 1 away).
"""

from __future__ import annotations

import math

import torch
from mmengine.logging import MMLogger
from torch import Tensor, nn

from part_synth.geometry._common import as_points, full_precision
from part_synth.registry import MODELS

_NUM_JOINTS = 17
# Fewer poses than this say nothing about the covariance of 34 coordinates.
_MIN_POSES = 100
# Whitened components beyond this many standard deviations count as absurd: see `_bend`.
_TAIL = 5.0


def _bend(values: Tensor) -> tuple[Tensor, Tensor]:
    """Bend values beyond +-5 inwards like a square root: smooth, monotonic, invertible.

    A Gaussian of the result has the tails of a Laplace distribution, so that the gradient of its
    logarithm is bounded.

    Args:
        values: (B, N).

    Returns:
        (B, N) bent values and the log-determinant (B,).
    """
    ratio = values.abs().clamp_min(_TAIL) / _TAIL
    bent = torch.where(
        values.abs() > _TAIL, values.sign() * _TAIL * (2.0 * ratio.sqrt() - 1.0), values
    )
    return bent, -0.5 * ratio.log().sum(-1)


class _SoftLimit(nn.Module):
    """Limit what a subnet sees to +-3, smoothly.

    Its scales and shifts far from the poses of the fit are then those of the nearest ones, instead
    of what an unlimited network would make of them, block upon block.
    """

    limit = 3.0

    def forward(self, values: Tensor) -> Tensor:
        """(B, *) of (B, *)."""
        return self.limit * torch.tanh(values / self.limit)


def _permutation(size: int, seed: int) -> Tensor:
    """(size, size) permutation matrix, drawn without the global random state."""
    generator = torch.Generator().manual_seed(seed)
    return torch.eye(size)[torch.randperm(size, generator=generator)]


def _build_flow(size: int, num_blocks: int, hidden: int, clamp: float) -> nn.Module:
    try:
        from FrEIA.framework import SequenceINN
        from FrEIA.modules import FixedLinearTransform, GLOWCouplingBlock
    except ImportError as error:
        raise ImportError(
            "part_synth.FlowPrior needs the library FrEIA, which could not be imported "
            f"({error}). Install it: `pip install FrEIA==0.2`."
        ) from error

    def subnet(n_in: int, n_out: int) -> nn.Sequential:
        return nn.Sequential(
            _SoftLimit(), nn.Linear(n_in, hidden), nn.SiLU(), nn.Linear(hidden, n_out)
        )

    flow = SequenceINN(size)
    for index in range(num_blocks):
        if index:
            # FrEIA's own permutations reseed numpy and are integer parameters, on which
            # `requires_grad_` fails.
            flow.append(FixedLinearTransform, M=_permutation(size, index))
        flow.append(
            GLOWCouplingBlock, subnet_constructor=subnet, clamp=clamp, clamp_activation="TANH"
        )
    return flow


@MODELS.register_module()
class FlowPrior(nn.Module):
    """Negative log-likelihood of 2D poses under a frozen normalising flow, as a loss.

    Args:
        num_components: N, principal components of the 34 coordinates that the flow sees; at most
            32, for the root is at the origin. What lies outside of their span is not scored.
        num_blocks: Coupling blocks; each changes every component once.
        hidden: Width of the hidden layer of the blocks' subnets.
        clamp: A block scales a component by at most exp(+-clamp).
        loss_weight: Factor on the loss.

    Note:
        A likelihood favours poses near the middle of the data. New views of held-out poses whose
        depth had been halved were found likelier than views of the true ones about as often as
        not, and four times in five where the fit had seen few people and none of these (a
        Gaussian: nine times in ten). Something else, such as the prior on bone lengths, has to
        keep the lifter from flattening its poses.
    """

    def __init__(
        self,
        num_components: int = 26,
        num_blocks: int = 8,
        hidden: int = 128,
        clamp: float = 0.25,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        size = 2 * _NUM_JOINTS
        if not 2 <= num_components <= size - 2:
            raise ValueError(
                f"num_components must be between 2 and {size - 2}, got {num_components}."
            )
        if num_blocks < 1 or hidden < 1:
            raise ValueError(
                f"num_blocks and hidden must be at least 1, got {num_blocks} and {hidden}."
            )
        self.num_components = num_components
        self.loss_weight = loss_weight
        self.flow = _build_flow(num_components, num_blocks, hidden, clamp)
        self.requires_grad_(False)
        # Set by `fit`; pose units, components as rows of unit length.
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("components", torch.zeros(num_components, size))
        self.register_buffer("std", torch.zeros(num_components))

    @property
    def fitted(self) -> bool:
        """Whether `fit` has run or a fitted state was loaded."""
        return bool(self.std.sum() > 0)

    def forward(self, points: Tensor) -> Tensor:
        """Loss: weighted mean over the batch of the negative log-likelihood of a pose.

        In nats per POSE, not per component, as in ElePose; it may well be negative, as densities
        of narrow distributions are large. Gradients flow to the poses only.

        Args:
            points: (B, K, 2) 2D poses.

        Returns:
            Scalar.
        """
        return -self.loss_weight * self.log_prob(points).mean()

    def log_prob(self, points: Tensor) -> Tensor:
        """Log-density of poses within the span of the principal components.

        Args:
            points: (B, K, 2) 2D poses.

        Returns:
            (B,) nats, for densities per pose unit to the power N.
        """
        latent, log_det = self.encode(points)
        constant = 0.5 * self.num_components * math.log(2.0 * math.pi)
        return log_det - 0.5 * latent.square().sum(-1) - constant

    @full_precision
    def encode(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Map poses to the flow's latent space, where good poses are standard normal.

        Args:
            points: (B, K, 2) 2D poses.

        Returns:
            latent (B, N), and log-determinant (B,) of the map from the span of the principal
            components to it.

        Raises:
            ValueError: another shape.
            RuntimeError: neither fitted nor loaded.
        """
        points = as_points(points, "points", (_NUM_JOINTS, 2))
        if points.ndim != 3:
            raise ValueError(f"points must have shape (B, 17, 2), got {tuple(points.shape)}.")
        if not self.fitted:
            raise RuntimeError(
                "FlowPrior has not been fitted: call fit(points) with 2D poses (M, 17, 2), or load "
                "a checkpoint of a fitted one."
            )
        centred = points.to(self.mean.dtype).flatten(1) - self.mean
        return self._latent(centred @ self.components.mT / self.std)

    def _latent(self, whitened: Tensor) -> tuple[Tensor, Tensor]:
        """Latent (B, N) and log-determinant (B,), the whitening's included, of (B, N)."""
        bent, log_det_bend = _bend(whitened)
        latent, log_det_flow = self.flow(bent)
        return latent, log_det_flow + log_det_bend - self.std.log().sum()

    def _layers(self) -> list[nn.Linear]:
        """The layers that `fit` trains, two per subnet; the permutations stay as they are."""
        return [layer for layer in self.flow.modules() if isinstance(layer, nn.Linear)]

    def _reset(self, generator: torch.Generator) -> None:
        """Weights of a flow that changes nothing yet, the same for the same generator."""
        layers = self._layers()
        for first, last in zip(layers[::2], layers[1::2], strict=True):
            weight = torch.empty(first.weight.shape)
            nn.init.kaiming_uniform_(weight, nonlinearity="relu", generator=generator)
            first.weight.copy_(weight)
            for zero in (first.bias, last.weight, last.bias):
                zero.zero_()

    def _find_components(self, points: Tensor) -> Tensor:
        """Set mean, components and deviations; whitened poses (M, N) of (M, 2 K), float64."""
        mean = points.mean(0)
        variances, vectors = torch.linalg.eigh(torch.cov(points.mT))
        # Ascending order: the last ones are the principal ones.
        std = variances[-self.num_components :].clamp_min(0.0).sqrt().flip(0)
        components = vectors[:, -self.num_components :].mT.flip(0)
        if not std[-1] > 1e-6 * std[0]:
            rank = int((std > 1e-6 * std[0]).sum())
            raise ValueError(
                f"FlowPrior has num_components={self.num_components}, but the {len(points)} poses "
                f"vary in {rank} directions only; give more varied poses or fewer components."
            )
        self.mean.copy_(mean)
        self.components.copy_(components)
        self.std.copy_(std)
        return (points - mean) @ components.mT / std

    def fit(
        self,
        points: Tensor,
        steps: int = 3000,
        batch_size: int = 256,
        lr: float = 3e-3,
        noise: float = 0.05,
        seed: int = 0,
    ) -> float:
        """Find the principal components, train by maximum likelihood, and freeze.

        Starts anew each time: the result depends on poses and arguments alone.

        Args:
            points: (M, K, 2) 2D poses.
            steps: Steps of Adam, with a cosine decay of the learning rate.
            batch_size: Poses per step.
            lr: First learning rate.
            noise: Standard deviation of the noise on the whitened components, which keeps the
                density from closing in on the poses of the fit.
            seed: Seed of weights and draws; the global random state is left as it was.

        Returns:
            Mean negative log-likelihood of (at most) 2,000 of the poses, nats per pose.

        Raises:
            ValueError: another shape, fewer than 100 poses, values that are not finite, or poses
                that vary in fewer directions than there are components.
        """
        if points.ndim != 3 or points.shape[1:] != (_NUM_JOINTS, 2) or len(points) < _MIN_POSES:
            raise ValueError(
                f"FlowPrior.fit expects at least {_MIN_POSES} 2D poses (M, 17, 2), got "
                f"{tuple(points.shape)}."
            )
        if not points.isfinite().all():
            raise ValueError(
                "FlowPrior.fit got poses with values that are not finite: leave out incomplete "
                "poses, or fill their missing joints (part_synth.KeypointInfill)."
            )
        device, dtype = self.mean.device, self.mean.dtype
        points = points.detach().to(device)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            whitened = self._find_components(points.flatten(1).double()).to(dtype)
            self._reset(generator)
        weights = [weight for layer in self._layers() for weight in layer.parameters()]
        for weight in weights:
            weight.requires_grad_(True)
        optimizer = torch.optim.Adam(weights, lr=lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, lr * 0.01)
        with torch.enable_grad(), torch.autocast(device.type, enabled=False):
            for _ in range(steps):
                rows = torch.randint(len(whitened), (batch_size,), generator=generator)
                jitter = torch.randn(batch_size, self.num_components, generator=generator)
                batch = whitened[rows.to(device)] + noise * jitter.to(device, dtype)
                latent, log_det = self._latent(batch)
                loss = (0.5 * latent.square().sum(-1) - log_det).mean()
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                schedule.step()
        self.requires_grad_(False)
        self.zero_grad(set_to_none=True)
        rows = torch.randperm(len(points), generator=generator)[:2000].to(device)
        with torch.no_grad():
            error = -self.log_prob(points[rows]).mean().item()
        MMLogger.get_current_instance().info(
            f"Flow prior fitted to {len(points)} 2D poses: negative log-likelihood {error:.1f} "
            "nats per pose"
        )
        return error
