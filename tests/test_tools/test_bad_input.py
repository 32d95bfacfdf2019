"""What users get wrong with the tools, and the sentence or two that each of them must see.

A new row: a name, the tool, its arguments ('{tmp}' is an empty folder with checkpoints in it, see
`folder`), --cfg-options, and words that the message must hold.
"""

import re
from pathlib import Path

import pytest
import tiny_project
import torch
from part_synth.apis.errors import explain
from part_synth.registry import DATASETS
from tiny_runs import TINY_CONFIG, run

TINY = str(TINY_CONFIG)
WORK = ("--work-dir", "{tmp}/work")

TRAIN = [
    ("missing config", ["{tmp}/none.py"], [], r"Config .*none\.py does not exist"),
    ("config with a syntax error", ["{tmp}/broken.py"], [], r"broken\.py can.t be read"),
    ("model that is no dict", ["{tmp}/number.py"], [], "config's model must be a dict, got 3"),
    ("section that is no dict", [TINY], ["val_cfg=1"], "config's val_cfg must be a dict, got 1"),
    ("config without a model", ["{tmp}/no_model.py"], [], "lacks the key 'model'"),
    (
        "misspelt section of a config",
        ["{tmp}/misspelt.py"],
        [],
        r"unknown key 'train_dataloder'. Did you mean 'train_dataloader'\?",
    ),
    (
        "missing base config",
        ["{tmp}/no_base.py"],
        [],
        r"nowhere\.py",
    ),
    (
        "misspelt --cfg-options",
        [TINY],
        ["modle.type=X"],
        r"--cfg-options has the unknown key 'modle'. Did you mean 'model'\?",
    ),
    (
        "missing prefix",
        [TINY],
        ["custom_hooks.1.type=EpochSeedHook"],
        r"'EpochSeedHook' is not registered: the config must write type='part_synth.EpochSeedHook'",
    ),
    (
        "option below something that is not there",
        [TINY],
        ["custom_hooks.9.steps=3"],
        r"--cfg-options custom_hooks\.9\.steps=3 does not fit the config",
    ),
    ("part without a type", [TINY], ["default_hooks.x.y=1"], r"has no type='...': {'y': 1}"),
    (
        "misspelt name",
        [TINY],
        ["custom_hooks.1.type=part_synth.EpochSedHook"],
        r"did you mean type='part_synth.EpochSeedHook'\?",
    ),
    (
        "unknown key of a part",
        [TINY],
        ["model.widht=3"],
        r"gives TinyModel the unknown key 'widht': did you mean 'width'\?",
    ),
    (
        "unknown key of a hook",
        [TINY],
        ["default_hooks.checkpoint.max_kep_ckpts=3", "default_hooks.badcase.type=BadCase"],
        r"'BadCase' is not registered: did you mean type='part_synth.BadCaseHook'\?",
    ),
    (
        "missing key of a part",
        [TINY],
        ["default_hooks.x.type=part_synth.ObjectiveScheduleHook"],
        r"config of ObjectiveScheduleHook is incomplete: missing 1 required .*'phases'",
    ),
    (
        "submodule without an optimiser",
        [TINY],
        ["optim_wrapper.decoder.modules=encoder"],
        r"encoder\.0\.weight belongs to several optimisers",
    ),
    ("resume from nothing", [TINY, "--resume", "{tmp}/none.pth"], [], r"none\.pth does not exist"),
    (
        "resume from another model",
        [TINY, "--resume", "{tmp}/tiny.pth"],
        ["model.width=9"],
        "The checkpoint is of another model: 5 of the 8 parameters of TinyModel",
    ),
    (
        "resume from weights only",
        [TINY, "--resume", "{tmp}/best.pth"],
        [],
        r"best\.pth holds weights only.* Resume from an epoch_N\.pth",
    ),
    (
        "resume from the package's weights",
        [TINY, "--resume", "part_synth://part_synth_synthetic_long"],
        [],
        r"part_synth_synthetic_long holds weights only.* load_from=FILE",
    ),
    (
        "resume from a finished run of another folder",
        [TINY, "--resume", "{tmp}/finished.pth"],
        ["train_cfg.max_epochs=3"],
        r"finished\.pth of another folder has 3 epochs behind it, and the config ends after 3",
    ),
    ("load_from nothing", [TINY], ["load_from={tmp}/none.pth"], r"none\.pth"),
    (
        "load_from another model, data not yet made",
        [TINY],
        ["load_from={tmp}/other.pth", "train_dataloader.dataset.type=NotMade"],
        "another model: 8 of the 8 parameters",
    ),
    ("--auto-scale-lr unprepared", ["{tmp}/no_scale.py", "--auto-scale-lr"], [], "base_batch_size"),
    ("--amp with a strange wrapper", [TINY, "--amp"], ["optim_wrapper.encoder.type=Apex"], "Apex"),
    ("--show-dir unprepared", [TINY, "--show-dir", "{tmp}"], [], "default_hooks.visualization"),
    (
        "batches of nothing",
        [TINY],
        ["train_dataloader.batch_size=0"],
        r"train_dataloader\.batch_size must be a whole number of at least 1, got 0",
    ),
    (
        "fewer than no workers",
        [TINY],
        ["val_dataloader.num_workers=-1"],
        r"val_dataloader\.num_workers must be a whole number of at least 0, got -1",
    ),
    ("no epochs", [TINY], ["train_cfg.max_epochs=0"], r"train_cfg\.max_epochs must be .* got 0"),
    ("half an epoch", [TINY], ["train_cfg.max_epochs=0.5"], r"max_epochs must be .* got 0\.5"),
    (
        "prior without steps",
        [TINY],
        ["default_hooks.x.type=part_synth.PosePriorHook", "default_hooks.x.steps=0"],
        "steps of PosePriorHook must be at least 1, got 0",
    ),
    (
        "--show without a display",
        [TINY, "--show"],
        ["default_hooks.visualization.type=X"],
        "display",
    ),
    ("--launcher by hand", [TINY, "--launcher", "pytorch"], [], r"dist_train\.sh"),
]

