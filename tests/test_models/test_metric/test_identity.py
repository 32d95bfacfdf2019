import pytest
import torch
import torch.nn.functional as F
from part_synth.models.metric import IdentityAdversary, reverse_gradient
from part_synth.registry import MODELS


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0, 5.0])
def test_reversal_hands_values_on_and_turns_gradients_round(strength):
    values = torch.randn(4, 5, requires_grad=True)
    handed = reverse_gradient(values, strength)
    assert torch.equal(handed, values)
    wanted = torch.randn(4, 5)
    (handed * wanted).sum().backward()
    torch.testing.assert_close(values.grad, -strength * wanted)


def test_reversal_twice_and_in_a_chain():
    values = torch.randn(3, dtype=torch.float64, requires_grad=True)
    plain = torch.autograd.grad((2 * values).sin().sum(), values)[0]
    turned = torch.autograd.grad((2 * reverse_gradient(values, 0.5)).sin().sum(), values)[0]
    torch.testing.assert_close(turned, -0.5 * plain)
    twice = reverse_gradient(reverse_gradient(values, 2.0), 3.0)
    torch.testing.assert_close(
        torch.autograd.grad(twice.sum(), values)[0], torch.full_like(plain, 6)
    )


def test_reversal_leaves_other_uses_of_the_values_alone():
    values = torch.ones(3, requires_grad=True)
    (values.sum() + reverse_gradient(values).sum() * 2).backward()
    assert values.grad.tolist() == [-1.0] * 3


@pytest.fixture
def batch():
    people = torch.arange(4).repeat_interleave(8)
    codes = F.normalize(torch.randn(32, 8) + 2 * torch.eye(8)[people], dim=-1)
    return codes, people


def adversary(**options):
    return IdentityAdversary(**{"num_people": 4, "embedding_size": 8, "hidden": 16, **options})


def test_loss_against_loops(batch):
    embedding, people = batch
    net = adversary(loss_weight=0.7)
    loss, right = net(embedding, people)
    logits = net.classifier(embedding * 8**0.5).detach().double()
    total, hits = 0.0, 0
    for row, person in zip(logits, people.tolist(), strict=True):
        total -= float(row[person] - row.exp().sum().log())
        hits += int(row.argmax()) == person
    assert float(loss.detach()) == pytest.approx(0.7 * total / 32, rel=1e-5)
    assert float(right) == pytest.approx(hits / 32)
    assert not right.requires_grad


@pytest.mark.parametrize("strength", [0.0, 0.25, 1.0])
def test_encoder_and_classifier_pull_against_each_other(batch, strength):
    embedding, people = batch
    net = adversary(strength=strength)
    embedding = embedding.clone().requires_grad_()
    net(embedding, people)[0].backward()
    given = embedding.grad
    weights = [p.grad.clone() for p in net.parameters()]
    # The same loss without the reversal.
    net.zero_grad()
    free = embedding.detach().clone().requires_grad_()
    plain = net.loss_weight * F.cross_entropy(net.classifier(free * 8**0.5), people)
    plain.backward()
    torch.testing.assert_close(given, -strength * free.grad)
    for one, two in zip(weights, net.parameters(), strict=True):
        torch.testing.assert_close(one, two.grad)
    # A step down the loss: better names by the classifier, worse ones by the encoder.
    if strength:
        with torch.no_grad():
            moved = embedding - 2.0 * given
            worse = net.loss_weight * F.cross_entropy(net.classifier(moved * 8**0.5), people)
            for parameter, gradient in zip(net.parameters(), weights, strict=True):
                parameter -= 0.5 * gradient
            better = net(embedding, people)[0]
        assert better < plain < worse


def test_an_embedding_learns_to_hide_people(batch):
    """Free embeddings: after the game their people can't be told by the classifier."""
    embedding, people = batch
    net = adversary(loss_weight=1.0)
    raw = embedding.clone().requires_grad_()
    classifier = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(100):
        classifier.zero_grad()
        net(F.normalize(raw, dim=-1), people)[0].backward()
        classifier.step()
    named = float(net(F.normalize(raw, dim=-1), people)[1])
    assert named > 0.95
    encoder = torch.optim.Adam([raw], lr=0.02)
    for _ in range(100):
        encoder.zero_grad()
        net(F.normalize(raw, dim=-1), people)[0].backward()
        encoder.step()
    assert float(net(F.normalize(raw, dim=-1), people)[1]) < 0.3


def test_is_built_by_name():
    net = MODELS.build({"type": "part_synth.IdentityAdversary", "num_people": 3})
    loss, right = net(F.normalize(torch.randn(5, 128), dim=-1), torch.tensor([0, 1, 2, 2, 1]))
    assert loss.shape == right.shape == ()


def test_more_people_than_it_knows(batch):
    embedding, people = batch
    with pytest.raises(ValueError, match=r"knows 3 people.*number 3; set num_people"):
        adversary(num_people=3)(embedding, people)
