import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from part_synth.engine import MultiOptimDistributedDataParallel
from tiny_project import TinyModel


@pytest.fixture
def process_group(tmp_path):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1
    )
    yield
    torch.distributed.destroy_process_group()


def step(model):
    module = getattr(model, "module", model)
    wrappers = OptimWrapperDict(
        encoder=OptimWrapper(torch.optim.SGD(module.encoder.parameters(), lr=0.1)),
        decoder=OptimWrapper(torch.optim.SGD(module.decoder.parameters(), lr=0.1)),
    )
    torch.manual_seed(0)
    points = torch.randn(4, 4)
    return model.train_step({"inputs": points}, wrappers)


def made_model():
    torch.manual_seed(7)
    return TinyModel()


def test_one_process_takes_the_step_of_the_bare_model(process_group, monkeypatch):
    monkeypatch.setattr("numpy.random.rand", lambda: 0.5)
    bare, wrapped = made_model(), MultiOptimDistributedDataParallel(made_model(), device_ids=None)
    assert step(wrapped)["loss"] == step(bare)["loss"]
    expected = bare.state_dict()
    found = wrapped.module.state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert "_run_forward" not in vars(wrapped.module)


def test_forward_pass_that_bypasses_the_wrapper_is_an_error(process_group):
    class Bypass(TinyModel):
        def train_step(self, data, optim_wrapper):
            return self.forward(data["inputs"], mode="loss")

    with pytest.raises(RuntimeError, match=r"train_step of Bypass must call .* 0 times"):
        step(MultiOptimDistributedDataParallel(Bypass(), device_ids=None))
