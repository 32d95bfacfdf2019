import pickle

import numpy as np
import pytest
import torch
from data_factory import make_tiny_h36m
from part_synth.datasets import MultiViewDataset, collate

CAMERAS = ("a", "b", "c")
LABELLED = {"fraction": 0.3, "seed": 1}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two people, two clips of eight instants each, three cameras; read only."""
    folder = tmp_path_factory.mktemp("views")
    return make_tiny_h36m(folder, subjects=("S1", "S5"), cameras=CAMERAS, frames=8, size=32)


def views(root, **options):
    return MultiViewDataset(root, **{"split": "train", "crop": {"size": 8}, **options})


def infos(data, epochs=1):
    return [data.get_data_info(i) for i in range(epochs * len(data))]


# ---- instants -----------------------------------------------------------------------------------


@pytest.mark.parametrize("test_mode", [False, True])
def test_views_of_one_instant(tmp_path, test_mode):
    root = make_tiny_h36m(tmp_path, subjects=("S1",), cameras=("a", "b", "c"), frames=4, size=32)
    data = MultiViewDataset(root, num_views=2, test_mode=test_mode, crop={"size": 8})
    assert len(data) == 2 * 4
    pairs = set()
    for info in infos(data, epochs=10):
        assert len(set(info["clip"])) == len(set(info["frame"].tolist())) == 1
        assert len(set(info["camera_name"])) == 2
        pairs.add(tuple(info["camera_name"]))
        # The same person in the world.
        camera = info["camera"]
        world = np.einsum("vji,vkj->vki", camera["rotation"], info["joints"])
        world += camera["position"][:, None]
        np.testing.assert_allclose(world[0], world[1], atol=1e-4)
    assert len(pairs) == (1 if test_mode else 6)
    assert data[0]["inputs"]["image"].shape == (2, 3, 8, 8)


def test_too_few_cameras(h36m_root):
    with pytest.raises(ValueError, match=r"seen by 3 cameras; the most is 2"):
        MultiViewDataset(h36m_root, num_views=3)


def test_instants_by_step(tmp_path):
    root = make_tiny_h36m(tmp_path, subjects=("S1",), frames=5, size=32)
    data = MultiViewDataset(root, frame_step=2)
    assert [int(data.get_data_info(i)["frame"][0]) for i in range(len(data))] == [1, 3, 5] * 2


def test_what_is_told_about_instants_fits_the_samples(root):
    data = views(root, frame_step=3, labelled=LABELLED)
    known = data.instants
    assert {len(value) for value in known.values()} == {len(data)} == {2 * 2 * 3}
    for i, info in enumerate(infos(data)):
        assert set(info["subject"]) == {known["subject"][i]}
        assert set(info["clip"]) == {known["clip"][i]}
        assert set(info["time"].tolist()) == {known["time"][i]}
        assert np.isfinite(info["joints"]).all() == known["labelled"][i]


def test_people_have_numbers(root):
    data = views(root)
    numbers = {}
    for info in infos(data):
        numbers.setdefault(info["subject"][0], set()).add(info["subject_id"])
    assert numbers == {"S1": {0}, "S5": {1}}
    sample = data[len(data) - 1]["data_samples"]
    assert sample.metainfo["subject_id"] == 1
    assert sample.metainfo["subject"] == "S5"


def test_instants_that_few_cameras_saw_are_left_out_and_counted(root, monkeypatch):
    from part_synth.datasets import FrameDataset, multi_view

    said = []
    monkeypatch.setattr(multi_view, "print_log", lambda text, **_: said.append(text))
    complete = FrameDataset._read_index

    def with_gaps(self):
        index = complete(self)
        return index.select(~((index.column("camera") == "b") & (index.frame > 5)))

    monkeypatch.setattr(FrameDataset, "_read_index", with_gaps)
    data = views(root, num_views=3)
    assert len(data) == 2 * 2 * 5
    assert all(info["frame"].max() <= 5 for info in infos(data))
    assert "12 of 32 instants were seen by fewer than 3 cameras" in said[0]
    assert len(views(root, num_views=2)) == 32


def test_a_clip_with_one_view_only(root):
    with pytest.raises(ValueError, match=r"seen by 2 cameras; the most is 1.*camera_offsets"):
        views(root, cameras=["a"])


def test_one_view_is_not_several():
    with pytest.raises(ValueError, match="num_views"):
        MultiViewDataset("nowhere", num_views=1)


# ---- hidden labels ------------------------------------------------------------------------------


def leaves(value):
    """All arrays, numbers and strings in nested containers."""
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in leaves(part)]
    if isinstance(value, list | tuple):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


def numbers_of(sample):
    """All numbers of a packed sample, apart from its pictures and the box they were cut from."""
    parts = dict(sample.metainfo)
    parts.pop("crop_box")
    found = leaves(parts)
    for name in ("gt_instances", "gt_fields"):
        found += leaves(dict(getattr(sample, name).items())) if name in sample else []
    arrays = [np.asarray(leaf, dtype=np.float64) for leaf in found if not isinstance(leaf, str)]
    return np.concatenate([array.ravel() for array in arrays])


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_no_label_of_other_instants_leaves_the_data_set(root, flip):
    crop = {"size": 8, "flip": flip}
    data = views(root, labelled=LABELLED, crop=crop, num_views=3)
    open_data = views(root, crop=crop, num_views=3)
    labelled = data.instants["labelled"]
    assert 0 < labelled.sum() < len(data)
    for i in range(len(data)):
        hidden, shown = data[i], open_data[i]
        # The pictures are the same, and so is where they were cut out.
        torch.testing.assert_close(hidden["inputs"], shown["inputs"])
        hidden, shown = hidden["data_samples"], shown["data_samples"]
        np.testing.assert_array_equal(hidden.crop_box, shown.crop_box)
        if labelled[i]:
            for name, value in shown.gt_instances.items():
                np.testing.assert_array_equal(hidden.gt_instances[name], value)
            np.testing.assert_array_equal(hidden.camera_rotation, shown.camera_rotation)
            np.testing.assert_array_equal(hidden.gt_fields.part_labels, shown.gt_fields.part_labels)
            continue
        truth = hidden.gt_instances
        for name in ("lifting_target", "keypoints", "crop_keypoints"):
            assert np.isnan(truth[name]).all()
        for name in ("lifting_target_visible", "keypoints_visible"):
            assert not truth[name].any()
        assert "camera_param" not in hidden.metainfo
        assert "camera_rotation" not in hidden.metainfo
        assert "gt_fields" not in hidden
        # No number of the labels is found anywhere else.
        secrets = [shown.gt_instances[n] for n in ("lifting_target", "keypoints", "crop_keypoints")]
        secrets += [*shown.camera_param.values(), shown.camera_rotation]
        secrets = np.concatenate([np.asarray(value, np.float64).ravel() for value in secrets])
        # Numbers that anything may have by chance: the image centre, zero, one.
        secrets = secrets[np.abs(secrets - np.round(2 * secrets) / 2) > 1e-6]
        assert len(secrets) > 300
        assert not np.isin(secrets, numbers_of(hidden)).any()
        assert np.isin(secrets, numbers_of(shown)).all()


def test_hiding_labels_changes_no_annotation(root):
    data = views(root, labelled={"fraction": 0.0})
    before = data.index.joints.copy()
    for info in infos(data):
        assert np.isnan(info["joints"]).all()
    np.testing.assert_array_equal(data.index.joints, before)
    assert np.isfinite(data.index.cameras.rotation).all()


def test_labels_of_one_person(root):
    data = views(root, labelled={"subjects": ["S5"]})
    for info in infos(data):
        assert np.isfinite(info["joints"]).all() == (info["subject"][0] == "S5")
    with pytest.raises(ValueError, match="No person named S9"):
        views(root, labelled={"subjects": ["S9"]})


def test_the_same_instants_are_labelled_in_every_epoch_and_copy(root):
    data = views(root, labelled=LABELLED)
    again = pickle.loads(pickle.dumps(data))
    for i in range(3 * len(data)):
        finite = np.isfinite(data.get_data_info(i)["joints"]).all()
        assert finite == data.instants["labelled"][i % len(data)]
        assert finite == np.isfinite(again.get_data_info(i)["joints"]).all()


@pytest.mark.parametrize("indices", [5, -5, [30, 2, 17, 3]])
def test_a_subset_keeps_the_labels_of_its_own_instants(root, indices):
    whole = views(root, labelled={"fraction": 0.5})
    every = np.arange(32)
    places = {"5": every[:5], "-5": every[-5:]}.get(str(indices), every[indices])
    part = views(root, labelled={"fraction": 0.5}, indices=indices, lazy_init=True)
    part.full_init()
    for subset in (part, whole.get_subset(indices)):
        assert len(subset) == len(places)
        for name, value in subset.instants.items():
            np.testing.assert_array_equal(value, whole.instants[name][places])
        for i, place in enumerate(places):
            info, wanted = subset.get_data_info(i), whole.get_data_info(int(place))
            assert set(info["frame_ids"]) <= set(whole._instants[int(whole.data_list[place])])
            assert np.isnan(info["joints"]).all() == np.isnan(wanted["joints"]).all()
            assert info["subject_id"] == wanted["subject_id"]


def test_labelled_and_other_instants_make_one_batch(root):
    data = views(root, labelled=LABELLED)
    batch = collate([data[i] for i in range(8)])
    assert batch["inputs"]["image"].shape == (8, 2, 3, 8, 8)
    targets = np.stack([s.gt_instances.lifting_target for s in batch["data_samples"]])
    finite = np.isfinite(targets).all((1, 2, 3))
    np.testing.assert_array_equal(finite, data.instants["labelled"][:8])


# ---- cameras that were started apart ------------------------------------------------------------


def test_offsets_bring_frames_of_one_instant_together(root):
    data = views(root, num_views=3, camera_offsets={"b": 0.2, "c": -0.1})
    # 10 frames a second: frame n of a, n + 2 of b and n - 1 of c, where all three are there.
    assert len(data) == 2 * 2 * 5
    for info in infos(data):
        number = {
            camera: int(path.split("_")[-1].split(".")[0])
            for camera, path in zip(info["camera_name"], info["img_path"], strict=True)
        }
        assert number["b"] - number["a"] == 2
        assert number["c"] - number["a"] == -1
        assert info["frame"].tolist() == [number["a"]] * 3
        assert len(set(info["time"].tolist())) == 1


def test_offsets_undo_what_a_late_start_did(tmp_path):
    """A camera whose numbers are late shows the same person at other numbers."""
    folder = make_tiny_h36m(tmp_path, subjects=("S1",), cameras=("a", "b"), frames=10, size=32)
    path = folder / "annotation_body3d" / "train.npz"
    rows = dict(np.load(path))
    # Camera b names its frame n what is n - 3 in truth: drop the last three of b, shift the rest.
    is_b = np.array([".b/" in name for name in rows["imgname"]])
    frame = np.array([int(name[-10:-4]) for name in rows["imgname"]])
    source, keep = np.arange(len(frame)), ~is_b | (frame > 3)
    source[is_b] -= 3
    named = rows["imgname"][keep]
    rows = {name: value[source[keep]] for name, value in rows.items()}
    np.savez(path, **{**rows, "imgname": named})

    def distance(**options):
        worst = 0.0
        for info in infos(views(folder, **options)):
            camera = info["camera"]
            world = np.einsum("vji,vkj->vki", camera["rotation"], info["joints"])
            world += camera["position"][:, None]
            worst = max(worst, float(np.abs(world[0] - world[1]).max()))
        return worst

    assert distance() > 0.05
    assert distance(camera_offsets={"b": 0.3}) < 1e-4


def test_offsets_are_rounded_to_frames_of_each_clip(root):
    near = views(root, camera_offsets={"b": 0.04}, test_mode=True)
    assert infos(near)[0]["img_path"] == infos(views(root, test_mode=True))[0]["img_path"]


def test_offsets_of_unknown_cameras(root):
    for wrong in ({"x": 0.1, "a": 0.1}, {"a": "abc"}, {"a": np.nan}, [0.1]):
        with pytest.raises(ValueError, match="must give seconds for cameras among a, b, c"):
            views(root, camera_offsets=wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (dict(num_views=2.5), "num_views"),
        (dict(num_views="two"), "num_views"),
        (dict(labelled=5), "labelled"),
        (dict(labelled=dict(fraction="abc")), "fraction"),
        (dict(labelled=dict(seed=-1)), "seed"),
        (dict(labelled=dict(frction=0.1)), "frction"),
        (dict(pseudo_labels="yes"), "pseudo_labels"),
        (dict(pseudo_labels=dict(wieght=0.5)), "wieght"),
        (dict(pseudo_labels=dict(weight="abc")), "weight"),
    ],
)
def test_wrong_values_are_named(root, wrong, said):
    with pytest.raises(ValueError, match=said):
        views(root, **wrong)


def test_offsets_beyond_the_clip(root):
    with pytest.raises(ValueError, match="seen by 3 cameras; the most is 2"):
        views(root, num_views=3, camera_offsets={"b": 30.0})


def test_the_log_says_how_many_labels_are_left(root, monkeypatch):
    from part_synth.datasets import multi_view

    said = []
    monkeypatch.setattr(multi_view, "print_log", lambda text, **_: said.append(text))
    views(root, labelled={"subjects": "S1", "fraction": 0.5})
    assert "8 of 32 instants keep their labels, of 1 people" in said[0]


# ---- instants without labels --------------------------------------------------------------------


@pytest.fixture(scope="module")
def sparse(tmp_path_factory):
    """S1's frames from 5 on have no 3D joint, in each of the ways to say so; S5's have all."""
    folder = tmp_path_factory.mktemp("sparse")
    root = make_tiny_h36m(folder, subjects=("S1", "S5"), cameras=("a", "b"), frames=8, size=32)
    path = root / "annotation_body3d" / "train.npz"
    rows = dict(np.load(path))
    frame = np.array([int(name[-10:-4]) for name in rows["imgname"]])
    mine = np.array([name.startswith("S1") for name in rows["imgname"]])
    joints = rows["S"]
    joints[..., 3] = 1
    joints[mine & (frame == 5), :, :3] = np.nan
    joints[mine & (frame == 6), :, 3] = 0
    joints[mine & (frame == 7), :, 3] = np.nan
    joints[mine & (frame == 8)] = np.nan
    # Some labels are labels; a visibility of NaN counts as 0.
    joints[mine & (frame == 1), 3, 3] = np.nan
    joints[mine & (frame == 2) & (np.arange(len(frame)) % 2 == 0), :] = 0
    np.savez(path, **rows)
    return root


@pytest.mark.parametrize("labelled", [None, {"subjects": ["S1"]}, {"fraction": 0.5}])
def test_instants_without_labels_are_not_labelled(sparse, monkeypatch, labelled):
    from part_synth.datasets import multi_view

    said = []
    monkeypatch.setattr(multi_view, "print_log", lambda text, **_: said.append(text))
    data = views(sparse, labelled=labelled)
    known = data.instants
    number = np.array([int(data.get_data_info(i)["frame"][0]) for i in range(len(data))])
    has = (known["subject"] == "S5") | (number < 5)
    # Two clips: S1 has 8 instants with labels and 8 without, S5 has 16.
    wanted = {"None": 24, "{'subjects': ['S1']}": 8, "{'fraction': 0.5}": 12}[str(labelled)]
    assert known["labelled"].sum() == wanted
    assert not known["labelled"][~has].any()
    assert f"{wanted} of 32 instants keep their labels" in said[-1]
    assert "8 instants that are to be labelled have no 3D joint and count as unl" in said[-1]
    only = views(sparse, labelled=labelled, only_labelled=True)
    assert len(only) == wanted
    for i in range(len(data)):
        visible = data.get_data_info(i)["joints_visible"]
        assert np.isfinite(visible).all() and (known["labelled"][i] or not visible.any())


def test_instants_without_labels_get_pseudo_labels(sparse):
    data = views(sparse, pseudo_labels={"weight": 0.25})
    labelled = data.instants["labelled"]
    assert (~labelled).sum() == 8
    for i in np.flatnonzero(~labelled).tolist():
        info = data.get_data_info(i)
        assert np.isfinite(info["joints"]).all() and (info["joints_visible"] == 0.25).all()


def test_people_by_number(sparse):
    with pytest.raises(ValueError, match=r"`labelled\.subjects` must be a list.*got 1"):
        views(sparse, labelled={"subjects": 1})
