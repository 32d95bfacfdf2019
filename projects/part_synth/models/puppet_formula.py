"""Formulas of virtual joints, as a puppet file writes them.

A formula is arithmetic on joints, ``neck_base + 0.55 * (head - neck_base) + 0.01 * chest_front``,
with three functions: ``unit(v)``, v with the length 1; ``cross(a, b)``, the cross product; and
``across(a, b)``, the share of a at right angles to b. Lengths are metres, the frame any
right-handed one.

A formula gives a place if the weights of its joints sum to one and a direction if they sum to
zero; anything else would change with the origin of the frame and is refused.
"""

from __future__ import annotations

import ast
import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FUNCTIONS = {"unit": 1, "cross": 2, "across": 2}
"""Functions of formulas, and how many directions each takes."""

_GRAMMAR = "a formula has joints, directions, numbers, + - * /, unit(a), cross(a, b), across(a, b)"


class FormulaError(ValueError):
    """A formula that can't be read."""

    entry: str | None = None
    """Section and name of the formula, once they are part of the message."""


@dataclass(frozen=True)
class Node:
    """One operation on 3D vectors.

    Attributes:
        operation: 'joint', 'add', 'subtract', 'scale', 'unit', 'cross' or 'across'.
        operands: Nodes that it takes, by their numbers; of 'joint' the joint's.
        factor: Of 'scale'.
        level: 0 for joints, else one above the highest operand.
        weight: Sum of the weights of the joints in it: 1 for places, 0 for directions.
    """

    operation: str
    operands: tuple[int, ...]
    factor: float
    level: int
    weight: float


