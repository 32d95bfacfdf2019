import pytest
from mmengine.config import Config
from part_synth.apis import ConfigError, apply_amp
from part_synth.apis.cli import train_parser
from part_synth.apis.config import train_config
from tiny_runs import TINY_CONFIG, losses, run, tiny_config

ADAM = {"type": "Adam", "lr": 0.01}


def config_of(*arguments):
    return train_config(train_parser().parse_args([str(TINY_CONFIG), *map(str, arguments)]))


def test_work_dir_comes_from_the_command_line_then_the_config_then_its_name(tmp_path):
    assert config_of().work_dir == "work_dirs/tiny_config"
    assert config_of("--cfg-options", "work_dir=there").work_dir == "there"
    assert config_of("--cfg-options", "work_dir=there", "--work-dir", "here").work_dir == "here"


def test_a_work_dir_that_cannot_be_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ConfigError, match=r"directory .*file can't be made: .*file is a file"):
        config_of("--cfg-options", f"work_dir={file}")
    with pytest.raises(ConfigError, match=r"deep/work can't be made: .*file is a file"):
        config_of("--work-dir", file / "deep" / "work")
    assert config_of("--work-dir", tmp_path / "deep" / "work").work_dir.endswith("deep/work")


def test_flags_reach_the_config(tmp_path):
    options = ["--cfg-options", "default_hooks.visualization.type=part_synth.SaveVisualizationHook"]
    flags = ["--no-validate", "--auto-scale-lr", "--show-dir", "pictures", "--interval", "7"]
    cfg = config_of(*flags, *options)
    assert cfg.val_cfg is None and cfg.val_dataloader is None and cfg.val_evaluator is None
    assert cfg.auto_scale_lr.enable
    hook = cfg.default_hooks.visualization
    assert (hook.enable, hook.show, hook.out_dir, hook.interval) == (True, False, "pictures", 7)
    assert "wait_time" not in hook


@pytest.mark.parametrize("spelling", ["--local_rank", "--local-rank"])
def test_local_rank_in_both_spellings(spelling, monkeypatch):
    # Set first, so that monkeypatch takes away what the tool sets.
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.delenv("LOCAL_RANK")
    assert train_parser().parse_args(["c.py", spelling, "3"]).local_rank == 3


def test_preprocess_cfg_is_handed_to_the_model(tmp_path):
    config = tmp_path / "pre.py"
    config.write_text(
        f"_base_ = ['{TINY_CONFIG}']\npreprocess_cfg = dict(type='BaseDataPreprocessor')\n"
    )
    cfg = train_config(train_parser().parse_args([str(config)]))
    assert cfg.model.data_preprocessor.type == "BaseDataPreprocessor"


def test_auto_scale_lr_scales_every_optimiser(tmp_path, monkeypatch):
    plain, scaled = tmp_path / "plain", tmp_path / "scaled"
    one = ["train_cfg.max_epochs=1"]
    run("train", TINY_CONFIG, "--work-dir", plain, monkeypatch=monkeypatch, options=one)
    flags = ["--work-dir", scaled, "--auto-scale-lr"]
    run("train", TINY_CONFIG, *flags, monkeypatch=monkeypatch, options=one)
    # Batch 4 of a base of 8: half the rate. The first loss is from before the first step.
    assert losses(plain)[0] == losses(scaled)[0]
    assert losses(plain)[1] != losses(scaled)[1]
    rates = [next(f.glob("*/vis_data/scalars.json")).read_text() for f in (plain, scaled)]
    assert '"encoder.lr": 0.01' in rates[0] and '"encoder.lr": 0.005' in rates[1]
    assert '"decoder.lr": 0.01' in rates[0] and '"decoder.lr": 0.005' in rates[1]


def test_resume_without_a_checkpoint_starts_afresh(tmp_path, monkeypatch):
    flags = ["--work-dir", tmp_path, "--resume", "auto", "--no-validate"]
    one = ["train_cfg.max_epochs=1"]
    assert run("train", TINY_CONFIG, *flags, monkeypatch=monkeypatch, options=one) == 0
    assert len(losses(tmp_path)) == 2


def test_amp_trains_several_optimisers_in_bfloat16(tmp_path, monkeypatch):
    monkeypatch.setattr("part_synth.engine.bfloat16.bfloat16_is_fast", lambda device_type: True)
    flags = ["--work-dir", tmp_path, "--amp", "--no-validate"]
    one = ["train_cfg.max_epochs=1"]
    assert run("train", TINY_CONFIG, *flags, monkeypatch=monkeypatch, options=one) == 0
    assert [row[3] for row in losses(tmp_path)] == ["True", "True"]


def amp_types(monkeypatch, cuda, **optim_wrapper):
    monkeypatch.setattr("torch.cuda.is_available", lambda: cuda)
    cfg = Config({"optim_wrapper": optim_wrapper})
    apply_amp(cfg)
    return cfg.optim_wrapper


def test_amp_with_one_optimiser(monkeypatch):
    cpu = amp_types(monkeypatch, False, optimizer=ADAM, loss_scale=512.0, type="AmpOptimWrapper")
    assert cpu.type == "part_synth.AutocastOptimWrapper" and "loss_scale" not in cpu
    gpu = amp_types(monkeypatch, True, optimizer=ADAM)
    assert gpu.type == "AmpOptimWrapper" and gpu.loss_scale == "dynamic"
    assert amp_types(monkeypatch, True, optimizer=ADAM, loss_scale=512.0).loss_scale == 512.0


@pytest.mark.parametrize("cuda", [False, True])
def test_amp_with_several_optimisers_leaves_no_setting_outside(monkeypatch, cuda):
    """Several scalers can't share the one backward pass that feeds several optimisers."""
    outer = amp_types(
        monkeypatch,
        cuda,
        constructor="part_synth.MultiOptimWrapperConstructor",
        type="OptimWrapper",
        clip_grad={"max_norm": 1.0},
        encoder={"optimizer": ADAM, "type": "OptimWrapper"},
        decoder={"optimizer": ADAM},
    )
    assert "type" not in outer and "loss_scale" not in outer and "type" not in outer.clip_grad
    types = [outer.encoder.type, outer.decoder.type]
    assert types == ["part_synth.AutocastOptimWrapper"] * 2


def test_amp_without_an_optimiser():
    cfg = tiny_config()
    cfg.optim_wrapper = None
    with pytest.raises(ConfigError, match="--amp needs an optim_wrapper"):
        apply_amp(cfg)
