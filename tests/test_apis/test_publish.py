import pytest
import torch
from part_synth.apis import zoo
from part_synth.apis.publish import publish_model
from part_synth.apis.zoo import load_lifter
from part_synth.registry import MODELS

CONFIG = """
model = dict(
    type="part_synth.LiftingModel",
    lifter=dict(type="part_synth.ClipLifter", width=8, num_blocks=1, reach=1),
    distance=7.0,
    objective=dict(type="part_synth.SupervisedLifting"),
)
test_dataloader = dict(dataset=dict(interval=0.25))
"""


@pytest.fixture
def trained(tmp_path):
    (tmp_path / "train.py").write_text(CONFIG)
    lifter = dict(type="part_synth.ClipLifter", width=8, num_blocks=1, reach=1)
    objective = dict(type="part_synth.SupervisedLifting")
    torch.manual_seed(0)
    model = MODELS.build(
        dict(type="part_synth.LiftingModel", lifter=lifter, distance=7.0, objective=objective)
    )
    torch.save({"meta": {}, "state_dict": model.state_dict()}, tmp_path / "epoch_1.pth")
    return tmp_path / "train.py", tmp_path / "epoch_1.pth", model


def test_what_is_published_lifts_like_what_was_trained(trained, tmp_path, monkeypatch):
    config, checkpoint, model = trained
    publish_model(config, checkpoint, tmp_path / "zoo" / "lifter")
    monkeypatch.setattr(zoo, "ZOO", tmp_path / "zoo")
    published = load_lifter()
    points = torch.randn(5, 3, 17, 2)
    torch.testing.assert_close(
        published.poses(points), model.eval().poses(points), atol=5e-3, rtol=5e-3
    )
    assert published.distance == 7.0
    assert published.objective is None
    assert zoo.frame_interval(published) == 0.25
    assert "objective" not in (tmp_path / "zoo/lifter/config.py").read_text()
    weights = torch.load(tmp_path / "zoo/lifter/weights.pth", weights_only=True)
    assert all(value.dtype == torch.half for value in weights.values())


def test_weights_beyond_half_precision_are_refused(trained, tmp_path):
    config, checkpoint, model = trained
    with torch.no_grad():
        model.lifter.net[0].weight[0, 0] = 1e6
    torch.save({"meta": {}, "state_dict": model.state_dict()}, checkpoint)
    with pytest.raises(ValueError, match=r"lifter\.net\.0\.weight can't be written in half"):
        publish_model(config, checkpoint, tmp_path / "out")