class FormulaBook:
    """Formulas that may use each other, as operations without repetition.

    Args:
        joints: Names of the joints that poses have.
        directions: Formula of each named direction.
        places: Formula of each virtual joint.

    Raises:
        FormulaError: A formula can't be read; its text begins with the entry.
    """

    def __init__(
        self, joints: Sequence[str], directions: Mapping[str, str], places: Mapping[str, str]
    ) -> None:
        self.nodes: list[Node] = []
        """All operations; operands come before what takes them."""
        self._number: dict[tuple, int] = {}
        self._formulas = {
            **{name: ("directions", text) for name, text in directions.items()},
            **{name: ("virtual_joints", text) for name, text in places.items()},
        }
        self._open: list[str] = []
        self._done = {name: self._node("joint", (j,)) for j, name in enumerate(joints)}
        for name in self._formulas:
            self._named(name)
        self.rows: list[int] = [self._done[name] for name in (*joints, *places)]
        """Number of the node of each joint, then of each virtual joint."""

    def _node(self, operation: str, operands: tuple[int, ...], factor: float = 0.0) -> int:
        key = (operation, operands, factor)
        if key not in self._number:
            level, weight = 0, 1.0
            if operation != "joint":
                taken = [self.nodes[i] for i in operands]
                level = 1 + max(node.level for node in taken)
                weight = {
                    "add": lambda a, b: a + b,
                    "subtract": lambda a, b: a - b,
                    "scale": lambda a: a * factor,
                }.get(operation, lambda *_: 0.0)(*(node.weight for node in taken))
            self._number[key] = len(self.nodes)
            self.nodes.append(Node(operation, operands, factor, level, weight))
        return self._number[key]

    def _named(self, name: str) -> int:
        """Node of a joint, virtual joint or direction."""
        if name in self._done:
            return self._done[name]
        if name not in self._formulas:
            known = [*self._done, *(other for other in self._formulas if other not in self._done)]
            raise FormulaError(f"unknown name {name!r}{did_you_mean(name, known)}")
        section, text = self._formulas[name]
        entry = f"{section}.{name}"
        if name in self._open:
            circle = " -> ".join([*self._open[self._open.index(name) :], name])
            error = FormulaError(f"{entry} is defined by itself: {circle}")
            error.entry = entry
            raise error
        self._open.append(name)
        try:
            node = self._compile(text, section)
        except FormulaError as error:
            if error.entry is not None:
                raise
            named = FormulaError(f"{entry}, {text!r}: {error}")
            named.entry = entry
            raise named from None
        self._open.pop()
        self._done[name] = node
        return node

    def _compile(self, text: str, section: str) -> int:
        try:
            tree = ast.parse(text.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError) as error:
            raise FormulaError(f"it can't be read; {_GRAMMAR}") from error
        node = self._value(tree.body)
        if isinstance(node, float):
            raise FormulaError(f"it is the number {node:g} and names no joint")
        weight = self.nodes[node].weight
        wanted = 1.0 if section == "virtual_joints" else 0.0
        if abs(weight - wanted) > 1e-6:
            raise FormulaError(
                f"the weights of its joints sum to {weight:g}; they must sum to "
                + ("1 for a place" if wanted else "0 for a direction")
                + ", or it would change with the frame's origin"
            )
        return node

    def _value(self, tree: ast.expr) -> int | float:
        """A node's number, or a number as a float."""
        if isinstance(tree, ast.Name):
            return self._named(tree.id)
        if isinstance(tree, ast.Constant):
            if type(tree.value) not in (int, float) or not math.isfinite(tree.value):
                raise FormulaError(f"{tree.value!r} is no finite number")
            return float(tree.value)
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub | ast.UAdd):
            value = self._value(tree.operand)
            sign = -1.0 if isinstance(tree.op, ast.USub) else 1.0
            return sign * value if isinstance(value, float) else self._scaled(value, sign)
        if isinstance(tree, ast.BinOp):
            return self._binary(tree)
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and not tree.keywords:
            return self._call(tree.func.id, [self._value(a) for a in tree.args])
        raise FormulaError(f"{ast.unparse(tree)!r} can't be read; {_GRAMMAR}")

    def _scaled(self, node: int, factor: float) -> int:
        return node if factor == 1 else self._node("scale", (node,), factor)

    def _binary(self, tree: ast.BinOp) -> int | float:
        a, b = self._value(tree.left), self._value(tree.right)
        numbers = [value for value in (a, b) if isinstance(value, float)]
        words = ast.unparse(tree)
        if isinstance(tree.op, ast.Add | ast.Sub):
            add = isinstance(tree.op, ast.Add)
            if len(numbers) == 2:
                return a + b if add else a - b
            if numbers:
                raise FormulaError(f"{words!r} adds a number to a joint or direction")
            return self._node("add" if add else "subtract", (a, b))
        if isinstance(tree.op, ast.Mult):
            if len(numbers) == 2:
                return a * b
            if not numbers:
                raise FormulaError(f"{words!r} multiplies two vectors; use cross or across")
            return self._scaled(b, a) if isinstance(a, float) else self._scaled(a, b)
        if isinstance(tree.op, ast.Div):
            if not isinstance(b, float) or b == 0:
                raise FormulaError(f"{words!r} must divide by a number other than 0")
            return a / b if isinstance(a, float) else self._scaled(a, 1 / b)
        raise FormulaError(f"{words!r} can't be read; {_GRAMMAR}")

    def _call(self, name: str, operands: list[int | float]) -> int:
        if name not in FUNCTIONS:
            raise FormulaError(f"unknown function {name!r}{did_you_mean(name, FUNCTIONS)}")
        if len(operands) != FUNCTIONS[name]:
            raise FormulaError(f"{name} takes {FUNCTIONS[name]} directions, got {len(operands)}")
        for node in operands:
            if isinstance(node, float) or abs(self.nodes[node].weight) > 1e-6:
                raise FormulaError(
                    f"{name} takes directions such as left_hip - right_hip, got a number or a place"
                )
        if name == "across" and self.nodes[operands[1]].operation != "unit":
            operands[1] = self._node("unit", (operands[1],))
        return self._node(name, tuple(operands))


def did_you_mean(name: str, known: Sequence[str] | Mapping) -> str:
    """What to add to a message about an unknown name: the nearest known one, else all."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"
