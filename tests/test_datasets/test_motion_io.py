"""Motion files: npz checks, BVH against positions computed another way, resampling."""

import logging

import numpy as np
import pytest
from part_synth.datasets import motion_io
from part_synth.datasets.bvh import joints_of_bvh, read_bvh
from part_synth.datasets.motion_io import MotionClips, load_motions, save_motions
from part_synth.datasets.synthetic.motions import make_motion
from part_synth.geometry import H36M17

PARENTS = list(H36M17.parents)
NAMES = list(H36M17.joint_names)


@pytest.fixture(scope="module")
def clips() -> MotionClips:
    rng = np.random.default_rng(0)
    actions = ("walk", "reach")
    xyz = [make_motion(action, rng, n, 30.0) for action, n in zip(actions, (40, 25), strict=True)]
    return MotionClips(
        np.concatenate(xyz).astype(np.float32),
        np.array([0, 40]),
        np.array([40, 25]),
        30.0,
        np.array(["p1", "p2"]),
        np.array(["p1_walk", "p2_reach"]),
        np.array(actions),
        np.array(["train", "test"]),
    )


def arrays_of(clips: MotionClips) -> dict[str, np.ndarray]:
    names = ("xyz", "start", "length", "fps", "subject", "clip", "action", "split")
    arrays = {name: np.asarray(getattr(clips, name)).copy() for name in names}
    return arrays | {"joint_names": np.array(NAMES), "parents": np.array(PARENTS)}


def test_save_and_load(tmp_path, clips):
    save_motions(tmp_path / "m.npz", clips)
    back = load_motions(tmp_path / "m.npz")
    assert len(back) == 2
    assert back.fps == 30.0
    assert back.xyz.dtype == np.float32
    for name in ("xyz", "start", "length", "subject", "clip", "action", "split"):
        assert np.array_equal(getattr(back, name), getattr(clips, name)), name
    assert np.array_equal(back.poses(1), clips.xyz[40:65])
    assert [p.name for p in tmp_path.iterdir()] == ["m.npz"]


def drop(key):
    return lambda arrays: arrays.pop(key)


def put(key, value):
    return lambda arrays: arrays.update({key: value})


def swap_joints(arrays):
    order = [*range(11), 14, 15, 16, 11, 12, 13]
    arrays["joint_names"], arrays["xyz"] = arrays["joint_names"][order], arrays["xyz"][:, order]


def scale(factor):
    return lambda arrays: arrays.update(xyz=arrays["xyz"] * factor)


def poison(arrays):
    arrays["xyz"][7, 3, 1] = np.nan


def y_up(arrays):
    x, y, z = np.moveaxis(arrays["xyz"], -1, 0)
    arrays["xyz"] = np.stack([x, z, -y], -1)


ERRORS = [
    (drop("xyz"), r"lacks \['xyz'\]"),
    (drop("joint_names"), r"lacks \['joint_names'\]"),
    (drop("fps"), r"lacks \['fps'\]"),
    (poison, "NaN or infinity in pose 7"),
    (scale(1000.0), "looks like millimetres; multiply xyz by 0.001"),
    (scale(100.0), "looks like centimetres; multiply xyz by 0.01"),
    (scale(0.0), "bones add up"),
    (swap_joints, "reorder xyz to the Human3.6M order"),
    (put("joint_names", np.array(["a", "b"])), "map its joints to the Human3.6M order"),
    (put("parents", np.arange(17) - 1), "check that joints and names belong together"),
    (put("length", np.array([40, 0])), r"clips \['p2_reach'\] are empty"),
    (put("length", np.array([40, 26])), "beyond the 65 poses"),
    (put("start", np.array([-1, 40])), "beyond the 65 poses"),
    (put("start", np.array([0.0, 40.0])), "must be integers"),
    (put("action", np.array(["walk"])), "action has 1 entries for 2 clips"),
    (put("fps", np.array(0.0)), "fps must be positive"),
    (put("fps", np.array([30.0, 60.0])), "mixes frame rates"),
    (put("xyz", np.zeros((65, 16, 3))), r"shape \(N, 17, 3\)"),
    (put("xyz", np.zeros((65, 17, 3), int)), r"must be floats"),
    (y_up, "the people stand along y; z must point up"),
]


