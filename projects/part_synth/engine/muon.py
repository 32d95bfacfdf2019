"""Muon: momentum whose matrices are made orthogonal before they move the weights.

After Keller Jordan et al. (2024, "Muon: An optimizer for hidden layers in neural networks").
``torch.optim.Muon`` takes 2D parameters alone; convolutions are most of what is trained here.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer

from part_synth.registry import OPTIMIZERS

from .bfloat16 import bfloat16_is_fast

# Odd quintic a x + b x^3 + c x^5 that Jordan et al. chose: it drives singular values in (0, 1] to
# about 1 in five rounds, and is steepest at 0.
_A, _B, _C = 3.4445, -4.7750, 2.0315
# Rows and columns of the smallest matrix that is made orthogonal; below, the few singular values
# leave nothing to even out.
_SMALLEST = 16


def orthogonalize(matrices: Tensor, rounds: int = 5) -> Tensor:
    """The nearest matrices whose singular values are about 1, by Newton-Schulz iteration.

    Args:
        matrices: (B, M, N).
        rounds: Rounds of the iteration.

    Returns:
        (B, M, N) in bfloat16 (float32 where that is faster), of singular values between 0.7 and 1.2
        for all but the tiniest.
    """
    x = matrices.bfloat16() if bfloat16_is_fast(matrices.device.type) else matrices.float()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-7)
    for _ in range(rounds):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x.mT if tall else x


def _is_matrix(parameter: Tensor, linear: bool) -> bool:
    enough = parameter.ndim >= (2 if linear else 3)
    return enough and min(len(parameter), parameter[0].numel()) >= _SMALLEST


@OPTIMIZERS.register_module()
class Muon(Optimizer):
    """Muon for weights of two dimensions and more, Adam for all others.

    A convolution's weight (M, N, k, k) is the matrix (M, N k k). Biases, norms and weights with
    fewer than 16 rows or columns are left to Adam. Both kinds have groups of their own, so that a
    schedule moves both learning rates by one factor.

    Args:
        params: Parameters, or groups of them as ``torch.optim`` takes them; a group's own
            ``lr`` is that of its matrices; Adam's is ``adam_lr`` in every group.
        lr: Learning rate of the matrices: the size of an update's singular values, times the
            square root of M / N where that is above 1.
        adam_lr: Learning rate of Adam.
        momentum: Momentum of the matrices, Nesterov's kind.
        betas: Adam's.
        eps: Adam's.
        rounds: Rounds of the Newton-Schulz iteration.
        linear: False leaves the weights of linear layers to Adam: they are the largest and squarest
            matrices of the small configs, where the iteration costs most.

    Raises:
        ValueError: A learning rate is negative or the momentum not in [0, 1).
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 0.02,
        adam_lr: float = 1e-3,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        rounds: int = 5,
        linear: bool = True,
    ) -> None:
        if min(lr, adam_lr) < 0 or not 0 <= momentum < 1:
            raise ValueError(
                "Muon needs lr and adam_lr of at least 0 and a momentum in [0, 1), got "
                f"{lr}, {adam_lr} and {momentum}"
            )
        params = list(params)
        groups = params if params and isinstance(params[0], dict) else [{"params": params}]
        split = []
        for group in groups:
            of_kind = {True: [], False: []}
            for parameter in group["params"]:
                of_kind[_is_matrix(parameter, linear)].append(parameter)
            split.append({**group, "params": of_kind[True], "matrices": True})
            split.append({**group, "params": of_kind[False], "matrices": False, "lr": adam_lr})
        shared = {"lr": lr, "momentum": momentum, "betas": tuple(betas), "eps": eps}
        groups = [group for group in split if group["params"]]
        super().__init__(groups, {**shared, "rounds": rounds})

    @torch.no_grad()
    def step(self, closure=None):
        """Move all weights that have a gradient.

        Args:
            closure: Computes the loss anew, as ``torch.optim`` allows.

        Returns:
            What the closure returns, None without one.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if group["matrices"]:
                self._move_matrices(parameters, group)
            else:
                for parameter in parameters:
                    self._move_by_adam(parameter, self.state[parameter], group)
        return loss

    def _move_matrices(self, parameters: list[Tensor], group: dict) -> None:
        by_shape = defaultdict(list)
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
            state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
            by_shape[(len(parameter), parameter[0].numel())].append(parameter)
        for (rows, columns), alike in by_shape.items():
            momenta = torch.stack([self.state[p]["momentum"].flatten(1) for p in alike])
            gradients = torch.stack([p.grad.flatten(1) for p in alike])
            updates = orthogonalize(gradients.lerp_(momenta, group["momentum"]), group["rounds"])
            size = group["lr"] * math.sqrt(max(1, rows / columns))
            for parameter, update in zip(alike, updates, strict=True):
                parameter.add_(update.reshape(parameter.shape), alpha=-size)

    def _move_by_adam(self, parameter: Tensor, state: dict, group: dict) -> None:
        if not state:
            state["step"] = 0
            state["mean"] = torch.zeros_like(parameter)
            state["square"] = torch.zeros_like(parameter)
        state["step"] += 1
        first, second = group["betas"]
        mean = state["mean"].lerp_(parameter.grad, 1 - first)
        square = (
            state["square"].mul_(second).addcmul_(parameter.grad, parameter.grad, value=1 - second)
        )
        root = (square / (1 - second ** state["step"])).sqrt_().add_(group["eps"])
        parameter.addcdiv_(mean, root, value=-group["lr"] / (1 - first ** state["step"]))