TEST = [
    ("missing checkpoint", [TINY, "{tmp}/none.pth"], [], r"none\.pth does not exist"),
    ("empty checkpoint", [TINY, "{tmp}/empty.pth"], [], r"empty\.pth \(0 bytes\) can.t be read"),
    ("checkpoint cut short", [TINY, "{tmp}/half.pth"], [], r"half\.pth .* can.t be read"),
    ("rubbish that begins like a pickle", [TINY, "{tmp}/stack.pth"], [], "damaged or not a torch"),
    ("damaged old checkpoint", [TINY, "{tmp}/rubbish.pth"], [], "damaged or not a torch"),
    (
        "checkpoint of another model",
        [TINY, "{tmp}/other.pth"],
        [],
        r"another model: 8 of the 8 parameters of TinyModel .*encoder\.0\.weight",
    ),
    (
        "checkpoint with one parameter of another shape",
        [TINY, "{tmp}/one_other_shape.pth"],
        [],
        "another model: 1 of the 8 parameters of TinyModel",
    ),
    (
        "checkpoint that lacks a part of the model",
        [TINY, "{tmp}/most.pth"],
        [],
        r"2 of the 8 parameters of TinyModel that prediction needs .*decoder\.weight, decoder\.bias"
        r"\)\. Use the config it was trained with",
    ),
    (
        "checkpoint of another model, data not yet made",
        [TINY, "{tmp}/other.pth"],
        ["test_dataloader.dataset.type=NotMade"],
        "another model: 8 of the 8 parameters",
    ),
    ("--dump without .pkl", [TINY, "{tmp}/tiny.pth", "--dump", "x.json"], [], r"ends in \.pkl"),
    ("--out of an unknown kind", [TINY, "{tmp}/tiny.pth", "--out", "m.txt"], [], r"ends in \.json"),
    (
        "--out where nothing can be written",
        [TINY, "{tmp}/tiny.pth", "--out", "/proc/x/metrics.json"],
        [],
        "Results can't be written to /proc/x",
    ),
    ("--badcase unprepared", [TINY, "{tmp}/tiny.pth", "--badcase"], [], "default_hooks.badcase"),
]

ROWS = [("train", *row) for row in TRAIN] + [("test", *row) for row in TEST]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Configs and checkpoints that are wrong in one way each, and a good checkpoint."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "RANK", "PART_SYNTH_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "broken.py").write_text("model = dict(\n")
    (tmp_path / "number.py").write_text("model = 3\n")
    (tmp_path / "no_model.py").write_text("default_scope = 'mmpose'\n")
    (tmp_path / "misspelt.py").write_text("model = dict(type='X')\ntrain_dataloder = dict()\n")
    (tmp_path / "no_base.py").write_text("_base_ = ['nowhere.py']\n")
    text = Path(TINY).read_text().replace("auto_scale_lr = dict(base_batch_size=8)", "")
    (tmp_path / "no_scale.py").write_text(text)
    good = tmp_path / "tiny.pth"
    state = tiny_project.TinyModel().state_dict()
    torch.save({"meta": {}, "state_dict": state, "optimizer": {}}, good)
    torch.save({"meta": {}, "state_dict": state}, tmp_path / "best.pth")
    done = {"meta": {"epoch": 3, "iter": 6}, "state_dict": state, "optimizer": {}}
    torch.save(done, tmp_path / "finished.pth")
    misfit = {"encoder.0.weight": state["encoder.0.weight"][:1]}
    torch.save({"state_dict": state | misfit}, tmp_path / "one_other_shape.pth")
    most = {name: value for name, value in state.items() if not name.startswith("decoder")}
    torch.save({"state_dict": most}, tmp_path / "most.pth")
    torch.save({"state_dict": torch.nn.Linear(2, 2).state_dict()}, tmp_path / "other.pth")
    (tmp_path / "half.pth").write_bytes(good.read_bytes()[:1000])
    (tmp_path / "empty.pth").touch()
    (tmp_path / "stack.pth").write_bytes(b"\x80\x02rubbish")
    (tmp_path / "rubbish.pth").write_bytes(b"\x80\x02not a pickle")
    return tmp_path


