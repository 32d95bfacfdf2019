"""The command lines of tools/build_gallery.py and tools/retrieve.py, with a tiny model."""

import logging
import re
import sys

import cv2
import numpy as np
import pytest
import torch
from data_factory import make_tiny_h36m
from part_synth.apis.cli import run_tool
from part_synth.apis.retrieval import gallery_model, read_picture, retrieve
from part_synth.registry import MODELS
from part_synth.retrieval import PoseGallery
from tiny_runs import save_model_checkpoint, tool_main

CONFIG = """
default_scope = "mmpose"
custom_imports = dict(imports=["tiny_embedder"], allow_failed_imports=False)
model = dict(type="part_synth.{model}")
train_dataloader = dict(dataset=dict(ann_file=None))
test_dataloader = dict(
    batch_size=7,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="part_synth.collate"),
    dataset=dict(
        type="part_synth.PoseFrameDataset",
        data_root={root!r},
        split="test",
        crop=dict(size=32, padding=0.9),
    ),
)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data set, a config with its checkpoint, and a gallery of the test split."""
    import tiny_embedder

    folder = tmp_path_factory.mktemp("retrieve")
    root = make_tiny_h36m(folder / "data", subjects=("S1", "S9"), frames=4, unpaired=0)
    for name, model in (("config", "TinyEmbedder"), ("other", "TinyNoEmbedder")):
        (folder / f"{name}.py").write_text(CONFIG.format(model=model, root=str(root)))
    for seed, name in enumerate(("weights", "strangers")):
        torch.manual_seed(seed)
        model = MODELS.build(dict(type="part_synth.TinyEmbedder"))
        save_model_checkpoint(folder / f"{name}.pth", model)
    save_model_checkpoint(folder / "other.pth", tiny_embedder.TinyNoEmbedder())
    (folder / "broken.npz").write_bytes(b"")
    (folder / "text.jpg").write_text("no picture")
    with pytest.MonkeyPatch.context() as patch:
        status = run("build_gallery", folder, patch, *BUILD, "--out", "{tmp}/gallery.npz")
    assert status == 0
    PoseGallery.load(folder / "gallery.npz")
    return folder


BUILD = ("{tmp}/config.py", "{tmp}/weights.pth")


def run(name, folder, monkeypatch, *arguments):
    """Exit status of a tool."""
    monkeypatch.delenv("PART_SYNTH_DEBUG", raising=False)
    words = [str(word).format(tmp=folder) for word in arguments]
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *words])
    return run_tool(tool_main(name))


def first_frame(folder):
    return next((folder / "data" / "images").glob("S9/*Walk*/*_000002.jpg"))


def test_gallery_holds_every_frame_as_the_data_set_gives_it(folder):
    from part_synth.datasets import PoseFrameDataset

    gallery = PoseGallery.load(folder / "gallery.npz")
    dataset = PoseFrameDataset(folder / "data", split="test", crop=dict(size=32, padding=0.9))
    # One person, two clips, two cameras, four frames.
    assert len(gallery) == len(dataset) == 16
    assert set(gallery.subject) == {"S9"} and len(set(gallery.camera)) == 2
    np.testing.assert_allclose(np.linalg.norm(gallery.embeddings, axis=1), 1, rtol=1e-5)
    sample = dataset[11]["data_samples"]
    assert gallery.img_path[11] == sample.img_path
    np.testing.assert_array_equal(gallery.crop_box[11], sample.crop_box[0])
    assert gallery.time[11] == pytest.approx(sample.time[0])
    joints = sample.gt_instances.lifting_target[0]
    np.testing.assert_allclose(gallery.poses[11], joints - joints[0], atol=1e-6)
    info = gallery.embedder
    assert (info.model, info.crop_size, info.background) == ("TinyEmbedder", 32, False)
    assert info.config == str(folder / "config.py")


def test_other_split_and_options(folder, monkeypatch, capsys):
    out = folder / "deep" / "train.npz"
    options = ["--split", "train", "--cfg-options", "test_dataloader.dataset.frame_step=2"]
    assert run("build_gallery", folder, monkeypatch, *BUILD, "--out", out, *options) == 0
    gallery = PoseGallery.load(out)
    assert set(gallery.subject) == {"S1"} and len(gallery) == 8
    assert gallery.embedder.cfg_options == {"test_dataloader.dataset.frame_step": 2}
    said = capsys.readouterr().out
    assert f"8 frames of 1 people and 2 cameras, 12 numbers each, with poses -> {out}" in said


