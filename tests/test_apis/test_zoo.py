import pytest
import torch
from mmengine.logging import HistoryBuffer
from part_synth.apis import zoo
from part_synth.apis.zoo import frame_interval, load_lifter, shipped_model
from part_synth.registry import MODELS

CONFIG = """
model = dict(
    type="part_synth.LiftingModel",
    lifter=dict(type="part_synth.FrameLifter", width=16, num_blocks=1),
    {more}
)
"""


def write_model(folder, more="", **checkpoint):
    """Config and half precision weights of a small random model, and the model."""
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type="part_synth.LiftingModel",
            lifter=dict(type="part_synth.FrameLifter", width=16, num_blocks=1),
        )
    )
    folder.mkdir(exist_ok=True)
    (folder / "config.py").write_text(CONFIG.format(more=more))
    state = {name: value.half() for name, value in model.state_dict().items()}
    torch.save({"state_dict": state, **checkpoint} if checkpoint else state, folder / "weights.pth")
    return (folder / "config.py", folder / "weights.pth"), model


def test_the_packages_model_is_read_once_in_full_precision(tmp_path, monkeypatch):
    _, model = write_model(tmp_path / "lifter")
    monkeypatch.setattr(zoo, "ZOO", tmp_path)
    loaded = load_lifter()
    assert load_lifter() is loaded
    assert not loaded.training
    for name, value in loaded.state_dict().items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, model.state_dict()[name].half().float())
    # Other files under the same name are another model.
    (tmp_path / "lifter" / "config.py").write_text(CONFIG.format(more="flip_test=False,"))
    assert not load_lifter().flip_test


def test_the_package_looks_for_its_model_in_its_own_folder():
    assert zoo.ZOO.name == "zoo" and (zoo.ZOO.parent / "registry.py").is_file()


def test_a_missing_model_says_what_and_where_and_how(tmp_path, monkeypatch):
    monkeypatch.setattr(zoo, "ZOO", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"config\.py and no .*lifter/weights\.pth.*train"):
        load_lifter()
    write_model(tmp_path / "lifter")
    (tmp_path / "lifter" / "weights.pth").unlink()
    with pytest.raises(FileNotFoundError, match=r"not there: no \S*weights\.pth\. "):
        shipped_model("lifter")


def test_checkpoints_of_a_training_run(tmp_path):
    """They hold the objective's weights and the run's logs, too."""
    critic = "objective=dict(type='part_synth.NoSuchObjective')"
    logs = dict(message_hub=dict(log_scalars=dict(loss=HistoryBuffer())), meta=dict(epoch=1))
    files, model = write_model(tmp_path, critic, **logs)
    checkpoint = torch.load(files[1], weights_only=False)
    checkpoint["state_dict"]["objective.critic.weight"] = torch.zeros(3)
    torch.save(checkpoint, files[1])
    loaded = load_lifter(files)
    assert loaded.objective is None
    points = torch.randn(2, 1, 17, 2)
    torch.testing.assert_close(loaded.poses(points), model.half().float().eval().poses(points))
    assert loaded.cfg.model.objective.type == "part_synth.NoSuchObjective"


def test_the_interval_of_windows_is_found(tmp_path):
    files, model = write_model(tmp_path)
    assert frame_interval(load_lifter(files)) == frame_interval(model) == 0.1
    config = files[0].read_text()
    files[0].write_text(config + "test_dataloader = dict(dataset=dict(interval=0.2))\n")
    assert frame_interval(load_lifter(files)) == 0.2
    files[0].write_text(config + "interval = 0.4\n")
    assert frame_interval(load_lifter(files)) == 0.4


def test_a_model_is_handed_back(tmp_path):
    _, model = write_model(tmp_path)
    assert load_lifter(model) is model


def test_mistakes(tmp_path):
    files, _ = write_model(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"Config .*none\.py does not exist"):
        load_lifter((tmp_path / "none.py", files[1]))
    with pytest.raises(FileNotFoundError, match=r"none\.pth does not exist"):
        load_lifter((files[0], tmp_path / "none.pth"))
    with pytest.raises(ValueError, match=r"model must be None .*got 'lifter'"):
        load_lifter("lifter")
    with pytest.raises(ValueError, match="Linear, which does not lift"):
        load_lifter(torch.nn.Linear(2, 2))


def test_damaged_and_foreign_files(tmp_path):
    files, _ = write_model(tmp_path)
    whole = files[1].read_bytes()
    files[1].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cut short"):
        load_lifter(files)
    files[1].write_bytes(b"\x80rubbish")
    with pytest.raises(ValueError, match="can't be read"):
        load_lifter(files)
    torch.save(torch.nn.Linear(2, 2).state_dict(), files[1])
    with pytest.raises(ValueError, match="does not fit the model of"):
        load_lifter(files)
    torch.save([1, 2], files[1])
    with pytest.raises(ValueError, match="holds no weights but list"):
        load_lifter(files)
    files[0].write_text("data_root = 'x'\n")
    with pytest.raises(ValueError, match="has no model"):
        load_lifter(files)
    files[0].write_text("model = dict(type='part_synth.FrameLifter', width=16)\n")
    with pytest.raises(ValueError, match="FrameLifter, which does not lift"):
        load_lifter(files)


def test_a_device_that_is_not_there_is_named(tmp_path):
    files, _ = write_model(tmp_path / "lifter")
    with pytest.raises(ValueError, match="device 'abacus' can't be used"):
        load_lifter(files, device="abacus")
