import os
import shutil
import stat
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import tiny_project
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from part_synth.engine import (
    AtomicCheckpointHook,
    AtomicLocalBackend,
    check_checkpoint_file,
    find_resumable_checkpoint,
)
from part_synth.engine.checkpoint_guard import (
    CheckpointGuardHook,
    check_unfinished,
    check_weights,
    trained_crop_size,
)
from tiny_runs import TINY_CONFIG, losses, run, tiny_config


def test_put_replaces_a_file_whole(tmp_path):
    target = tmp_path / "new" / "file.pth"
    AtomicLocalBackend().put(b"one", target)
    AtomicLocalBackend().put(b"two", target)
    assert target.read_bytes() == b"two"
    assert os.listdir(target.parent) == ["file.pth"]
    assert stat.S_IMODE(target.stat().st_mode) & 0o400


def test_put_that_fails_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch):
    target = tmp_path / "file.pth"
    AtomicLocalBackend().put(b"old", target)

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        AtomicLocalBackend().put(b"new", target)
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file.pth"]


class Killed(BaseException):
    """Stands for a kill: no handler of the run may catch it."""


@pytest.mark.parametrize("fatal_write", range(2, 7))
def test_a_run_killed_at_any_write_can_be_resumed(tmp_path, monkeypatch, fatal_write):
    """With one checkpoint kept, and killed at its n-th write, just before the new name appears."""
    replace, count = os.replace, 0

    def kill(source, target):
        nonlocal count
        count += 1
        if count == fatal_write:
            raise Killed
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", kill)
        with pytest.raises(Killed):
            run("train", TINY_CONFIG, "--work-dir", tmp_path, monkeypatch=monkeypatch)
    # What a killed process would have left of its last write.
    (tmp_path / ".epoch_9.pth.abc").write_bytes(b"half")
    found = find_resumable_checkpoint(tmp_path)
    epoch = torch.load(found, weights_only=False)["meta"]["epoch"]
    reached = int(losses(tmp_path)[-1][0])
    assert epoch >= reached
    resumed = run("train", TINY_CONFIG, "--work-dir", tmp_path, "--resume", monkeypatch=monkeypatch)
    assert resumed == 0
    assert not list(tmp_path.glob(".*.pth.*"))
    assert len(list(tmp_path.glob("epoch_*.pth"))) == 1
    # Killed between writing the best checkpoint and noting it, a run keeps that file as well.
    assert list(tmp_path.glob("best_*.pth"))


