import pytest
import torch
from mmengine.optim import OptimWrapperDict, build_optim_wrapper
from part_synth.engine import MultiOptimWrapperConstructor
from torch import nn

ADAM = {"type": "Adam", "lr": 0.01}


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(2, 3)
        self.puppet = nn.Linear(3, 1)
        self.decoder = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
        self.prior = nn.Linear(1, 1).requires_grad_(False)


def build(model=None, **cfg):
    return MultiOptimWrapperConstructor(cfg)(model or Model())


def parameters_of(wrapper):
    return {id(p) for group in wrapper.optimizer.param_groups for p in group["params"]}


def test_each_optimiser_holds_the_parameters_of_its_modules():
    model = Model()
    wrappers = build(
        model,
        pose={"modules": ["encoder", "puppet"], "optimizer": ADAM},
        decoder={"optimizer": {"type": "SGD", "lr": 0.1}},
    )
    assert isinstance(wrappers, OptimWrapperDict)
    assert list(wrappers.keys()) == ["pose", "decoder"]
    pose = {id(p) for part in (model.encoder, model.puppet) for p in part.parameters()}
    assert parameters_of(wrappers["pose"]) == pose
    assert parameters_of(wrappers["decoder"]) == {id(p) for p in model.decoder.parameters()}
    assert isinstance(wrappers["decoder"].optimizer, torch.optim.SGD)


def test_through_mmengine_by_its_registered_name():
    wrappers = build_optim_wrapper(
        Model(),
        {
            "constructor": "part_synth.MultiOptimWrapperConstructor",
            "all": {"modules": ["encoder", "puppet", "decoder"], "optimizer": ADAM},
        },
    )
    assert list(wrappers.keys()) == ["all"]


def test_shared_settings_and_their_exceptions():
    rest = {"modules": ["puppet", "decoder"], "optimizer": ADAM, "clip_grad": {"max_norm": 2.0}}
    wrappers = build(clip_grad={"max_norm": 5.0}, encoder={"optimizer": ADAM}, rest=rest)
    assert wrappers["encoder"].clip_grad_kwargs == {"max_norm": 5.0}
    assert wrappers["rest"].clip_grad_kwargs == {"max_norm": 2.0}


def test_dotted_paths_and_paramwise_settings():
    model = Model()
    wrappers = build(
        model,
        pose={
            "modules": ["encoder", "puppet"],
            "optimizer": ADAM,
            "paramwise_cfg": {"custom_keys": {"puppet": {"lr_mult": 0.1}}},
        },
        first={"modules": "decoder.0", "optimizer": ADAM},
        second={"modules": "decoder.1", "optimizer": ADAM},
    )
    rates = {id(g["params"][0]): g["lr"] for g in wrappers["pose"].optimizer.param_groups}
    assert rates[id(model.encoder.weight)] == pytest.approx(0.01)
    assert rates[id(model.puppet.weight)] == pytest.approx(0.001)
    assert parameters_of(wrappers["first"]) == {id(p) for p in model.decoder[0].parameters()}


@pytest.mark.parametrize(
    ("cfg", "words"),
    [
        ({"encoder": {"optimizer": ADAM}}, r"puppet\.weight belongs to no optimiser"),
        (
            {
                "encoder": {"optimizer": ADAM},
                "rest": {"modules": ["encoder", "puppet", "decoder"], "optimizer": ADAM},
            },
            r"encoder\.weight belongs to several optimisers \(encoder, rest\)",
        ),
        ({"encodr": {"optimizer": ADAM}}, r"'encodr', but Model has \['decoder', 'encoder'"),
        ({"prior": {"optimizer": ADAM}}, "prior has no trainable parameter"),
        ({"encoder": {"optimiser": ADAM}}, "optim_wrapper.encoder must be a dict with the key"),
        ({"clip_grad": {"max_norm": 1.0}}, "names no optimiser"),
    ],
)
def test_errors_name_the_culprit(cfg, words):
    with pytest.raises(ValueError, match=words):
        build(**cfg)


def test_optimisers_may_share_modules_when_told_to():
    cfg = {
        "allow_shared": True,
        "one": {"modules": ["encoder", "puppet"], "optimizer": ADAM},
        "two": {"modules": ["encoder", "decoder"], "optimizer": ADAM},
    }
    model = Model()
    wrappers = MultiOptimWrapperConstructor(cfg)(model)
    shared = parameters_of(wrappers["one"]) & parameters_of(wrappers["two"])
    assert shared == {id(p) for p in model.encoder.parameters()}
    with pytest.raises(ValueError, match=r"puppet\.\w+ belongs to no optimiser"):
        MultiOptimWrapperConstructor({**cfg, "one": cfg["two"]})(model)
