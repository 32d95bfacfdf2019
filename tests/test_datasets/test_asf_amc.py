"""ASF/AMC: known answers, a slow scalar reference, the 17 joints, and what damaged files say."""

import re

import numpy as np
import pytest
from part_synth.datasets.asf_amc import find_asf, joints_of_amc, read_amc, read_asf
from part_synth.datasets.motion_io import load_motions
from part_synth.geometry import H36M17

NAMES = list(H36M17.joint_names)
UNIT = 0.0254 / 0.45  # metres

# A person of CMU's bones: name, parent, offset in CMU's axes (y up, z to the front, x to the
# person's left), axis angles, degrees of freedom. About 1.7 m tall.
BONES = [
    ("lhipjoint", "root", (1.7, -1.6, 0.5), (0, 0, 0), ""),
    ("lfemur", "lhipjoint", (2.4, -6.6, 0.0), (0, 0, 20), "rx ry rz"),
    ("ltibia", "lfemur", (2.5, -6.8, 0.0), (0, 0, 20), "rx"),
    ("lfoot", "ltibia", (0.1, -0.3, 2.0), (-90, 0, 20), "rx rz"),
    ("rhipjoint", "root", (-1.7, -1.6, 0.5), (0, 0, 0), ""),
    ("rfemur", "rhipjoint", (-2.4, -6.6, 0.0), (0, 0, -20), "rx ry rz"),
    ("rtibia", "rfemur", (-2.5, -6.8, 0.0), (0, 0, -20), "rx"),
    ("rfoot", "rtibia", (-0.1, -0.3, 2.0), (-90, 0, -20), "rx rz"),
    ("lowerback", "root", (0.1, 2.0, -0.2), (0, 0, 0), "rx ry rz"),
    ("upperback", "lowerback", (0.0, 2.0, 0.1), (0, 0, 0), "rx ry rz"),
    ("thorax", "upperback", (0.0, 2.0, 0.1), (0, 0, 0), "rx ry rz"),
    ("lowerneck", "thorax", (0.0, 1.7, 0.1), (0, 0, 0), "rx ry rz"),
    ("upperneck", "lowerneck", (0.0, 1.7, -0.2), (0, 0, 0), "rx ry rz"),
    ("head", "upperneck", (0.0, 1.8, 0.1), (0, 0, 0), "rx ry rz"),
    ("lclavicle", "thorax", (3.3, 0.9, 0.0), (0, 0, 0), "ry rz"),
    ("lhumerus", "lclavicle", (5.0, 0.0, 0.0), (180, 30, 90), "rx ry rz"),
    ("lradius", "lhumerus", (3.1, 0.0, 0.0), (180, 30, 90), "rx"),
    ("lwrist", "lradius", (1.6, 0.0, 0.0), (0, 90, 90), "ry"),
    ("lhand", "lwrist", (0.7, 0.0, 0.0), (0, 90, 90), "rx rz"),
    ("rclavicle", "thorax", (-3.3, 0.9, 0.0), (0, 0, 0), "ry rz"),
    ("rhumerus", "rclavicle", (-5.0, 0.0, 0.0), (180, -30, -90), "rx ry rz"),
    ("rradius", "rhumerus", (-3.1, 0.0, 0.0), (180, -30, -90), "rx"),
    ("rwrist", "rradius", (-1.6, 0.0, 0.0), (0, -90, -90), "ry"),
    ("rhand", "rwrist", (-0.7, 0.0, 0.0), (0, -90, -90), "rx rz"),
]
# Bone whose START is the joint, or (with a *) whose END is; the root is the middle of the hips.
JOINTS = {
    "right_hip": "rfemur",
    "right_knee": "rtibia",
    "right_foot": "rfoot",
    "left_hip": "lfemur",
    "left_knee": "ltibia",
    "left_foot": "lfoot",
    "spine": "lowerback*",
    "thorax": "thorax*",
    "neck_base": "upperneck*",
    "head": "head*",
    "left_shoulder": "lhumerus",
    "left_elbow": "lradius",
    "left_wrist": "lwrist",
    "right_shoulder": "rhumerus",
    "right_elbow": "rradius",
    "right_wrist": "rwrist",
}