def test_newest_whole_checkpoint_is_found(tmp_path):
    assert find_resumable_checkpoint(tmp_path) is None
    for epoch in (1, 2, 10):
        torch.save({"epoch": epoch}, tmp_path / f"epoch_{epoch}.pth")
    torch.save({}, tmp_path / "best_p_mpjpe_mm_epoch_11.pth")
    # As written in a folder that was moved since.
    (tmp_path / "last_checkpoint").write_text("/elsewhere/epoch_10.pth")
    assert find_resumable_checkpoint(tmp_path) == tmp_path / "epoch_10.pth"
    whole = (tmp_path / "epoch_10.pth").read_bytes()
    (tmp_path / "epoch_10.pth").write_bytes(whole[: len(whole) // 2])
    assert find_resumable_checkpoint(tmp_path) == tmp_path / "epoch_2.pth"
    (tmp_path / "last_checkpoint").write_text("")
    assert find_resumable_checkpoint(tmp_path) == tmp_path / "epoch_2.pth"
    # A copied folder goes on from its own files, not from those that it was copied from.
    other = tmp_path / "other"
    other.mkdir()
    torch.save({}, other / "epoch_10.pth")
    (tmp_path / "last_checkpoint").write_text(str(other / "epoch_10.pth"))
    assert find_resumable_checkpoint(tmp_path) == tmp_path / "epoch_2.pth"


def resumed_hook(folder, known, **options):
    """An AtomicCheckpointHook that goes on in a folder, having read of other best checkpoints."""
    hook = AtomicCheckpointHook(**{"save_best": "a", "rule": "less", **options})
    hub = SimpleNamespace(runtime_info=dict(known))
    hub.get_info = hub.runtime_info.__getitem__
    hub.update_info = hub.runtime_info.__setitem__
    runner = SimpleNamespace(
        work_dir=str(folder), model=torch.nn.Identity(), val_loop=None, message_hub=hub
    )
    runner.logger = MagicMock()
    hook.before_train(runner)
    return hook, hub.runtime_info


def test_another_runs_best_checkpoint_is_neither_removed_nor_a_bar(tmp_path):
    """A rung of the ladder goes on from the puppets of another run, in a folder of its own."""
    theirs = tmp_path / "theirs" / "best_a_epoch_7.pth"
    theirs.parent.mkdir()
    theirs.write_bytes(b"weights")
    known = {"best_ckpt": str(theirs), "best_score": 1.0}
    hook, info = resumed_hook(tmp_path / "mine", known)
    assert hook.best_ckpt_path is None and not set(known) & set(info)
    # The folder itself, and a copy of it, keep what they have.
    hook, info = resumed_hook(theirs.parent, known)
    assert hook.best_ckpt_path == str(theirs) and info == known
    copy = tmp_path / "copy"
    shutil.copytree(theirs.parent, copy)
    hook, info = resumed_hook(copy, known)
    assert hook.best_ckpt_path == info["best_ckpt"] == str(copy / theirs.name)
    assert info["best_score"] == 1.0


def test_other_runs_best_checkpoints_of_several_metrics(tmp_path):
    known = {"best_ckpt_a": "/other/a.pth", "best_score_a": 1.0}
    known |= {"best_ckpt_b": str(tmp_path / "b.pth"), "best_score_b": 2.0}
    hook, info = resumed_hook(tmp_path, known, save_best=["a", "b"])
    assert hook.best_ckpt_path_dict == {"a": None, "b": str(tmp_path / "b.pth")}
    assert info == {"best_ckpt_b": str(tmp_path / "b.pth"), "best_score_b": 2.0}


def test_a_run_that_goes_on_from_another_leaves_it_whole(tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    assert run("train", TINY_CONFIG, "--work-dir", first, monkeypatch=monkeypatch) == 0
    before = sorted(first.glob("*.pth"))
    assert any(path.name.startswith("best_") for path in before)
    newest = find_resumable_checkpoint(first)
    saved = torch.load(newest, weights_only=False)
    saved["message_hub"]["runtime_info"]["best_score"] = 1e9  # the second run is better
    torch.save(saved, newest)
    longer = ("--cfg-options", f"train_cfg.max_epochs={saved['meta']['epoch'] + 1}")
    args = ("train", TINY_CONFIG, "--work-dir", second, "--resume", newest, *longer)
    assert run(*args, monkeypatch=monkeypatch) == 0
    assert sorted(first.glob("*.pth")) == before
    assert list(second.glob("best_*.pth"))


def test_a_finished_run_is_resumed_in_its_own_folder_alone(tmp_path):
    checkpoint = tmp_path / "first" / "epoch_3.pth"
    checkpoint.parent.mkdir()
    torch.save({"meta": {"epoch": 3, "iter": 60}, "optimizer": {}}, checkpoint)
    check_unfinished(checkpoint, {"max_epochs": 3}, tmp_path / "first")
    check_unfinished(checkpoint, {"max_epochs": 4}, tmp_path / "second")
    check_unfinished(checkpoint, {"max_iters": 61}, tmp_path / "second")
    for train_cfg in ({"max_epochs": 3}, {"max_epochs": 2}, {"max_iters": 60}):
        with pytest.raises(ValueError, match="there is nothing to train"):
            check_unfinished(checkpoint, train_cfg, tmp_path / "second")


def test_legacy_checkpoints_pass_and_damaged_ones_do_not(tmp_path):
    legacy = tmp_path / "legacy.pth"
    torch.save({}, legacy, _use_new_zipfile_serialization=False)
    check_checkpoint_file(legacy)
    check_checkpoint_file("https://example.org/model.pth")
    (tmp_path / "empty.pth").touch()
    with pytest.raises(ValueError, match=r"empty.pth \(0 bytes\) can.t be read"):
        check_checkpoint_file(tmp_path / "empty.pth")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        check_checkpoint_file(tmp_path)


def runner_with(tmp_path, weights, min_matched):
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": weights}, path)
    cfg = tiny_config(
        work_dir=str(tmp_path),
        load_from=str(path),
        experiment_name=str(tmp_path),
        custom_hooks=[dict(type="part_synth.CheckpointGuardHook", min_matched=min_matched)],
    )
    return Runner.from_cfg(cfg)


def test_guard_counts_names_and_shapes(tmp_path):
    weights = tiny_project.TinyModel(width=16).state_dict()
    # Only the last encoder bias, and the decoder's two, fit a model of width 8: 3 of 8.
    with pytest.raises(ValueError, match="5 of the 8 parameters of TinyModel"):
        runner_with(tmp_path, weights, 0.5).load_or_resume()


def test_guard_lets_a_part_of_a_model_pass(tmp_path):
    weights = tiny_project.TinyModel().state_dict()
    encoder = {f"module.{k}": v + 1 for k, v in weights.items() if k.startswith("encoder")}
    runner = runner_with(tmp_path, encoder, 0.5)
    runner.load_or_resume()
    assert torch.equal(runner.model.encoder[0].bias, encoder["module.encoder.0.bias"])


def test_mere_weights_are_loaded_beside_averaged_ones(tmp_path):
    """As published: half precision and no `state_dict`, which mmengine's EMAHook insists on."""
    weights = {
        k: v.half() + 1 if v.is_floating_point() else v
        for k, v in tiny_project.TinyModel().state_dict().items()
    }
    path = tmp_path / "weights.pth"
    torch.save(weights, path)
    hooks = [dict(type="EMAHook"), dict(type="part_synth.CheckpointGuardHook", min_matched=1.0)]
    cfg = tiny_config(
        work_dir=str(tmp_path),
        load_from=str(path),
        experiment_name=str(tmp_path),
        custom_hooks=hooks,
    )
    runner = Runner.from_cfg(cfg)
    average = next(hook for hook in runner.hooks if type(hook).__name__ == "EMAHook")
    average.before_run(runner)
    runner.load_or_resume()
    for model in (runner.model, average.ema_model.module):
        assert torch.equal(model.decoder.weight, weights["decoder.weight"].float())


class Predictor(torch.nn.Module):
    """Parts with the names that models here have."""

    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.Linear(2, 2)
        self.head = torch.nn.ModuleDict(
            {"pose": torch.nn.Linear(2, 2), "loss_module": torch.nn.Linear(2, 2)}
        )
        self.objectives = torch.nn.ModuleDict({"cycle": torch.nn.Linear(2, 2)})
        self.objective = torch.nn.Linear(2, 2)
        self.pose_loss = torch.nn.Linear(2, 2)
        self.identity = torch.nn.Linear(2, 2)


def test_prediction_needs_all_but_objectives_and_losses():
    model = Predictor()
    needed = ("encoder.", "head.pose.")
    weights = {k: v for k, v in model.state_dict().items() if k.startswith(needed)}
    assert len(weights) == 4
    check_weights(model, weights, 1.0, prediction_only=True)
    # Of another number of people; nothing reads it.
    check_weights(model, weights | {"identity.weight": torch.zeros(5, 2)}, 1.0, True)
    with pytest.raises(ValueError, match="10 of the 14 parameters"):
        check_weights(model, weights, 1.0)
    del weights["head.pose.bias"]
    message = (
        r"1 of the 4 parameters of Predictor that prediction needs .*\(head\.pose\.bias\)\. "
        "Use the config it was trained with"
    )
    with pytest.raises(ValueError, match=message):
        check_weights(model, weights, 1.0, prediction_only=True)


@pytest.mark.parametrize("trained, warned", [(96, True), (64, False), (None, False)])
def test_guard_warns_once_of_crops_of_another_size(trained, warned):
    def config(size):
        crop = {} if size is None else dict(size=size)
        return Config(dict(val_dataloader=dict(dataset=dict(crop=crop))))

    model, logger = tiny_project.TinyModel(), MagicMock()
    runner = SimpleNamespace(model=model, cfg=config(64), logger=logger)
    checkpoint = dict(state_dict=model.state_dict(), meta=dict(cfg=config(trained).pretty_text))
    guard = CheckpointGuardHook()
    for _ in range(2):
        guard.after_load_checkpoint(runner, checkpoint)
    said = [call.args[0] for call in logger.warning.call_args_list]
    assert len(said) == warned
    if warned:
        assert "crops of 96 pixels, this config has 64" in said[0]


@pytest.mark.parametrize(
    "text", ["raise SystemExit", "not python", "val_dataloader = open('x')", "a.b = dict(c=1)"]
)
def test_the_config_in_a_checkpoint_is_read_and_not_run(text):
    assert trained_crop_size(dict(meta=dict(cfg=text))) is None
