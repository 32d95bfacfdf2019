import pytest
from mmengine.config import Config
from part_synth.apis import config_options
from part_synth.apis.config import load_config
from part_synth.apis.config_options import merge_options
from part_synth.apis.errors import ConfigError
from tiny_runs import ROOT

KEYS = {"model", "train_cfg", "loader", "evaluator", "hooks"}


@pytest.fixture
def cfg():
    part = dict(type="X")
    return Config(
        dict(
            data_root="data/cmu/",
            max_epochs=16,
            flag=True,
            unused=3.5,
            synthetic=dict(size=64, seed=0),
            model=dict(
                type="Model",
                objective=dict(type="Objective", losses=dict(cycle=part, bones=part, flow=None)),
                head=dict(type="Head", sizes=dict(a=1)),
            ),
            hooks=dict(logger=part),
            train_cfg=dict(max_epochs=16, flag=True, other=True),
            loader=dict(data_root="data/cmu/", recipe=dict(size=64, seed=0), type="Loader"),
            evaluator=[dict(poses="data/cmu/poses.npz", root="data/other/")],
        )
    )


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(config_options, "print_log", lambda text, **_: lines.append(text))
    return lines


@pytest.mark.parametrize(
    ("option", "places"),
    [
        ({"data_root": "d/"}, "in loader.data_root, evaluator.0.poses: set these"),
        ({"max_epochs": 3}, "in train_cfg.max_epochs: set these"),
        ({"synthetic.size": 8}, "in loader.recipe.size: set these"),
        # True stands in many places.
        ({"flag": False}, "in train_cfg.flag: set these"),
        ({"unused": 4.5}, "stays as it was."),
    ],
)
def test_a_variable_changes_nothing_and_that_is_said(cfg, said, option, places):
    merge_options(cfg, option, KEYS)
    assert len(said) == 1
    assert said[0].startswith(f"--cfg-options {next(iter(option))}: ")
    assert said[0].endswith(places if places.endswith(".") else f"{places}.")


def test_nothing_is_said_of_what_the_runner_reads(cfg, said):
    merge_options(cfg, {"train_cfg.max_epochs": 3, "loader.data_root": "d/"}, KEYS)
    # Nor of a variable all of whose places are set too.
    merge_options(cfg, {"data_root": "e/", "evaluator.0.poses": "p", "loader.data_root": "e"}, KEYS)
    assert said == []
    assert cfg.train_cfg.max_epochs == 3 and cfg.loader.data_root == "e"


def test_places_that_were_set_are_not_named(cfg, said):
    merge_options(cfg, {"loader.data_root": "d/", "data_root": "d/"}, KEYS)
    assert said[0].endswith("in evaluator.0.poses: set these.")


def test_none_leaves_out_what_is_there(cfg):
    options = {"model.objective.losses.bones": None, "model.objective.losses.flow": None}
    merge_options(cfg, options, KEYS)
    assert cfg.model.objective.losses.bones is None
    words = r"losses has no 'bonez', but cycle, bones, flow\. Did you mean 'bones'\?"
    with pytest.raises(ConfigError, match=words):
        merge_options(cfg, {"model.objective.losses.bonez": None}, KEYS)


@pytest.mark.parametrize("key", ["model.init_cfg", "model.head.sizes.b", "hooks.x", "model.x.y"])
def test_none_for_an_argument_is_left_to_the_part(cfg, key):
    merge_options(cfg, {key: None}, KEYS)
    value = cfg
    for level in key.split("."):
        value = value[level]
    assert value is None


def test_shipped_config(said):
    path = str(ROOT / "configs" / "lifter_cmu.py")
    load_config(path, {"data_root": "elsewhere/", "max_epochs": 2})
    root, epochs = said
    for loader in ("train", "val", "test"):
        assert f"{loader}_dataloader.dataset.data_root" in root
    assert "val_evaluator.reference_poses" in root
    assert "train_cfg.max_epochs" in epochs and "param_scheduler.1.T_max" in epochs
    with pytest.raises(ConfigError, match=r"no 'bonez', but .*bones"):
        load_config(path, {"model.objective.losses.bonez": None})
