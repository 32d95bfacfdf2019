"""Joints that the 17-joint skeleton lacks (hands, toes, face, ...), computed from it.

Symbols: K = 17 joints, V virtual joints, E = K + V.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn

from .puppet_file import PuppetDefinition, load_puppet
from .puppet_formula import Node


def _unit(vectors: Tensor) -> Tensor:
    # The norm's gradient is not finite at zero: a floor under the square keeps it so.
    return vectors * (vectors.square().sum(-1, keepdim=True) + 1e-8).rsqrt()


def _across(a: Tensor, b: Tensor) -> Tensor:
    """The share of a at right angles to the unit vector b."""
    return a - (a * b).sum(-1, keepdim=True) * b


_OPERATIONS = {
    "add": torch.add,
    "subtract": torch.sub,
    "unit": _unit,
    "cross": functools.partial(torch.linalg.cross, dim=-1),
    "across": _across,
}


class _Step(nn.Module):
    """The same operation on many rows of a table of vectors (*, N, 3) at once."""

    def __init__(self, nodes: list[Node], row_of: dict[int, int]) -> None:
        super().__init__()
        self.operation = nodes[0].operation
        rows = torch.tensor([[row_of[i] for i in node.operands] for node in nodes]).T
        self.register_buffer("rows", rows.contiguous(), persistent=False)  # (operands, n)
        # In double precision, so that it is exact in any.
        factors = torch.tensor([[n.factor] for n in nodes], dtype=torch.float64)
        self.register_buffer("factors", factors, persistent=False)  # (n, 1)

    def forward(self, table: Tensor) -> Tensor:
        operands = [table[..., rows, :] for rows in self.rows]
        if self.operation == "scale":
            return operands[0] * self.factors.to(table.dtype)
        return _OPERATIONS[self.operation](*operands)


class VirtualJoints(nn.Module):
    """Append a puppet's virtual joints to poses.

    Equal operations of all formulas run as one, whatever their number: a puppet of many virtual
    joints costs about as much as one of few.

    Args:
        definition: The puppet.
    """

    def __init__(self, definition: PuppetDefinition) -> None:
        super().__init__()
        book = definition.formulas
        self.name = definition.source
        self.num_joints = sum(node.level == 0 for node in book.nodes)
        row_of = {i: i for i in range(self.num_joints)}
        levels = []
        for level in range(1, 1 + max(node.level for node in book.nodes)):
            groups: dict[str, list[int]] = {}
            for i, node in enumerate(book.nodes):
                if node.level == level:
                    groups.setdefault(node.operation, []).append(i)
            levels.append(
                nn.ModuleList(_Step([book.nodes[i] for i in g], row_of) for g in groups.values())
            )
            for i in (i for group in groups.values() for i in group):
                row_of[i] = len(row_of)
        self.levels = nn.ModuleList(levels)
        rows = torch.tensor([row_of[i] for i in book.rows])
        self.register_buffer("rows", rows, persistent=False)

    def forward(self, joints: Tensor) -> Tensor:
        """Append the virtual joints.

        Args:
            joints: (*, K, 3) joints in any right-handed frame, metres.

        Returns:
            (*, E, 3) the joints followed by the virtual ones, same frame.

        Raises:
            ValueError: ``joints`` has another shape.
        """
        if joints.shape[-2:] != (self.num_joints, 3):
            raise ValueError(
                f"extend_joints expects (*, {self.num_joints}, 3) joints, got {tuple(joints.shape)}"
            )
        table = joints
        for level in self.levels:
            table = torch.cat([table, *(step(table) for step in level)], dim=-2)
        return table[..., self.rows, :]


@functools.cache
def _default_joints(device: torch.device) -> VirtualJoints:
    # Kept from one call to the next: a first call in inference mode must not bar gradients later.
    with torch.inference_mode(False):
        return VirtualJoints(load_puppet()).to(device)


def extend_joints(joints: Tensor) -> Tensor:
    """Append the virtual joints of the package's own puppet; see ``Puppet.extend_joints``.

    Args:
        joints: (*, 17, 3) joints in any right-handed frame, metres.

    Returns:
        (*, E, 3) the joints followed by the virtual ones, same frame.
    """
    return _default_joints(joints.device)(joints)