def asf_text(bones=BONES, root="TX TY TZ RX RY RZ", units="length 0.45\n  angle deg", **preset):
    """Skeleton as CMU writes it, with its blanks and comments."""
    lines = ["# AST/ASF file", ":version 1.10", ":name TEST", ":units", "  mass 1.0", f"  {units}"]
    lines += [":documentation", "   begin of a text with keywords, name and end", ":root"]
    lines += [f"   order {root}", f"   axis {preset.get('axis', 'XYZ')}"]
    lines += [f"   position {preset.get('position', '0 0 0')}  "]
    lines += [f"   orientation {preset.get('orientation', '0 0 0')} ", ":bonedata"]
    for number, (name, _, offset, axis, dof) in enumerate(bones, start=1):
        length = np.linalg.norm(offset)
        direction = " ".join(f"{value:.12g}" for value in np.array(offset) / length)
        turn = axis if isinstance(axis, str) else "{} {} {}  XYZ".format(*axis)
        lines += ["  begin", f"     id {number} ", f"     name {name}"]
        lines += [f"     direction {direction}   ", f"     length {length:.12g}  "]
        lines += [f"     axis {turn}"]
        if dof:
            lines += [f"    dof {dof}", "    limits (-160.0 20.0)"]
            lines += ["           (-70.0 70.0)"] * (len(dof.split()) - 1)
        lines += ["  end"]
    lines += [":hierarchy", "  begin"]
    parents = dict.fromkeys(parent for _, parent, *_ in bones)
    lines += [f"    {p} " + " ".join(b[0] for b in bones if b[1] == p) for p in parents]
    return "\n".join([*lines, "  end", ""])


def amc_text(frames, head=":FULLY-SPECIFIED\n:DEGREES"):
    """Motion of a list of dicts, bone to numbers."""
    lines = ["#!OML:ASF F:\\VICON\\rory.ASF", head]
    for number, frame in enumerate(frames, start=1):
        lines += [str(number), *(f"{k} " + " ".join(f"{v:.12g}" for v in frame[k]) for k in frame)]
    return "\n".join([*lines, ""])


def random_frames(rng, count=4, size=25.0):
    """Frames in an order of bones that is not the skeleton's."""
    moving = [(name, len(dof.split())) for name, *_, dof in BONES if dof]
    return [
        {"root": [1.0 + t, 16.5, -2.0, *rng.uniform(-size, size, 3)]}
        | {name: rng.uniform(-size, size, n) for name, n in reversed(moving)}
        for t in range(count)
    ]


@pytest.fixture
def person(tmp_path):
    """A folder with a skeleton and a motion; and the frames."""
    frames = random_frames(np.random.default_rng(0))
    (tmp_path / "07.asf").write_text(asf_text())
    (tmp_path / "07_01.amc").write_text(amc_text(frames))
    return tmp_path, frames


def read(folder):
    skeleton = read_asf(folder / "07.asf")
    values, degrees = read_amc(folder / "07_01.amc", skeleton)
    return skeleton, values, degrees


