import pytest
from tiny_runs import TINY_CONFIG, losses, run


@pytest.mark.parametrize("workers", [0, 1])
def test_resumed_run_has_the_losses_of_an_unbroken_one(tmp_path, monkeypatch, workers):
    """Also where the unbroken run keeps its data workers, which a resumed run has to start."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    all_epochs = [
        f"train_dataloader.num_workers={workers}",
        f"train_dataloader.persistent_workers={workers > 0}",
    ]
    two_epochs = [*all_epochs, "train_cfg.max_epochs=2"]

    def train(*arguments, options):
        assert run("train", TINY_CONFIG, *arguments, monkeypatch=monkeypatch, options=options) == 0

    train("--work-dir", whole, options=all_epochs)
    train("--work-dir", parts, options=two_epochs)
    train("--work-dir", parts, "--resume", options=all_epochs)
    assert len(losses(whole)) == 8
    assert losses(parts) == losses(whole)


def test_without_seeding_per_epoch_the_losses_differ(tmp_path, monkeypatch):
    """Shows that the test above can fail."""
    config = tmp_path / "unseeded.py"
    config.write_text(f"_base_ = ['{TINY_CONFIG}']\ncustom_hooks = [dict(type='RecordLossHook')]\n")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run("train", config, "--work-dir", whole, monkeypatch=monkeypatch)
    two = ["train_cfg.max_epochs=2"]
    run("train", config, "--work-dir", parts, monkeypatch=monkeypatch, options=two)
    run("train", config, "--work-dir", parts, "--resume", monkeypatch=monkeypatch)
    assert losses(parts)[:4] == losses(whole)[:4]
    assert losses(parts)[4:] != losses(whole)[4:]
