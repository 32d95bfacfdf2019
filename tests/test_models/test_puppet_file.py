"""Puppets as files: the package's own against the code that it replaced, others, and mistakes."""

import copy
import json
import re
from pathlib import Path

import pytest
import torch
from part_synth.geometry import PART_NAMES, REST_DIRECTIONS, forward_kinematics
from part_synth.models import (
    DEFAULT_PUPPET,
    Capsule,
    CropCamera,
    Puppet,
    PuppetPainter,
    extend_joints,
    load_puppet,
)
from small_puppets import HAT, many_parts, three_parts
from tiny_part_synth import LENGTHS, TINY, make_poses, tiny_model

FROZEN = json.loads(Path(__file__).with_name("frozen_puppet.json").read_text())


def frozen(name):
    return torch.tensor(FROZEN[name], dtype=torch.float64)


def test_slim_file_draws_what_the_table_in_the_code_drew():
    puppet, joints = Puppet(puppet="slim"), frozen("joints")
    camera = CropCamera(**{name: torch.tensor(v).double() for name, v in FROZEN["camera"].items()})
    extended = puppet.extend_joints(joints)
    assert torch.equal(extended[:, :17], joints)
    assert extended[:, 17:].numpy() == pytest.approx(frozen("virtual_joints").numpy(), abs=1e-11)
    in_camera = camera.rotate(extended)
    maps = puppet(
        camera.project(in_camera),
        in_camera[..., 2],
        camera.scale,
        (24, 18),
        blur=0.8,
        nearest=camera.nearest_depth(),
    )
    rows, columns = torch.arange(24).double()[:, None], torch.arange(18).double()
    moments = [(maps.parts * weight).sum((-1, -2)) for weight in (torch.ones(()), columns, rows)]
    wanted = frozen("part_moments")
    # Radii are kept in single precision.
    torch.testing.assert_close(torch.stack(moments, dim=-1), wanted, rtol=1e-6, atol=1e-6)
    sums = maps.capsules.sum((-1, -2))
    torch.testing.assert_close(sums, frozen("capsule_sums"), rtol=1e-6, atol=1e-6)


def test_slim_file_is_painted_with_the_same_draws():
    torch.manual_seed(0)
    colours = PuppetPainter(joint_std=0, outline_std=0).draw_clothes(Puppet(puppet="slim"), 2)
    torch.testing.assert_close(colours.double(), frozen("clothes"), rtol=0, atol=2e-6)
    torch.manual_seed(1)
    scenes = torch.zeros(2, 3, 16, 16)
    images = PuppetPainter(joint_std=0, outline_std=0)(
        Puppet(puppet="slim"), frozen("joints").float(), scenes
    ).images
    means = images.mean((2, 3)).double()
    torch.testing.assert_close(means, frozen("painted_means"), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", [None, "default", "slim"])
def test_own_files_have_the_parts_of_the_data_set(name):
    puppet = Puppet(puppet=name)
    assert puppet.part_names == PART_NAMES
    assert puppet.num_parts == 14 and puppet.membership.shape == (21, 14)
    assert [puppet.part_names[i] for i in puppet.part_of] == [c.part for c in puppet.capsules]


def test_extend_joints_is_that_of_the_own_puppet():
    joints = frozen("joints")
    assert torch.equal(extend_joints(joints), Puppet().extend_joints(joints))


def test_cutting_limbs_off_at_the_near_plane_changes_no_bit_of_people_in_view(puppet, scene):
    points, depths, scale, camera, _ = scene
    plain = puppet(points, depths, scale, (32, 32), details=True)
    cut = puppet(points, depths, scale, (32, 32), details=True, nearest=camera.nearest_depth())
    for name, value in vars(plain).items():
        assert torch.equal(value, getattr(cut, name)), name


def test_file_path_and_dict_are_the_same(tmp_path, scene):
    content = json.loads(DEFAULT_PUPPET.read_text())
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(content))
    for source in (path, str(path), content):
        maps = Puppet(puppet=source)(*scene[:3], (16, 16))
        assert torch.equal(maps.parts, Puppet()(*scene[:3], (16, 16)).parts)