@pytest.mark.parametrize(
    ("tool", "name", "arguments", "options", "words"), ROWS, ids=[f"{r[0]}: {r[1]}" for r in ROWS]
)
def test_message(folder, monkeypatch, capfd, tool, name, arguments, options, words):
    filled = [a.replace("{tmp}", str(folder)) for a in [*arguments, *WORK]]
    options = [o.replace("{tmp}", str(folder)) for o in options]
    status = run(tool, *filled, monkeypatch=monkeypatch, options=options)
    message, _, trace = capfd.readouterr().err.partition("error: ")[2].partition("\n(Traceback: ")
    assert status == 2
    assert re.search(words, message), message
    assert trace
    # One or two sentences, no traceback.
    assert "\n" not in message.strip() and len(message) < 500


@pytest.mark.parametrize("place", ["model", "train_dataloader.dataset"])
def test_errors_of_the_program_keep_their_traceback(folder, monkeypatch, place):
    options = [f"{place}.broken=numpy"]
    with pytest.raises(ValueError, match="cannot reshape"):
        run("train", TINY, "--work-dir", folder / "work", monkeypatch=monkeypatch, options=options)
    logs = list((folder / "work").glob("*/*.log"))
    assert "cannot reshape" in logs[0].read_text()


def test_a_name_error_of_the_program_is_not_hidden(folder, monkeypatch):
    with pytest.raises(NameError):
        run(
            "train",
            TINY,
            "--work-dir",
            folder / "work",
            monkeypatch=monkeypatch,
            options=["model.broken=program"],
        )


def test_debug_variable_shows_every_traceback(folder, monkeypatch):
    monkeypatch.setenv("PART_SYNTH_DEBUG", "1")
    with pytest.raises(FileNotFoundError):
        run("train", folder / "none.py", monkeypatch=monkeypatch)


def test_traceback_of_a_mistake_is_in_the_log_file(folder, monkeypatch, capfd):
    options = ["optim_wrapper.decoder.modules=encoder"]
    run("train", TINY, "--work-dir", folder / "work", monkeypatch=monkeypatch, options=options)
    log = Path(capfd.readouterr().err.rpartition("(Traceback: ")[2].rstrip(")\n"))
    assert log.is_relative_to(folder / "work")
    assert "Traceback (most recent call last)" in log.read_text()


def test_data_worker_errors_are_explained_too():
    from part_synth.apis.errors import explain

    text = (
        "Caught {kind} in DataLoader worker process 0.\nOriginal Traceback:\n"
        '  File "loader.py", line 1, in fetch\n    x\n  File "{file}", line 2, in read\n    y\n'
        "{kind}: {words}"
    )
    ours = text.format(kind="ValueError", file="a/part_synth/datasets/x.py", words="a.jpg is cut")
    theirs = text.format(kind="ValueError", file="a/numpy/x.py", words="bad shape")
    absent = text.format(kind="FileNotFoundError", file="a/numpy/x.py", words="no a.jpg")
    assert explain(ValueError(ours)) == "a.jpg is cut"
    assert explain(ValueError(theirs)) is None
    assert explain(FileNotFoundError(absent)) == "no a.jpg"


@pytest.mark.parametrize("pair", ["lr", "x=dict(a=1,b=2)", "x={'a':1,'b':2}", "x=[1,(2]"])
def test_unreadable_cfg_options(pair, monkeypatch, capsys):
    with pytest.raises(SystemExit) as ended:
        run("train", TINY, monkeypatch=monkeypatch, options=[pair])
    assert ended.value.code == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert f"can't read {pair!r}" in message and "KEY=VALUE" in message


def test_misspelt_key_of_a_crop_names_those_of_crops():
    settings = dict(type="part_synth.PoseFrameDataset", data_root="d", crop=dict(sise=64))
    with pytest.raises(TypeError) as caught:
        DATASETS.build(settings)
    told = explain(caught.value)
    assert "person_crop_pipeline the unknown key 'sise': did you mean 'size'?" in told


def test_optimisers_of_another_config_are_explained():
    """Two configs of one model may move other parts of it, as a supervised rung does."""
    first, second = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    state = torch.optim.Adam(first.parameters()).state_dict()
    try:
        torch.optim.Adam([second.weight]).load_state_dict(state)
    except ValueError as error:
        said = explain(error)
    assert "optimisers are those of another config" in said and "load_from=FILE" in said


def test_no_workers_switch_off_what_needs_them(tmp_path, monkeypatch):
    options = ["train_dataloader.num_workers=0", "train_dataloader.persistent_workers=True"]
    options += ["train_dataloader.prefetch_factor=4"]
    args = ("train", TINY, "--work-dir", tmp_path)
    assert run(*args, monkeypatch=monkeypatch, options=options) == 0
