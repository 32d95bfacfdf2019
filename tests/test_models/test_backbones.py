import logging
import urllib.request

import pytest
import torch
import torchvision
from mmengine.logging import MMLogger
from part_synth.models import TinyResNet, TorchvisionResNet


@pytest.fixture
def log(caplog):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.WARNING):
        yield caplog
    logger.removeHandler(caplog.handler)


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    """An empty cache, and no way to fill it."""

    def refuse(*args, **kwargs):
        raise AssertionError(f"a download was tried: {args}")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def imagenet_net():
    """A ResNet-18 whose batch-norm statistics are not those of a fresh one."""
    torch.manual_seed(4)
    net = torchvision.models.resnet18(weights=None)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.8, 1.2)
    return net.eval()


def test_tiny_net_halves_the_map_at_every_stage():
    net = TinyResNet(8, (8, 16, 24), blocks=(1, 2, 1))
    maps = net(torch.rand(2, 3, 32, 48))
    assert [tuple(m.shape) for m in maps] == [(2, 8, 8, 12), (2, 16, 4, 6), (2, 24, 2, 3)]
    assert net.out_channels == (8, 16, 24)
    assert len(net.stages[1]) == 2


def test_tiny_net_needs_blocks_for_every_stage():
    with pytest.raises(ValueError, match=r"per stage, got 2 channels .* blocks \(1, 1, 1\)"):
        TinyResNet(8, (8, 16))


def test_tiny_net_treats_images_one_by_one():
    net = TinyResNet(8, (8, 16), (1, 1))
    images = torch.rand(3, 3, 16, 16)
    together = net(images)
    alone = net(images[1:2])
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a[1:2], b)


def test_weights_of_a_file_give_torchvisions_features(imagenet_net, tmp_path, log):
    torch.save(imagenet_net.state_dict(), tmp_path / "net.pth")
    backbone = TorchvisionResNet(18, (0, 2, 3), checkpoint=str(tmp_path / "net.pth"))
    backbone.init_weights()
    backbone.eval()
    images = torch.rand(2, 3, 64, 64)
    normalise = torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    net, x = imagenet_net, normalise(images)
    with torch.no_grad():
        x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
        stages = []
        for layer in (net.layer1, net.layer2, net.layer3, net.layer4):
            x = layer(x)
            stages.append(x)
        features = backbone(images * 2 - 1)
    assert backbone.out_channels == tuple(f.shape[1] for f in features) == (64, 256, 512)
    for feature, wanted in zip(features, (stages[0], stages[2], stages[3]), strict=True):
        torch.testing.assert_close(feature, wanted, atol=1e-4, rtol=1e-4)
    assert not log.text


def test_weights_are_found_in_the_cache(imagenet_net, tmp_path):
    folder = tmp_path / "cache" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(imagenet_net.state_dict(), folder / "resnet18-f37072fd.pth")
    backbone = TorchvisionResNet(18)
    backbone.init_weights()
    torch.testing.assert_close(backbone.stem[0].weight, imagenet_net.conv1.weight)
    torch.testing.assert_close(
        backbone.stages[3][1].bn2.running_mean, imagenet_net.layer4[1].bn2.running_mean
    )


def test_without_a_cache_it_warns_and_keeps_random_weights(log, tmp_path):
    backbone = TorchvisionResNet(18)
    before = backbone.stem[0].weight.clone()
    backbone.init_weights()
    assert torch.equal(backbone.stem[0].weight, before)
    assert "No ImageNet weights for ResNet-18" in log.text
    assert str(tmp_path / "cache") in log.text
    assert "random weights" in log.text


def test_named_file_must_exist(tmp_path):
    backbone = TorchvisionResNet(18, checkpoint=str(tmp_path / "absent.pth"))
    with pytest.raises(FileNotFoundError, match=r"absent\.pth.*torchvision's layout"):
        backbone.init_weights()


def test_unknown_depth():
    with pytest.raises(ValueError, match=r"one of \[18, 34, 50, 101\], got 20"):
        TorchvisionResNet(20)


def test_file_of_another_network_is_refused(imagenet_net, tmp_path):
    state = dict(imagenet_net.state_dict())
    state.pop("layer4.1.bn2.running_mean")
    torch.save(state, tmp_path / "net.pth")
    backbone = TorchvisionResNet(18, checkpoint=str(tmp_path / "net.pth"))
    with pytest.raises(RuntimeError, match="Missing key"):
        backbone.init_weights()


def test_statistics_of_imagenet_are_no_weights():
    state = TorchvisionResNet(18).state_dict()
    assert not {"mean", "std"} & set(state)