def test_a_frame_of_the_gallery_finds_itself(folder):
    gallery = PoseGallery.load(folder / "gallery.npz")
    model = gallery_model(gallery)
    for row in (0, 9):
        image = read_picture(gallery.img_path[row])
        found = retrieve(image, gallery, 3, model, gallery.crop_box[row])
        assert found.indices[0] == row
        assert found.distances[0] == pytest.approx(0, abs=1e-6)
        assert (np.diff(found.distances) >= 0).all()
        expected = np.linalg.norm(gallery.embeddings - gallery.embeddings[row], axis=1)
        np.testing.assert_allclose(found.distances, np.sort(expected)[:3], atol=1e-5)


def test_the_scene_without_people_is_read_too(folder):
    gallery = PoseGallery.load(folder / "gallery.npz")
    image = read_picture(first_frame(folder))
    plain, told = (retrieve(image, gallery, 1, background=b) for b in (None, image))
    assert plain.distances[0] != told.distances[0]
    with pytest.raises(ValueError, match="background must have the picture's shape"):
        retrieve(image, gallery, 1, background=image[:5])


@pytest.mark.parametrize("topk", [2, 8])
def test_writes_a_sheet(folder, monkeypatch, capsys, topk):
    out = folder / "sheets" / f"{topk}.png"
    arguments = ["--gallery", "{tmp}/gallery.npz", "--topk", topk, "--out", out]
    assert run("retrieve", folder, monkeypatch, first_frame(folder), *arguments) == 0
    sheet = cv2.imread(str(out))
    # The query and 2: one line; the query and 8: two lines of at most 6. Pictures over poses.
    lines, columns = (1, 3) if topk == 2 else (2, 6)
    assert sheet.shape == (lines * (18 + 4 + 2 * 164), 4 + columns * 164, 3)
    said = capsys.readouterr().out
    assert len(re.findall(r"\d: distance 0\.\d+, person S9, clip", said)) == topk
    assert f"{topk} of 16 frames -> {out}" in said


def test_missing_pictures_and_poses_leave_cells_empty(folder, monkeypatch):
    gallery = PoseGallery.load(folder / "gallery.npz")
    gallery.img_path = np.array(["/nowhere.jpg"] * len(gallery))
    gallery.poses = None
    gallery.save(folder / "moved.npz")
    out = folder / "moved.png"
    arguments = ["--gallery", "{tmp}/moved.npz", "--topk", 1, "--out", out]
    assert run("retrieve", folder, monkeypatch, first_frame(folder), *arguments) == 0
    assert cv2.imread(str(out)).shape == (18 + 4 + 164, 4 + 2 * 164, 3)


def test_the_log_counts_missing_pictures(folder, monkeypatch):
    gallery = PoseGallery.load(folder / "gallery.npz")
    gallery.img_path = gallery.img_path.copy()
    query = read_picture(gallery.img_path[0])
    told = []
    monkeypatch.setattr(
        "part_synth.apis.retrieval.print_log",
        lambda text, logger, level: told.append((text, level)),
    )
    found = retrieve(query, gallery, 5)
    found.draw(cell=40)
    assert not told
    gone = found.indices[[1, 3]]
    gallery.img_path[gone] = "/nowhere.jpg"
    sheet = found.draw(cell=40)
    assert len(told) == 1 and told[0][1] == logging.WARNING
    assert told[0][0].startswith("2 of 5 pictures can't be read (first: /nowhere.jpg); their poses")
    # The second cell in the first row of pictures is empty, its pose below is drawn.
    cell = sheet[18 + 4 : 18 + 4 + 36, 4 + 2 * 44 : 2 * 44 + 40]
    pose = sheet[18 + 4 + 44 :, 4 + 2 * 44 : 2 * 44 + 40]
    assert cell.std() == 0 and pose.std() > 0