def test_hat_is_a_part_on_top_of_the_head():
    puppet = Puppet(puppet=HAT)
    assert puppet.part_names[-1] == "hat" and puppet.num_parts == 15
    rest = forward_kinematics(REST_DIRECTIONS, torch.tensor(LENGTHS).double()).float()
    joints = puppet.extend_joints(rest.expand(3, 17, 3))
    flat = torch.zeros(3)
    camera = CropCamera(
        flat + torch.tensor([0.0, 1.0, 3.0]), flat, flat, flat + 0.8, torch.zeros(3, 2), 4.5
    )
    in_camera = camera.rotate(joints)
    maps = puppet(camera.project(in_camera), in_camera[..., 2], camera.scale, (96, 96), blur=0.5)
    rows = torch.arange(96).float()[None, :, None]
    height = {
        name: (maps.parts[:, i] * rows).sum((1, 2)) / maps.parts[:, i].sum((1, 2))
        for i, name in enumerate(puppet.part_names)
    }
    assert (height["hat"] < height["head"] - 1).all()
    own = Puppet()
    in_camera = in_camera[:, : len(own.joint_names)]
    without = own(camera.project(in_camera), in_camera[..., 2], camera.scale, (96, 96), blur=0.5)
    # Below the shoulders nothing changes.
    low = slice(60, 96)
    torch.testing.assert_close(maps.parts[:, :15, low], without.parts[:, :, low], atol=1e-4, rtol=0)


@pytest.mark.parametrize("content", [three_parts(), many_parts(25)], ids=["3 parts", "25 parts"])
def test_any_number_of_parts_from_maps_to_painted_pictures(content):
    puppet = Puppet(puppet=content, learn_radii=True)
    parts = len(content["parts"])
    assert puppet.num_parts == parts == puppet.membership.shape[1]
    painted = PuppetPainter(joint_std=0, outline_std=0)(
        puppet, make_poses(4, seed=2), torch.rand(4, 3, 32, 32) * 2 - 1
    )
    assert painted.maps.parts.shape == (4, parts + 1, 32, 32)
    assert painted.images.isfinite().all() and painted.images.std() > 0.1
    total = painted.maps.parts.sum(1)
    torch.testing.assert_close(total, torch.ones_like(total), atol=1e-5, rtol=0)
    assert (painted.maps.parts.amax((0, 2, 3)) > 0.1).all()  # every part is seen somewhere


def test_accessories_of_one_person_have_one_colour(monkeypatch):
    monkeypatch.setattr(torch, "randn", torch.zeros)  # no variation between capsules
    content = copy.deepcopy(HAT)
    content["capsules"].append({**content["capsules"][-1], "end_radius": 0.2})
    colours = PuppetPainter(fully_random=0.0).draw_clothes(Puppet(puppet=content), 30)
    assert torch.equal(colours[:, -1], colours[:, -2])
    assert (colours[:, :-2] != colours[:, -1:]).any(-1).all()
    assert colours[:, -1].std(0).min() > 0.05


@pytest.mark.parametrize("part_head", [None, 14])
def test_networks_for_another_number_of_parts_are_refused(part_head):
    puppet = {"type": "part_synth.Puppet", "puppet": HAT}
    words = "decoder is built for num_parts=14, but the puppet given as a dict has 15 parts: .*hat"
    with pytest.raises(ValueError, match=words):
        tiny_model(puppet=puppet)
    decoder = {**TINY["decoder"], "num_parts": 15}
    if part_head:
        head = {"type": "part_synth.PartMapHead", "in_channels": 16, "num_parts": part_head}
        encoder = {**TINY["encoder"], "part_head": head}
        with pytest.raises(ValueError, match="part_head is built for num_parts=14"):
            tiny_model(puppet=puppet, decoder=decoder, encoder=encoder)


def test_a_model_with_a_puppet_of_its_own_names_its_parts(model, batch):
    from mmpose.structures import PoseDataSample

    decoder = {**TINY["decoder"], "num_parts": 15}
    mine = tiny_model(
        model.prior.state_dict(),
        puppet={"type": "part_synth.Puppet", "puppet": HAT},
        decoder=decoder,
    ).eval()
    data = {"inputs": batch, "data_samples": [PoseDataSample(), PoseDataSample()]}
    data = mine.data_preprocessor(data)
    samples = mine.predict(data["inputs"], data["data_samples"])
    for sample in samples:
        assert sample.pred_fields.part_names == (*PART_NAMES, "hat")
        assert sample.pred_fields.part_labels.max() <= 15


def test_capsules_alone_keep_parts_and_joints():
    puppet = Puppet([Capsule("head", "neck_base", "crown", 0.1, 0.2)])
    assert puppet.part_names == PART_NAMES and puppet.joint_names == Puppet().joint_names
    with pytest.raises(ValueError, match="capsules or puppet, not both"):
        Puppet(puppet.capsules, puppet=HAT)
    with pytest.raises(ValueError, match="at least one capsule"):
        Puppet([])


def changed(**changes):
    """The three-part puppet with other sections; None takes one out."""
    content = {**three_parts(), **changes}
    return {key: value for key, value in content.items() if value is not None}


def capsule(drop=None, **changes):
    content = three_parts()
    content["capsules"][1] = {**content["capsules"][1], **changes}
    content["capsules"][1].pop(drop, None)
    return content


