"""Small helpers shared by the geometry functions: checks, broadcasting, safe normalisation."""

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def as_points(points: Tensor, name: str, tail: Sequence[int | None]) -> Tensor:
    """Check the trailing shape of a tensor and return it in at least float32.

    Args:
        points: Any tensor.
        name: The argument's name, for the error message.
        tail: Expected trailing sizes; None accepts any size.

    Returns:
        ``points``, with float16 and bfloat16 raised to float32.

    Raises:
        TypeError: ``points`` is not a floating point tensor.
        ValueError: the trailing shape is another one.
    """
    if not isinstance(points, Tensor) or not points.is_floating_point():
        got = str(points.dtype) if isinstance(points, Tensor) else type(points).__name__
        raise TypeError(f"{name} must be a floating point torch.Tensor, got {got}.")
    shape = tuple(points.shape)
    fits = len(shape) >= len(tail) and all(
        want is None or have == want
        for have, want in zip(shape[len(shape) - len(tail) :], tail, strict=True)
    )
    if not fits:
        wanted = ", ".join(["*", *("N" if size is None else str(size) for size in tail)])
        raise ValueError(f"{name} must have shape ({wanted}), got {shape}.")
    if points.dtype in (torch.float16, torch.bfloat16):
        return points.float()
    return points


def align_leading(parameter: Tensor, leading: Sequence[int], tail_ndim: int, name: str) -> Tensor:
    """Insert singleton dimensions so that a parameter's batch matches the points' FIRST ones.

    A camera of shape (B, 2) then serves points of shape (B, K, 3) without ``[:, None]``.

    Args:
        parameter: Tensor of shape (*, tail), with ``tail_ndim`` trailing dimensions.
        leading: Leading dimensions of the points.
        tail_ndim: Number of dimensions of one parameter (1 for a vector, 2 for a matrix).
        name: The parameter's name, for the error message.

    Returns:
        A view of shape (*, 1, ..., 1, tail) that broadcasts against the points, or the parameter
        itself when it has no leading dimension.

    Raises:
        ValueError: the leading dimensions do not match.
    """
    own = parameter.ndim - tail_ndim
    shape = tuple(parameter.shape)
    if own and own < len(leading):
        shape = (*shape[:own], *(1,) * (len(leading) - own), *shape[own:])
    try:
        torch.broadcast_shapes(shape[: len(shape) - tail_ndim], leading)
    except RuntimeError:
        raise ValueError(
            f"{name} of shape {tuple(parameter.shape)} does not fit points with leading "
            f"dimensions {tuple(leading)}: its leading dimensions must match the first of those."
        ) from None
    return parameter.reshape(shape)


def safe_normalize(vectors: Tensor, fallback: Tensor, eps: float | None = None) -> Tensor:
    """Unit vectors; where a vector is (almost) zero, the fallback with zero gradient.

    Args:
        vectors: (*, 3).
        fallback: Unit vectors that broadcast to (*, 3).
        eps: Length under which a vector counts as zero; default 1e-8 (float32), 1e-12 (float64).

    Returns:
        (*, 3) unit vectors.
    """
    if eps is None:
        eps = 1e-8 if vectors.dtype == torch.float32 else 1e-12
    norm = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    is_zero = norm < eps
    # The divisor is replaced before the division: a `where` after it would still pass NaN back.
    return torch.where(is_zero, fallback, vectors / torch.where(is_zero, 1.0, norm))


def any_perpendicular(vectors: Tensor) -> Tensor:
    """(*, 3) some unit vectors across the given unit vectors, constants for the gradient."""
    vectors = vectors.detach()
    # Never parallel: the axis of the smallest component.
    least = torch.nn.functional.one_hot(vectors.abs().argmin(-1), 3).to(vectors)
    return torch.nn.functional.normalize(torch.linalg.cross(vectors, least), dim=-1)


def rotate(rotation: Tensor, vectors: Tensor) -> Tensor:
    """Apply matrices (*, 3, 3) to vectors (*, 3), all leading dimensions broadcasting."""
    return (rotation * vectors.unsqueeze(-2)).sum(-1)


def full_precision(function: Callable) -> Callable:
    """Run a function or method outside autocast: products of joint positions need float32.

    The device is read from the first tensor argument.
    """

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        device = next((a.device.type for a in args if isinstance(a, Tensor)), "cpu")
        if not torch.is_autocast_enabled(device):
            return function(*args, **kwargs)
        with torch.autocast(device, enabled=False):
            return function(*args, **kwargs)

    return wrapped