def test_a_sheet_has_at_most_so_many_frames(folder, monkeypatch):
    monkeypatch.setattr("part_synth.apis.retrieval.MAX_DRAWN", 3)
    told = []
    monkeypatch.setattr(
        "part_synth.apis.retrieval.print_log", lambda text, logger, level: told.append(text)
    )
    gallery = PoseGallery.load(folder / "gallery.npz")
    image = read_picture(first_frame(folder))
    few, many = (retrieve(image, gallery, topk) for topk in (3, 16))
    np.testing.assert_array_equal(many.draw(), few.draw())
    assert told == ["The sheet shows the 3 nearest of 16 frames; 13 are left out of it."]
    assert len(many.indices) == 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/none.py", "{tmp}/weights.pth"], r"Config .*none\.py does not exist"),
        (["{tmp}/config.py", "{tmp}/none.pth"], r"Checkpoint .*none\.pth does not exist"),
        (
            ["{tmp}/config.py", "{tmp}/other.pth"],
            r"other\.pth does not fit the model of \S*config\.py; give the config that it was "
            r"trained with\.\n",
        ),
        (["{tmp}/other.py", "{tmp}/other.pth"], "TinyNoEmbedder makes no embeddings"),
        ([*BUILD, "--out", "gallery.pkl"], r"--out must end with \.npz, got gallery\.pkl"),
        ([*BUILD, "--out", "{tmp}/config.py/g.npz"], "below a file"),
        ([*BUILD, "--device", "abacus"], "device 'abacus' can't be used"),
        ([*BUILD, "--split", "val"], "val"),
        ([*BUILD, "--cfg-options", "test_dataloader.dataset.data_root=/none"], "/none"),
        ([*BUILD, "--cfg-options", "test_dataloader=None"], "no test_dataloader"),
    ],
)
def test_mistakes_in_building(folder, monkeypatch, capfd, arguments, message):
    default = [] if "--out" in arguments else ["--out", "{tmp}/new.npz"]
    assert run("build_gallery", folder, monkeypatch, *arguments, *default) == 2
    check_told(capfd, message)
    assert not (folder / "new.npz").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/none.jpg"], r"There is no image .*none\.jpg"),
        (["{tmp}/text.jpg"], r"text\.jpg can't be read as an image"),
        (["--gallery", "{tmp}/none.npz"], r"no gallery .*none\.npz.*build_gallery\.py"),
        (["--gallery", "{tmp}/broken.npz"], r"broken\.npz \(0 bytes\) can't be read"),
        (["--gallery", "{tmp}/config.py"], r"config\.py .* can't be read as a gallery"),
        (["--topk", "17"], "topk=17 neighbours are asked for, but the gallery holds 16 frames"),
        (["--topk", "0"], "topk=0 neighbours"),
        (["--box", "10", "10", "0"], "box must be the centre x, the centre y and the side"),
        (["--box", "900", "10", "20"], "lies outside of the picture of 96 x 96"),
        (["--background", "{tmp}/none.png"], r"There is no image .*none\.png"),
        (["--checkpoint", "{tmp}/strangers.pth"], r"strangers\.pth is not the one that embedded"),
        (["--checkpoint", "{tmp}/none.pth"], r"Checkpoint .*none\.pth does not exist"),
        (["--config", "{tmp}/other.py"], "does not fit the model"),
        (["--device", "abacus"], "device 'abacus' can't be used"),
        (["--out", "sheet.gif"], r"--out must end with \.png"),
        (["--out", "{tmp}/config.py/s.png"], "below a file"),
    ],
)
def test_mistakes_in_searching(folder, monkeypatch, capfd, arguments, message):
    image = [] if not arguments[0].startswith("-") else [first_frame(folder)]
    gallery = [] if "--gallery" in arguments else ["--gallery", "{tmp}/gallery.npz"]
    out = [] if "--out" in arguments else ["--out", "{tmp}/new.png"]
    assert run("retrieve", folder, monkeypatch, *image, *arguments, *gallery, *out) == 2
    check_told(capfd, message)
    assert not (folder / "new.png").exists()


def test_a_gallery_whose_model_is_gone(folder, monkeypatch, capfd):
    import dataclasses

    gallery = PoseGallery.load(folder / "gallery.npz")
    for name, value in (("checkpoint", "http://example.org/w.pth"), ("config", "")):
        gallery.embedder = dataclasses.replace(gallery.embedder, **{name: value})
        gallery.save(folder / "gone.npz")
        arguments = ["--gallery", "{tmp}/gone.npz", "--out", "{tmp}/new.png"]
        assert run("retrieve", folder, monkeypatch, first_frame(folder), *arguments) == 2
        check_told(capfd, f"not there. Say where it is now with --{name}")


def check_told(capfd, message):
    told = capfd.readouterr().err
    assert told.startswith("error: ") or "\nerror: " in told
    assert re.search(message, told), told
    assert "Traceback (most recent call last)" not in told


@pytest.mark.parametrize("read", ["query", "gallery", "background"])
def test_nothing_that_is_read_is_overwritten(folder, tmp_path, monkeypatch, capfd, read):
    files = {"query": tmp_path / "query.png", "background": tmp_path / "empty.png"}
    for file in files.values():
        cv2.imwrite(str(file), cv2.imread(str(first_frame(folder))))
    # A gallery is found by its content, whatever its name.
    files["gallery"] = tmp_path / "gallery.png"
    files["gallery"].write_bytes((folder / "gallery.npz").read_bytes())
    before = files[read].read_bytes()
    (tmp_path / "link.png").symlink_to(files[read])
    for out in (files[read], tmp_path / "link.png"):
        status = run(
            "retrieve",
            folder,
            monkeypatch,
            files["query"],
            "--gallery",
            files["gallery"],
            "--background",
            files["background"],
            "--out",
            out,
        )
        assert status == 2
        check_told(capfd, f"--out .*would overwrite .*{files[read].name}, which is read here")
        assert files[read].read_bytes() == before
