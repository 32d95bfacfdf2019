"""Formulas of virtual joints against Python's own arithmetic, one pose at a time."""

import numpy as np
import pytest
import torch
from part_synth.geometry import H36M17
from part_synth.models import VirtualJoints, load_puppet
from part_synth.models.puppet_formula import FormulaBook, FormulaError
from small_puppets import three_parts
from tiny_part_synth import make_poses

POSES = make_poses(6, seed=11, dtype=torch.float64)
DIRECTIONS = {"front": "unit(cross(left_hip - right_hip, head - root))", "up": "head - root"}
PLACES = {
    "plain": "left_knee",
    "middle": "(left_hip + right_hip) / 2",
    "signs": "-(-head) + -0.3 * (root - head) - (+0.2) * up",
    "numbers": "head + (0.5 - 2 * 0.1) * front + up * (1 / 4)",
    "ahead": "tail_tip + 0.1 * cross(front, unit(up))",
    "tail_tip": "root - 0.4 * front + 0.1 * unit(across(up, front - up))",
    "three": "0.25 * head + 0.25 * root + 0.5 * left_foot",
}


def joints_of(directions, places):
    return VirtualJoints(
        load_puppet({**three_parts(), "directions": directions, "virtual_joints": places})
    )


def test_values_are_those_of_the_text():
    def unit(v):
        return v / np.sqrt((v * v).sum() + 1e-8)

    def across(a, b):
        return a - (a @ unit(b)) * unit(b)

    extended = joints_of(DIRECTIONS, PLACES)(POSES).numpy()
    assert extended.shape == (6, 17 + len(PLACES), 3)
    for pose, row in zip(POSES.numpy(), extended, strict=True):
        known = dict(zip(H36M17.joint_names, pose, strict=True))
        known |= {"unit": unit, "across": across, "cross": np.cross}
        for name in ("front", "up"):
            known[name] = eval(DIRECTIONS[name], known)
        for name in ("tail_tip", *PLACES):
            known[name] = eval(PLACES[name], known)
        for j, name in enumerate(PLACES):
            assert row[17 + j] == pytest.approx(known[name], abs=1e-9), name


def test_order_of_the_file_does_not_matter():
    there = joints_of(DIRECTIONS, PLACES)(POSES)
    back = joints_of(dict(reversed(DIRECTIONS.items())), dict(reversed(PLACES.items())))(POSES)
    torch.testing.assert_close(back[:, 17:].flip(1), there[:, 17:])


def test_equal_operations_run_as_one():
    places = {f"p{i}": f"root + {i + 2} * unit(head - root)" for i in range(40)}
    steps = [step for level in joints_of({}, places).levels for step in level]
    assert [step.operation for step in steps] == ["subtract", "unit", "scale", "add"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_formulas_and_any_leading_shape(dtype):
    joints = POSES.reshape(2, 3, 17, 3).to(dtype)
    assert torch.equal(joints_of({}, {})(joints), joints)
    assert joints_of(DIRECTIONS, PLACES)(joints).dtype == dtype


@pytest.mark.parametrize("where", ["random", "all in one place"])
def test_gradients(where):
    extend = joints_of(DIRECTIONS, PLACES)
    pose = (POSES[:1] if where == "random" else POSES[:1] * 0).clone().requires_grad_()
    if where == "random":
        assert torch.autograd.gradcheck(extend, [pose], atol=1e-6)
    extend(pose).square().sum().backward()
    assert pose.grad.isfinite().all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("head +", "can't be read; a formula has joints"),
        ("", "can't be read"),
        ("head.x", "'head.x' can't be read"),
        ("__import__('os').system('x')", "can't be read"),
        ("head ** 2", "'head \\*\\* 2' can't be read"),
        ("[head]", "can't be read"),
        ("head + 1", "adds a number to a joint"),
        ("0.3", "is the number 0.3 and names no joint"),
        ("'head'", "'head' is no finite number"),
        ("head + True * (head - root)", "True is no finite number"),
        ("head + 1e999 * (head - root)", "inf is no finite number"),
        ("head * root", "multiplies two vectors; use cross or across"),
        ("head / root", "must divide by a number other than 0"),
        ("head / 0", "must divide by a number other than 0"),
        ("head + unti(head - root)", "unknown function 'unti'; did you mean 'unit'"),
        ("head + unit(head - root, root - head)", "unit takes 1 directions, got 2"),
        ("head + unit(head)", "unit takes directions such as"),
        ("head + cross(3, head - root)", "cross takes directions such as"),
        ("head - root", "sum to 0; they must sum to 1 for a place"),
        ("head + 0.1 * root", "sum to 1.1; they must sum to 1"),
        ("nose + 0.1 * (head - root)", "unknown name 'nose'"),
    ],
)
def test_mistakes(text, words):
    with pytest.raises(FormulaError, match=f"^virtual_joints.tip, .*{words}"):
        FormulaBook(H36M17.joint_names, {}, {"other": "head", "tip": text})


def test_mistakes_of_directions():
    with pytest.raises(
        FormulaError, match=r"^directions.up, 'head': .* sum to 1; they must sum to 0"
    ):
        FormulaBook(H36M17.joint_names, {"up": "head"}, {})
    # The formula that is wrong is named, not the one that uses it.
    with pytest.raises(FormulaError, match=r"^directions\.up, 'hed - root': unknown name"):
        FormulaBook(H36M17.joint_names, {"far": "2 * up", "up": "hed - root"}, {})
    with pytest.raises(FormulaError, match=r"^directions.a is defined by itself: a -> a"):
        FormulaBook(H36M17.joint_names, {"a": "2 * a"}, {})
