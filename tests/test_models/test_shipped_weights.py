import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import CheckpointLoader
from part_synth.apis.zoo import SHIPPED, shipped_model
from part_synth.registry import MODELS
from tiny_runs import ROOT


@pytest.mark.parametrize("name", SHIPPED)
def test_address_gives_the_weights_of_the_package(name):
    read = CheckpointLoader.load_checkpoint(f"part_synth://{name}", map_location="cpu")
    kept = torch.load(shipped_model(name)[1], weights_only=True)
    assert read.keys() == kept.keys()
    assert all(torch.equal(read[key], kept[key]) for key in kept)


def test_unknown_name():
    message = r"part_synth://liftr: the package has the models lifter, part_synth_synthetic_long"
    with pytest.raises(ValueError, match=message):
        CheckpointLoader.load_checkpoint("part_synth://liftr")


@pytest.mark.parametrize("name", ["metric_synthetic_joined", "ablations/metric_joined_supervised"])
def test_joined_config_starts_with_the_trunk_of_the_image_model(name):
    init_default_scope("mmpose")
    cfg = Config.fromfile(ROOT / f"configs/{name}.py")
    model = MODELS.build(cfg.model)
    model.init_weights()
    kept = torch.load(shipped_model("part_synth_synthetic_64px")[1], weights_only=True)
    own = dict(model.encoder.named_parameters())
    shared = [key for key in own if f"encoder.{key}" in kept]
    # All but the heads: what reads the embedding is new.
    assert sum(own[key].numel() for key in shared) > 0.8 * sum(p.numel() for p in own.values())
    for key in shared:
        assert torch.equal(own[key], kept[f"encoder.{key}"].float()), key