def turn(axis, degrees):
    """Rotation about one axis, written out."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    rows = {"x": [[1, 0, 0], [0, c, -s], [0, s, c]], "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]]}
    rows["z"] = [[c, -s, 0], [s, c, 0], [0, 0, 1]]
    return np.array(rows[axis])


def turns(order, degrees):
    """Turns about fixed axes, the first listed first."""
    out = np.eye(3)
    for axis, angle in zip(order, degrees, strict=True):
        out = turn(axis, angle) @ out
    return out


def slow_ends(frame):
    """Start and end of every bone of one frame, CMU units: dicts of (3,)."""
    where = {"root": np.array(frame["root"][:3])}
    starts, world = dict(where), {"root": turns("xyz", frame["root"][3:])}
    for name, parent, offset, axis, dof in BONES:
        frame_axis = turns("xyz", axis)
        own = turns([d[1] for d in dof.split()], frame.get(name, ()))
        world[name] = world[parent] @ frame_axis @ own @ np.linalg.inv(frame_axis)
        starts[name] = where[parent]
        where[name] = where[parent] + world[name] @ np.array(offset)
    return starts, where


def slow_joints(frames):
    """(T, 17, 3) CMU units."""
    rows = []
    for frame in frames:
        starts, ends = slow_ends(frame)
        joint = {
            name: ends[bone[:-1]] if bone.endswith("*") else starts[bone]
            for name, bone in JOINTS.items()
        }
        joint["root"] = 0.5 * (joint["left_hip"] + joint["right_hip"])
        rows.append([joint[name] for name in NAMES])
    return np.array(rows)


def test_against_slow_kinematics(person):
    folder, frames = person
    skeleton, values, degrees = read(folder)
    assert values.shape == (4, 6 + sum(len(dof.split()) for *_, dof in BONES))
    starts, ends = skeleton.positions(values, degrees)
    for t, frame in enumerate(frames):
        slow_starts, slow_stops = slow_ends(frame)
        for j, name in enumerate(skeleton.names):
            np.testing.assert_allclose(starts[t, j], slow_starts[name], atol=1e-8)
            np.testing.assert_allclose(ends[t, j], slow_stops[name], atol=1e-8)
    np.testing.assert_allclose(
        joints_of_amc(skeleton, values, degrees), slow_joints(frames), atol=1e-8
    )


def one_bone(axis="0 0 0 XYZ", dof="rx ry rz", **options):
    return asf_text([("bone", "root", (0.0, -2.0, 0.0), axis, dof)], **options)


def end_of_bone(tmp_path, skeleton, frame, head=":DEGREES"):
    (tmp_path / "a.asf").write_text(skeleton)
    (tmp_path / "a.amc").write_text(amc_text([frame], head))
    parsed = read_asf(tmp_path / "a.asf")
    _, ends = parsed.positions(*read_amc(tmp_path / "a.amc", parsed))
    return ends[0, 1]


STILL = [0.0] * 6


@pytest.mark.parametrize(
    ("skeleton", "frame", "expected"),
    [
        # A bone that hangs down, turned by 90 degrees about x, points backwards (-z).
        (one_bone(), {"root": STILL, "bone": [90, 0, 0]}, (0, 0, -2)),
        # x is turned first, z afterwards about the fixed axis: from -z nothing moves any more.
        (one_bone(), {"root": STILL, "bone": [90, 0, 90]}, (0, 0, -2)),
        (one_bone(dof="rz rx"), {"root": STILL, "bone": [90, 90]}, (2, 0, 0)),
        # The bone's own x axis is the world's y after a quarter turn about z: it spins in place.
        (one_bone("0 0 90 XYZ"), {"root": STILL, "bone": [90, 0, 0]}, (0, -2, 0)),
        # Axis angles in another order: first z takes x to y, then x takes y to z.
        (one_bone("90 0 90 ZYX", "rx"), {"root": STILL, "bone": [90]}, (2, 0, 0)),
        # The root turns everything, then moves.
        (one_bone(dof=""), {"root": [1, 2, 3, 90, 0, 0]}, (1, 2, 1)),
        (one_bone(dof=""), {"root": [0, 0, 0, 90, 0, 90]}, (0, 0, -2)),
        (one_bone(dof="", root="RZ RX TZ TY TX"), {"root": [90, 90, 3, 2, 1]}, (3, 2, 3)),
        (one_bone(dof="", position="5 0 0"), {"root": [1, 0, 0, 0, 0, 0]}, (6, -2, 0)),
        # With a preset orientation the root's x axis is the world's y.
        (one_bone(dof="", orientation="0 0 90"), {"root": [0, 0, 0, 90, 0, 0]}, (0, -2, 0)),
    ],
)
def test_known_answers(tmp_path, skeleton, frame, expected):
    np.testing.assert_allclose(end_of_bone(tmp_path, skeleton, frame), expected, atol=1e-9)


def test_radians(tmp_path):
    frame = {"root": STILL, "bone": [np.pi / 2, 0, 0]}
    skeleton = one_bone(units="length 1.0\n  angle rad", axis=f"0 0 {np.pi / 2} XYZ")
    expected = (0, -2, 0)
    for head in (":FULLY-SPECIFIED", ":RADIANS"):
        end = end_of_bone(tmp_path, skeleton, frame, head)
        np.testing.assert_allclose(end, expected, atol=1e-9)
    frame["bone"] = [90, 0, 0]
    np.testing.assert_allclose(end_of_bone(tmp_path, skeleton, frame), expected, atol=1e-9)
    assert read_asf(tmp_path / "a.asf").metres_per_unit == pytest.approx(0.0254)


def test_load_motions(person):
    """Metres, z up, CMU's rate; the person of the file's name."""
    folder, frames = person
    clips = load_motions(folder / "07_01.amc")
    x, y, z = np.moveaxis(slow_joints(frames) * UNIT, -1, 0)
    expected = np.stack([x, -z, y], -1)
    expected[..., 2] += clips.xyz[0, 0, 2] - expected[0, 0, 2]  # put on the floor
    np.testing.assert_allclose(clips.xyz, expected, atol=2e-6)
    assert clips.fps == 120.0
    assert clips.subject.tolist() == ["07"]
    assert clips.clip.tolist() == ["07_01"]
    assert load_motions(folder / "07_01.amc", amc_fps=60.0).fps == 60.0
    with pytest.raises(ValueError, match="amc_fps must be positive"):
        load_motions(folder / "07_01.amc", amc_fps=0.0)


def test_left_is_the_persons_left(tmp_path):
    """At rest the figure faces +z of the file, that is -y of the world; its left is +x."""
    frame = {"root": [0, 16, 0, 0, 0, 0]}
    frame |= {name: [0.0] * len(dof.split()) for name, *_, dof in BONES if dof}
    (tmp_path / "a.asf").write_text(asf_text())
    (tmp_path / "a.amc").write_text(amc_text([frame]))
    xyz = load_motions(tmp_path / "a.amc").xyz[0] / UNIT
    # The arms are stretched to the sides: clavicle, humerus and radius in a row.
    np.testing.assert_allclose(xyz[NAMES.index("left_wrist"), 0], 11.5, atol=1e-4)
    np.testing.assert_allclose(xyz[NAMES.index("right_wrist"), 0], -11.3, atol=1e-4)
    spread = xyz[NAMES.index("left_hip")] - xyz[NAMES.index("right_hip")]
    np.testing.assert_allclose(spread, [3.4, 0, 0], atol=1e-4)


def test_folders(person, tmp_path):
    folder, frames = person
    (folder / "deep").mkdir()
    (folder / "deep" / "08.ASF").write_text(asf_text())
    (folder / "deep" / "08_05.AMC").write_text(amc_text(frames[:2]))
    clips = load_motions(folder)
    assert sorted(clips.subject.tolist()) == ["07", "08"]
    assert sorted(clips.length.tolist()) == [2, 4]
    (folder / "deep" / "08.ASF").unlink()
    with pytest.raises(FileNotFoundError, match=r"08_05\.AMC needs its skeleton 08\.asf .* no ASF"):
        load_motions(folder)


def test_which_skeleton(tmp_path):
    motion = tmp_path / "07_01.amc"
    (tmp_path / "rory.asf").touch()
    assert find_asf(motion).name == "rory.asf"  # the only one
    (tmp_path / "0.asf").touch()
    with pytest.raises(FileNotFoundError, match=r"only 0\.asf, rory\.asf"):
        find_asf(motion)
    (tmp_path / "07.asf").touch()
    assert find_asf(motion).name == "07.asf"
    (tmp_path / "07_01.asf").touch()
    assert find_asf(motion).name == "07_01.asf"


def test_wrong_unit_and_wrong_bones(person):
    folder, _ = person
    text = asf_text(units="length 450.0\n  angle deg")
    (folder / "07.asf").write_text(text)
    with pytest.raises(ValueError, match=r"07_01\.amc: .*fits no person .*metres_per_unit"):
        load_motions(folder / "07_01.amc")
    # What the user says counts more than the file.
    assert load_motions(folder / "07_01.amc", metres_per_unit=UNIT).xyz.shape == (4, 17, 3)
    (folder / "07.asf").write_text(asf_text().replace("lradius", "bone17"))
    motion = folder / "07_01.amc"
    motion.write_text(motion.read_text().replace("lradius", "bone17"))
    with pytest.raises(ValueError, match=r"07\.asf: Cannot find left_elbow"):
        load_motions(motion)


def put(old, new):
    return lambda text: text.replace(old, new, 1)


def cut(word):
    return lambda text: text[: text.index(word)]


ASF_ERRORS = [
    (lambda text: "", "no bones: the file is cut short or no ASF file"),
    (put("length 0.45", "length 0"), r"line 6: 'length 0' .* must be positive"),
    (put("angle deg", "angle grad"), r"line 7: .*must be deg or rad"),
    (put("order TX TY TZ RX RY RZ", "order TX TX"), r"line 11: .*channels TX TX are not read"),
    (put("axis XYZ", "axis XYX"), r"line 12: .*order of axes must be like XYZ, not XYX"),
    (put("position 0 0 0", "position 0 0"), r"line 13: .*three numbers are needed"),
    (put("id 1 \n     name lhipjoint", "id 1"), r"line 21: .*bone of line 16 lacks its name"),
    (put("name lfemur", "name lhipjoint"), r"line 25: .*second bone of this name"),
    (put("length 7.02", "length x7.02"), r"line 27: 'length x7.02\S*' can't be read .*bonedata"),
    (put("axis 0 0 20", "axis 0 nan 20"), r"line 28: .*three numbers"),
    (put("dof rx ry rz", "dof rx l"), r"line 29: .*channels rx l are not read, only rx ry rz"),
    (put("  end\n  begin", "  begin"), r"line 22: .*bone of line 16 has no 'end'"),
    (put(":bonedata\n  begin", ":bonedata"), r"line 16: .*outside of 'begin' and 'end'"),
    (put("ltibia lfoot", "ltibia rfoot"), r"'rtibia rfoot'.*rfoot already has a place"),
    (put("ltibia lfoot", "ltibia paw"), r"there is no bone paw in :bonedata"),
    (put("root lhipjoint", "root"), "hierarchy does not say where lhipjoint belongs"),
    (cut(":hierarchy"), "hierarchy does not say where lhipjoint"),
    (cut("direction 0 "), "has no 'end': cut short"),
    (
        lambda text: text.replace("root lhipjoint", "root").replace("lfoot\n", "lfoot lhipjoint\n"),
        "in a ring",
    ),
]


@pytest.mark.parametrize(("spoil", "message"), ASF_ERRORS)
def test_damaged_skeleton(tmp_path, spoil, message):
    text = asf_text()
    assert spoil(text) != text
    (tmp_path / "07.asf").write_text(spoil(text))
    with pytest.raises(ValueError, match=message) as error:
        read_asf(tmp_path / "07.asf")
    assert re.search(r"07\.asf, line \d+", str(error.value))


AMC_ERRORS = [
    (lambda text: "", "holds no frame"),
    (lambda text: "Hips\n", r"line 1: 'Hips' stands before the first frame"),
    (put("\n2\n", "\n3\n"), r"line 28: frame 3 follows frame 1; frames are missing"),
    (put("rhand", "rpaw"), r"line 6: the skeleton has no moving bone 'rpaw'"),
    (put("rwrist", "rhand"), r"line 7: rhand a second time"),
    (put("\nrwrist", "\nrwrist 3"), r"line 7: rwrist has 2 numbers, but 1 degrees of freedom"),
    (put("\nroot 1", "\nroot one"), r"line 5: could not convert string to float: 'one'"),
    (put("\nroot 1", "\nroot nan"), r"NaN or infinity in frame 1"),
    (lambda text: text[: text.rindex("lfemur")], r"the frame that ends here lacks lfemur"),
    (lambda text: re.sub(r"\nltibia.*", "", text, count=1), r"line 27: .* lacks ltibia"),
]


@pytest.mark.parametrize(("spoil", "message"), AMC_ERRORS)
def test_damaged_motion(person, spoil, message):
    folder, _ = person
    path = folder / "07_01.amc"
    text = path.read_text()
    assert spoil(text) != text
    path.write_text(spoil(text))
    with pytest.raises(ValueError, match=message) as error:
        read_amc(path, read_asf(folder / "07.asf"))
    assert "07_01.amc" in str(error.value)
