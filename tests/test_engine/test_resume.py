from tiny_runs import TINY_CONFIG, losses, run


def test_resumed_run_has_the_losses_of_an_unbroken_one(tmp_path, monkeypatch):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run("train", TINY_CONFIG, "--work-dir", whole, monkeypatch=monkeypatch) == 0
    two = ["train_cfg.max_epochs=2"]
    assert run("train", TINY_CONFIG, "--work-dir", parts, monkeypatch=monkeypatch, options=two) == 0
    assert run("train", TINY_CONFIG, "--work-dir", parts, "--resume", monkeypatch=monkeypatch) == 0
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