@pytest.mark.parametrize(("spoil", "message"), ERRORS)
def test_wrong_npz(tmp_path, clips, spoil, message):
    arrays = arrays_of(clips)
    spoil(arrays)
    np.savez(tmp_path / "m.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        load_motions(tmp_path / "m.npz")


def test_no_clips(tmp_path, clips):
    arrays = arrays_of(clips)
    for key in ("start", "length", "subject", "clip", "action", "split"):
        arrays[key] = arrays[key][:0]
    np.savez(tmp_path / "m.npz", **arrays)
    with pytest.raises(ValueError, match="holds no clips"):
        load_motions(tmp_path / "m.npz")


def test_labels_are_optional(tmp_path, clips):
    arrays = arrays_of(clips)
    for key in ("subject", "clip", "action", "split"):
        del arrays[key]
    np.savez(tmp_path / "m.npz", **arrays)
    back = load_motions(tmp_path / "m.npz")
    assert back.split.tolist() == ["train", "train"]
    assert back.clip.tolist() == ["clip_0", "clip_1"]


def test_wrong_files(tmp_path, clips):
    with pytest.raises(FileNotFoundError, match="No motion file"):
        load_motions(tmp_path / "none.npz")
    with pytest.raises(FileNotFoundError, match=r"no \.bvh and no \.amc file"):
        load_motions(tmp_path)
    (tmp_path / "m.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(ValueError, match="cannot be read as npz"):
        load_motions(tmp_path / "m.npz")
    np.savez(tmp_path / "o.npz", xyz=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="pickled"):
        load_motions(tmp_path / "o.npz")
    (tmp_path / "m.amc").write_text("")
    with pytest.raises(FileNotFoundError, match=r"m\.amc needs its skeleton m\.asf"):
        load_motions(tmp_path / "m.amc")
    (tmp_path / "m.asf").write_text("")
    with pytest.raises(ValueError, match=r"m\.asf is only a skeleton"):
        load_motions(tmp_path / "m.asf")
    (tmp_path / "m.fbx").write_text("")
    with pytest.raises(ValueError, match="unknown kind"):
        load_motions(tmp_path / "m.fbx")
    with pytest.raises(ValueError, match=r"saved as \.npz"):
        save_motions(tmp_path / "m.pkl", clips)


def test_exchanged_sides_are_reported(tmp_path, clips, monkeypatch):
    said = []
    monkeypatch.setattr(motion_io, "print_log", lambda text, **kw: said.append((text, kw)))
    arrays = arrays_of(clips)
    arrays["xyz"] = arrays["xyz"][:, list(H36M17.flip_indices)]
    np.savez(tmp_path / "m.npz", **arrays)
    load_motions(tmp_path / "m.npz")
    text, extra = said[-1]
    assert "left and right may be exchanged" in text
    assert extra["level"] == logging.WARNING


# A skeleton for BVH files: name, parent, offset (y up, facing z, x to the left), metres.
SKELETON = [
    ("Hips", None, (0.0, 0.0, 0.0)),
    ("LeftUpLeg", "Hips", (0.10, 0.0, 0.0)),
    ("LeftLeg", "LeftUpLeg", (0.0, -0.43, 0.0)),
    ("LeftFoot", "LeftLeg", (0.0, -0.42, 0.0)),
    ("RightUpLeg", "Hips", (-0.10, 0.0, 0.0)),
    ("RightLeg", "RightUpLeg", (0.0, -0.43, 0.0)),
    ("RightFoot", "RightLeg", (0.0, -0.42, 0.0)),
    ("Spine", "Hips", (0.0, 0.10, 0.0)),
    ("Spine1", "Spine", (0.0, 0.13, 0.0)),
    ("Spine2", "Spine1", (0.0, 0.14, 0.0)),
    ("Neck", "Spine2", (0.0, 0.13, 0.0)),
    ("Head", "Neck", (0.0, 0.12, 0.02)),
    ("LeftShoulder", "Spine2", (0.04, 0.10, 0.0)),
    ("LeftArm", "LeftShoulder", (0.13, 0.0, 0.0)),
    ("LeftForeArm", "LeftArm", (0.28, 0.0, 0.0)),
    ("LeftHand", "LeftForeArm", (0.25, 0.0, 0.0)),
    ("RightShoulder", "Spine2", (-0.04, 0.10, 0.0)),
    ("RightArm", "RightShoulder", (-0.13, 0.0, 0.0)),
    ("RightForeArm", "RightArm", (-0.28, 0.0, 0.0)),
    ("RightHand", "RightForeArm", (-0.25, 0.0, 0.0)),
]
HEAD_TOP = (0.0, 0.11, 0.0)
SOURCE = ["Hips", "RightUpLeg", "RightLeg", "RightFoot", "LeftUpLeg", "LeftLeg", "LeftFoot"]
SOURCE += ["Spine1", "Neck", "Head", "Head.end", "LeftArm", "LeftForeArm", "LeftHand"]
SOURCE += ["RightArm", "RightForeArm", "RightHand"]


def write_bvh(path, values, unit=1.0, order="ZXY", rename=None, z_up=False, all_moving=False):
    """Write SKELETON as text; ``values`` (T, 3 + 3 J): root position, then angles per joint."""
    rename = rename or (lambda name: name)

    def numbers(offset):
        x, y, z = np.array(offset) * unit
        return "{:.9g} {:.9g} {:.9g}".format(*((x, -z, y) if z_up else (x, y, z)))

    def block(name, indent):
        pad = "  " * indent
        _, parent, offset = next(row for row in SKELETON if row[0] == name)
        place = "Xposition Yposition Zposition " if parent is None or all_moving else ""
        turns = " ".join(f"{axis}rotation" for axis in order)
        lines = [f"{pad}{'JOINT' if parent else 'ROOT'} {rename(name)}", f"{pad}{{"]
        lines += [f"{pad}  OFFSET {numbers(offset)}"]
        lines += [f"{pad}  CHANNELS {6 if place else 3} {place}{turns}"]
        children = [row[0] for row in SKELETON if row[1] == name]
        for child in children:
            lines += block(child, indent + 1)
        if not children:
            top = HEAD_TOP if name == "Head" else (0.0, 0.0, 0.0)
            lines += [f"{pad}  End Site", f"{pad}  {{", f"{pad}    OFFSET {numbers(top)}"]
            lines += [f"{pad}  }}"]
        return [*lines, f"{pad}}}"]

    lines = ["HIERARCHY", *block("Hips", 0), "MOTION", f"Frames: {len(values)}"]
    lines += ["Frame Time: 0.0333333"]
    lines += [" ".join(f"{v:.9g}" for v in row) for row in values]
    path.write_text("\n".join(lines) + "\n")


def depth_first():
    """Joint names in the order in which write_bvh lists them."""

    def walk(name):
        return [name, *(n for row in SKELETON if row[1] == name for n in walk(row[0]))]

    return walk("Hips")


def axis_rotation(axis, degrees):
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    rows = {"X": [[1, 0, 0], [0, c, -s], [0, s, c]], "Y": [[c, 0, s], [0, 1, 0], [-s, 0, c]]}
    rows["Z"] = [[c, -s, 0], [s, c, 0], [0, 0, 1]]
    return np.array(rows[axis])


def slow_positions(values, order):
    """Reference forward kinematics, one frame and one joint at a time: dict of (T, 3), metres."""
    names = depth_first()
    table = {row[0]: row for row in SKELETON}
    out = {name: np.zeros((len(values), 3)) for name in [*names, "Head.end"]}
    for t, row in enumerate(values):
        turned = {}
        for k, name in enumerate(names):
            angles = row[3 + 3 * k : 6 + 3 * k]
            own = np.eye(3)
            for axis, angle in zip(order, angles, strict=True):
                own = own @ axis_rotation(axis, angle)
            parent = table[name][1]
            if parent is None:
                out[name][t], turned[name] = row[:3], own
            else:
                out[name][t] = out[parent][t] + turned[parent] @ np.array(table[name][2])
                turned[name] = turned[parent] @ own
        out["Head.end"][t] = out["Head"][t] + turned["Head"] @ np.array(HEAD_TOP)
    return out


def random_values(rng, frames=5):
    values = rng.uniform(-20.0, 20.0, (frames, 3 + 3 * len(SKELETON)))
    values[:, :3] = [0.3, 0.92, -0.2]
    return values


def expected_joints(values, order="ZXY"):
    """World joints (T, 17, 3), z up, of the y-up skeleton."""
    where = slow_positions(values, order)
    x, y, z = np.moveaxis(np.stack([where[name] for name in SOURCE], 1), -1, 0)
    return np.stack([x, -z, y], -1)


@pytest.mark.parametrize("order", ["ZXY", "ZYX", "XYZ"])
@pytest.mark.parametrize(
    ("unit", "word"),
    [(1.0, "metres"), (100.0, "centimetres"), (1 / 0.0254, "inches"), (1000.0, "millimetres")],
)
def test_bvh_against_slow_kinematics(tmp_path, monkeypatch, order, unit, word):
    said = []
    monkeypatch.setattr(motion_io, "print_log", lambda text, **kw: said.append(text))
    values = random_values(np.random.default_rng(1))
    written = values.copy()
    written[:, :3] *= unit
    write_bvh(tmp_path / "a.bvh", written, unit, order)
    clips = load_motions(tmp_path / "a.bvh")
    np.testing.assert_allclose(clips.xyz, expected_joints(values, order), atol=2e-6)
    assert clips.fps == pytest.approx(30.0, rel=1e-4)
    assert any(f"y up, in {word} " in text for text in said)


def test_bvh_left_is_the_persons_left(tmp_path):
    """At rest the figure faces +z of the file, that is -y of the world; its left is +x."""
    values = np.zeros((2, 3 + 3 * len(SKELETON)))
    values[:, 1] = 0.9
    write_bvh(tmp_path / "a.bvh", values)
    xyz = load_motions(tmp_path / "a.bvh").xyz
    np.testing.assert_allclose(xyz[0, NAMES.index("left_wrist")], [0.70, 0.0, 1.37], atol=1e-6)
    np.testing.assert_allclose(xyz[0, NAMES.index("right_foot")], [-0.10, 0.0, 0.05], atol=1e-6)
    np.testing.assert_allclose(xyz[0, NAMES.index("neck_base"), 1], -0.02, atol=1e-6)


def test_bvh_z_up(tmp_path):
    values = np.zeros((2, 3 + 3 * len(SKELETON)))
    values[:, 1] = 0.9
    write_bvh(tmp_path / "y.bvh", values)
    values[:, :3] = [0.0, 0.0, 0.9]
    write_bvh(tmp_path / "z.bvh", values, z_up=True)
    a, b = (load_motions(tmp_path / name).xyz for name in ("y.bvh", "z.bvh"))
    np.testing.assert_allclose(a, b, atol=1e-6)


def plain(name):
    return name


def mixamo(name):
    return f"mixamorig:{name}"


def biovision(name):
    table = {"UpLeg": "Hip", "Leg": "Knee", "Foot": "Ankle", "ForeArm": "Elbow", "Hand": "Wrist"}
    table |= {"Shoulder": "Collar", "Arm": "Shoulder"}
    for side in ("Left", "Right"):
        if name.startswith(side):
            return side + table[name.removeprefix(side)]
    return {"Spine1": "Chest", "Spine2": "Chest2"}.get(name, name)


@pytest.mark.parametrize("rename", [plain, mixamo, biovision])
def test_bvh_naming_families(tmp_path, rename):
    values = random_values(np.random.default_rng(2))
    write_bvh(tmp_path / "a.bvh", values, rename=rename)
    xyz = load_motions(tmp_path / "a.bvh").xyz
    np.testing.assert_allclose(xyz, expected_joints(values), atol=2e-6)


def test_bvh_with_positions_on_every_joint(tmp_path):
    """Whole local translations (MotionBuilder) and zero changes mean the same figure."""
    values = random_values(np.random.default_rng(3))
    table = {row[0]: row[2] for row in SKELETON}
    for whole in (True, False):
        blocks = [values[:, :6]]
        for k, name in enumerate(depth_first()[1:], start=1):
            place = np.tile(np.array(table[name]) * whole, (len(values), 1))
            blocks += [place, values[:, 3 + 3 * k : 6 + 3 * k]]
        write_bvh(tmp_path / "a.bvh", np.concatenate(blocks, 1), all_moving=True)
        xyz = load_motions(tmp_path / "a.bvh").xyz
        np.testing.assert_allclose(xyz, expected_joints(values), atol=2e-6)


def test_bvh_is_put_on_the_floor(tmp_path):
    values = np.zeros((3, 3 + 3 * len(SKELETON)))
    values[:, 1] = 5.0
    write_bvh(tmp_path / "a.bvh", values)
    lowest = load_motions(tmp_path / "a.bvh").xyz[:, [3, 6], 2].min()
    assert 0.05 < lowest < 0.12


def test_folder_of_bvh(tmp_path):
    values = random_values(np.random.default_rng(4), frames=9)
    for name in ("walk1_subject2.bvh", "35_01.bvh", "other.bvh"):
        write_bvh(tmp_path / name, values)
    text = (tmp_path / "other.bvh").read_text().replace("0.0333333", "0.0166666")
    (tmp_path / "other.bvh").write_text(text)
    clips = load_motions(tmp_path)
    assert clips.clip.tolist() == ["35_01", "other", "walk1_subject2"]
    assert clips.subject.tolist() == ["35", "other", "subject2"]
    assert clips.action.tolist() == ["unknown", "unknown", "walk"]
    assert clips.length.tolist() == [9, 5, 9]
    np.testing.assert_allclose(clips.poses(1), clips.poses(0)[::2], atol=1e-5)


def test_bvh_unit_can_be_given(tmp_path):
    values = np.zeros((2, 3 + 3 * len(SKELETON)))
    values[:, 1] = 0.9 * 7.0
    write_bvh(tmp_path / "a.bvh", values, unit=7.0)
    with pytest.raises(ValueError, match="pass metres_per_unit"):
        load_motions(tmp_path / "a.bvh")
    xyz = load_motions(tmp_path / "a.bvh", metres_per_unit=1.0 / 7.0).xyz
    np.testing.assert_allclose(xyz[0, 0], [0.0, 0.0, 0.9], atol=1e-6)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: "hello", "not a BVH file"),
        (lambda text: text.replace("MOTION", "NOTHING"), "not a BVH file"),
        (lambda text: text.replace("}", "", 1), "HIERARCHY of .* is damaged"),
        (lambda text: text.replace("OFFSET", "OFSET", 1), "HIERARCHY of .* is damaged"),
        (lambda text: text.replace("Frames: 5", "Frames five"), "lacks its 'Frames:'"),
        (lambda text: text.replace("Frames: 5", "Frames: 6"), "cut short"),
        (lambda text: text.replace("0.0333333", "0.0"), "Frame Time"),
        (lambda text: text.rsplit(" ", 1)[0] + " x", "not a number"),
        (lambda text: text.rsplit(" ", 1)[0] + " nan", "NaN or infinite"),
        (lambda text: text.replace("LeftForeArm", "Tentacle"), "none of the known"),
    ],
)
def test_damaged_bvh(tmp_path, spoil, message):
    write_bvh(tmp_path / "a.bvh", random_values(np.random.default_rng(5)))
    text = (tmp_path / "a.bvh").read_text()
    (tmp_path / "a.bvh").write_text(spoil(text))
    with pytest.raises(ValueError, match=message):
        load_motions(tmp_path / "a.bvh")


