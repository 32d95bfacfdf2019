"""Galleries on disk: what is written is read, and nothing else is."""

from pathlib import Path

import numpy as np
import pytest
import torch
from part_synth.retrieval import EmbedderInfo, PoseGallery, model_fingerprint
from torch import nn

EMBEDDER = EmbedderInfo("f" * 64, "Model", "/c.py", "/w.pth", 32, True, {"model.dims": [1, 2]})


def make_gallery(frames=6, **changes):
    rng = np.random.default_rng(0)
    columns = dict(
        embeddings=rng.normal(size=(frames, 8)),
        img_path=[f"/img/ünï {i}.jpg" for i in range(frames)],
        crop_box=rng.uniform(1, 90, (frames, 3)),
        subject=["S9"] * frames,
        clip=["Walk"] * frames,
        camera=["a", "b"] * (frames // 2),
        time=np.arange(frames) / 10,
        poses=rng.normal(size=(frames, 17, 3)),
        embedder=EMBEDDER,
    )
    return PoseGallery(**{**columns, **changes})


@pytest.mark.parametrize("poses", [True, False])
def test_round_trip(tmp_path, poses):
    changes = {} if poses else dict(poses=None)
    gallery, path = make_gallery(**changes), tmp_path / "deep" / "gallery.npz"
    gallery.save(path)
    again = PoseGallery.load(path)
    for name in ("embeddings", "img_path", "crop_box", "subject", "clip", "camera", "time"):
        np.testing.assert_array_equal(getattr(again, name), getattr(gallery, name))
        assert getattr(again, name).dtype == getattr(gallery, name).dtype
    if poses:
        np.testing.assert_array_equal(again.poses, gallery.poses)
    assert (again.poses is None) == (not poses)
    assert again.embedder == EMBEDDER
    assert [file.name for file in path.parent.iterdir()] == ["gallery.npz"]


def test_pictures_and_gallery_move_together(tmp_path):
    """Below the gallery and beside it; files elsewhere keep their place."""
    home = tmp_path / "old" / "home"
    near = [home / "galleries" / "img" / "ü.jpg", home / "photos" / "b.jpg"]
    # The last begins like the folder of the gallery, and is another one.
    far = [tmp_path / "elsewhere" / "c.jpg", tmp_path / "old" / "home2" / "d.jpg"]
    paths = [str(path) for path in near + far]
    gallery = make_gallery(4, img_path=paths)
    gallery.save(home / "galleries" / "g.npz")
    assert gallery.img_path.tolist() == paths
    with np.load(home / "galleries" / "g.npz") as data:
        written = data["img_path"].tolist()
    assert written == ["img/ü.jpg", "../photos/b.jpg", *paths[2:]]
    assert PoseGallery.load(home / "galleries" / "g.npz").img_path.tolist() == paths
    home.rename(tmp_path / "new")
    moved = PoseGallery.load(tmp_path / "new" / "galleries" / "g.npz").img_path.tolist()
    new = [tmp_path / "new" / path.relative_to(home) for path in near]
    assert moved == [*map(str, new), *paths[2:]]


def test_a_gallery_in_a_folder_of_the_root_keeps_what_is_not_below():
    from part_synth.retrieval.gallery import _relative_paths

    paths = np.array(["/one/a.jpg", "/two/b.jpg"])
    assert _relative_paths(paths, Path("/one")).tolist() == ["a.jpg", "/two/b.jpg"]
    assert _relative_paths(paths, Path("/")).tolist() == ["one/a.jpg", "two/b.jpg"]


def test_galleries_of_the_first_version_still_load(tmp_path):
    gallery, path = make_gallery(), tmp_path / "g.npz"
    gallery.save(path)
    with np.load(path) as data:
        arrays = dict(data)
    arrays["version"] = np.array(1)
    arrays["img_path"] = np.array([str(tmp_path / f"{i}.jpg") for i in range(len(gallery))])
    np.savez(path, **arrays)
    assert PoseGallery.load(path).img_path.tolist() == arrays["img_path"].tolist()


def test_a_broken_off_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "gallery.npz"
    make_gallery().save(path)
    before = path.read_bytes()

    def fail(file, **arrays):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(OSError, match="disk full"):
        make_gallery(4).save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["gallery.npz"]


def test_search_refuses_the_query_of_another_model():
    gallery = make_gallery()
    found = gallery.search(gallery.embeddings[3], 2, EMBEDDER.fingerprint, backend="torch")
    assert found.indices[0, 0] == 3 and found.distances[0, 0] == 0
    with pytest.raises(ValueError, match=r"not the one that embedded the gallery.*/c\.py"):
        gallery.search(gallery.embeddings[3], 2, "0" * 64)


def test_fingerprint_is_of_the_weights_alone():
    def build(seed):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))

    assert model_fingerprint(build(0)) == model_fingerprint(build(0).eval())
    assert model_fingerprint(build(0)) != model_fingerprint(build(1))
    assert model_fingerprint(build(0)) != model_fingerprint(build(0).bfloat16())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(embeddings=np.zeros((0, 8))), "at least one frame"),
        (dict(embeddings=np.full((6, 8), np.nan)), "diverged"),
        (dict(crop_box=np.zeros((6, 4))), r"crop_box must have shape \(6, 3\), got \(6, 4\)"),
        (dict(camera=["a"] * 5), r"camera must have shape \(6,\), got \(5,\)"),
        (dict(poses=np.zeros((6, 16, 3))), r"poses must have shape \(6, 17, 3\)"),
    ],
)
def test_wrong_columns(changes, message):
    with pytest.raises(ValueError, match=message):
        make_gallery(**changes)


def write_foreign(path, kind):
    """A file that is no gallery."""
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("hello")
    elif kind == "npy":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif kind == "foreign":
        np.savez(path, xyz=np.zeros((2, 17, 3)))
    elif kind == "pickle":
        np.savez(path, format=np.array({"a": 1}, dtype=object))
    else:
        make_gallery().save(path)
        content = path.read_bytes()
        if kind == "cut":
            path.write_bytes(content[: len(content) // 2])
            return
        with np.load(path) as data:
            arrays = dict(data)
        if kind == "later":
            arrays["version"] = np.array(99)
        elif kind == "unnamed":
            arrays["embedder"] = np.array("{}")
        elif kind == "lacking":
            del arrays["time"]
        elif kind == "short":
            arrays["clip"] = arrays["clip"][:2]
        np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("empty", r"\(0 bytes\) can't be read as a gallery"),
        ("text", "can't be read as a gallery"),
        ("npy", "can't be read as a gallery"),
        ("cut", "cut short"),
        ("pickle", "can't be read as a gallery"),
        ("foreign", r"is no pose gallery; it holds the arrays \['xyz'\]"),
        ("later", "version 99, this package reads 2"),
        ("unnamed", "model that embedded the gallery is not named"),
        ("lacking", "missing 1 required"),
        ("short", r"clip must have shape \(6,\), got \(2,\)\. Build"),
    ],
)
def test_files_that_are_no_gallery(tmp_path, kind, message):
    write_foreign(tmp_path / "g.npz", kind)
    with pytest.raises(ValueError, match=message):
        PoseGallery.load(tmp_path / "g.npz")


def test_no_file_and_no_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no gallery .*build_gallery\.py"):
        PoseGallery.load(tmp_path / "none.npz")
    with pytest.raises(ValueError, match=r"saved as \.npz"):
        make_gallery().save(tmp_path / "g.pkl")