MISTAKES = [
    ("not JSON", "{parts: [", "can't be read as JSON"),
    ("list", "[1, 2]", r"a puppet is a JSON object \{\.\.\.\}, got \[1, 2\]"),
    ("key twice", '{"parts": [], "parts": []}', "the key 'parts' is written twice"),
    ("no parts", changed(parts=None), "the key 'parts' is missing"),
    ("empty parts", changed(parts=[]), "parts must be a list of at least one name"),
    ("no capsules", changed(capsules=None), "the key 'capsules' is missing"),
    ("empty capsules", changed(capsules=[]), "at least one capsule"),
    ("no format", changed(format=None), "the key 'format' is missing"),
    ("other format", changed(format="robot"), "expected format 'part_synth.puppet' .* got 'robot'"),
    ("newer version", changed(version=9), "version 1, got 'part_synth.puppet' and 9"),
    ("misspelt section", changed(capsule=[]), "unknown key 'capsule'; did you mean 'capsules'"),
    ("part without capsule", changed(parts=["upper", "lower", "head", "tail"]), "part 'tail' has "),
    ("part twice", changed(parts=["upper", "upper"]), "part 'upper' is named twice"),
    ("background", changed(parts=["background"]), "leave 'background' out of parts"),
    ("part no name", changed(parts=["upper", 3]), "parts must be names, got 3"),
    (
        "unknown joint",
        capsule(start="left_hipp"),
        r"\[1\].* joint 'left_hipp'; did you mean 'left_",
    ),
    ("unknown part", capsule(part="uper"), r"capsules\[1\] names the part 'uper'; did you mean"),
    (
        "unknown clothes",
        capsule(clothes="sock"),
        r"capsules\[1\] names the clothes 'sock'.*trouser",
    ),
    (
        "radius 0",
        capsule(start_radius=0),
        r"capsules\[1\] needs radii above zero.*start_radius is 0",
    ),
    (
        "radius in cm",
        capsule(start_radius=5.5),
        r"in metres, of at most 1; its start_radius is 5\.5",
    ),
    ("radius below 0", capsule(end_radius=-0.1), r"capsules\[1\].*end_radius is -0\.1"),
    ("radius a word", capsule(end_radius="thick"), r"capsules\[1\].*end_radius is 'thick'"),
    ("radius NaN", capsule(end_radius=float("nan")), r"capsules\[1\].*end_radius is nan"),
    ("missing end", capsule("end"), r"capsules\[1\]: the key 'end' is missing"),
    ("misspelt key", capsule(radius=1), r"capsules\[1\]: unknown key 'radius'; did you mean '"),
    ("capsule a word", changed(capsules=["head"]), r"capsules\[0\] must be an object with part,"),
    ("name taken", changed(virtual_joints={"head": "root"}), "virtual_joints.head has a name that"),
    ("function's name", changed(directions={"unit": "head - root"}), "directions.unit has a name"),
    ("bad name", changed(virtual_joints={"left tip": "root"}), "virtual_joints.left tip needs a "),
    (
        "formula no text",
        changed(virtual_joints={"a": 3}),
        "virtual_joints.a must be a formula, got",
    ),
    ("formulas a list", changed(virtual_joints=["a"]), "virtual_joints must be an object of names"),
    (
        "two meanings",
        changed(virtual_joints={"a": "root"}, directions={"a": "head - root"}),
        "'a' is both a direction and a virtual joint",
    ),
    (
        "circle",
        changed(virtual_joints={"a": "b + head - root", "b": "a"}),
        "virtual_joints.a is defined by itself: a -> b -> a",
    ),
    (
        "unknown joint in a formula",
        changed(virtual_joints={"a": "hed + 0.1 * unit(head - root)"}),
        "virtual_joints.a, 'hed .*unknown name 'hed'; did you mean 'head'",
    ),
]


@pytest.mark.parametrize(
    ("content", "words"), [row[1:] for row in MISTAKES], ids=[r[0] for r in MISTAKES]
)
def test_mistakes_in_a_file(tmp_path, content, words):
    path = tmp_path / "my_puppet.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError) as told:
        Puppet(puppet=str(path))
    assert re.search(r"my_puppet\.json.*" + words, str(told.value)), told.value
    if not isinstance(content, str):
        with pytest.raises(ValueError) as told:
            load_puppet(content)
        assert re.search("the puppet given as a dict.*" + words, str(told.value)), told.value


def test_missing_file_and_other_things(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No puppet file .*none\.json.*\(default, slim\)"):
        Puppet(puppet=tmp_path / "none.json")
    with pytest.raises(ValueError, match="must be a JSON file, a dict or None, got 3"):
        load_puppet(3)
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ValueError, match=r"binary\.json is no puppet file"):
        load_puppet(tmp_path / "binary.json")