def test_bvh_reader_returns_the_file(tmp_path):
    values = random_values(np.random.default_rng(6))
    write_bvh(tmp_path / "a.bvh", values)
    motion = read_bvh(tmp_path / "a.bvh")
    assert motion.names[0] == "Hips"
    assert motion.parents[0] == -1
    assert all(parent < node for node, parent in enumerate(motion.parents))
    np.testing.assert_allclose(motion.values, values, atol=1e-6)
    assert joints_of_bvh(motion).shape == (5, 17, 3)


def test_resample_to_a_fraction_picks_poses(clips):
    half = clips.resample(15.0)
    assert half.length.tolist() == [20, 13]
    assert half.start.tolist() == [0, 20]
    assert np.array_equal(half.poses(0), clips.poses(0)[::2])
    assert np.array_equal(half.poses(1), clips.poses(1)[::2])
    assert half.subject.tolist() == clips.subject.tolist()


def test_resample_follows_the_motion(clips):
    """25 fps and 30 fps of one motion, made independently, agree; bones keep their length."""
    slow = make_motion("walk", np.random.default_rng(9), 50, 25.0)
    fast = make_motion("walk", np.random.default_rng(9), 60, 30.0)
    count = np.array([60])
    one = MotionClips(fast, np.array([0]), count, 30.0, *np.array([["a"]] * 4))
    again = one.resample(25.0)
    assert again.length.tolist() == [50]
    np.testing.assert_allclose(again.xyz, slow, atol=4e-3)
    bones = [np.linalg.norm(x[:, 1:] - x[:, PARENTS[1:]], axis=-1) for x in (again.xyz, fast)]
    np.testing.assert_allclose(bones[0], np.tile(bones[1][:1], (50, 1)), atol=1e-9)


def test_resample_short_clips_and_wrong_rates(clips):
    one = MotionClips(clips.xyz[:1], np.array([0]), np.array([1]), 30.0, *np.array([["a"]] * 4))
    assert one.resample(50.0).length.tolist() == [1]
    two = MotionClips(clips.xyz[:2], np.array([0]), np.array([2]), 30.0, *np.array([["a"]] * 4))
    assert two.resample(120.0).length.tolist() == [5]
    for rate in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="fps must be positive"):
            clips.resample(rate)
