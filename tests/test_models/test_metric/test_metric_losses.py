import math

import pytest
import torch
import torch.nn.functional as F
from part_synth.models import HardestNegativeLoss, InfoNCELoss, TripletLoss
from part_synth.models.metric import negative_mask
from part_synth.registry import MODELS

SUBJECTS = ["S1"] * 5 + ["S5"] * 3 + ["S6"]
CLIPS = ["a", "a", "a", "b", "b", "a", "a", "a", "a"]
TIMES = torch.tensor([0.0, 0.1, 0.5, 0.0, 1.0, 0.0, 0.2, 0.8, 0.0])
LOSSES = [
    HardestNegativeLoss(warm_up=0, margin=0.6),
    HardestNegativeLoss(warm_up=0, margin=1.5, same_view=False, loss_weight=0.3),
    TripletLoss(margin=0.3),
    TripletLoss(margin=1.2, loss_weight=2.0),
    InfoNCELoss(temperature=0.1),
    InfoNCELoss(temperature=0.5, loss_weight=0.5),
]
NAMES = [f"{type(loss).__name__}-{number}" for number, loss in enumerate(LOSSES)]


def masks(scope="person", gap=0.3):
    return negative_mask(SUBJECTS, CLIPS, TIMES, gap, scope)


def unit(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, generator=generator), dim=-1)


def views_of(count, num_views, noise, seed=0):
    """Views of an instant near each other."""
    middle = unit(count, 1, 16, seed=seed)
    return F.normalize(middle + noise * unit(count, num_views, 16, seed=seed + 1), dim=-1)


# ---- slow references: loops over instants, views and candidates in Python numbers ---------------


def _distance(x, y):
    return math.dist(x.tolist(), y.tolist())


def slow_hardest(loss, e, i, v, w, others):
    pairs = [(e[i, v], e[j, w]) for j in others] + [(e[j, v], e[i, w]) for j in others]
    if loss.same_view:
        pairs += [(e[i, view], e[j, view]) for j in others for view in (v, w)]
    nearest = min(_distance(x, y) for x, y in pairs)
    return max(0.0, loss.margin + _distance(e[i, v], e[i, w]) - nearest)


def slow_triplet(loss, e, i, v, w, others):
    near = _distance(e[i, v], e[i, w]) ** 2
    violations = [loss.margin + near - _distance(e[i, v], e[j, w]) ** 2 for j in others]
    violations = [value for value in violations if value > 0]
    return sum(violations) / len(violations) if violations else 0.0


def slow_info_nce(loss, e, i, v, w, others):
    def score(j):
        cosine = sum(x * y for x, y in zip(e[i, v].tolist(), e[j, w].tolist(), strict=True))
        return math.exp(cosine / loss.temperature)

    return -math.log(score(i) / (score(i) + sum(score(j) for j in others)))


SLOW = {
    HardestNegativeLoss: slow_hardest,
    TripletLoss: slow_triplet,
    InfoNCELoss: slow_info_nce,
}


def slow_loss(loss, embeddings, negatives):
    e, values = embeddings.double(), []
    count, num_views = e.shape[:2]
    for i in range(count):
        others = [j for j in range(count) if negatives[i, j]]
        if not others:
            continue
        for v in range(num_views):
            for w in range(num_views):
                if v != w:
                    values.append(SLOW[type(loss)](loss, e, i, v, w, others))
    return loss.loss_weight * sum(values) / len(values) if values else 0.0


@pytest.mark.parametrize("scope", ["clip", "person", "batch"])
@pytest.mark.parametrize("num_views", [2, 3, 4])
@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
def test_against_loops(loss, num_views, scope):
    negatives = masks(scope)
    for seed, noise in enumerate((0.3, 1.0, 3.0)):
        embeddings = views_of(9, num_views, noise, seed)
        wanted = slow_loss(loss, embeddings, negatives)
        assert float(loss(embeddings, negatives)) == pytest.approx(wanted, abs=2e-5)


@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
def test_the_order_of_instants_and_views_does_not_matter(loss):
    embeddings, negatives = views_of(9, 3, 1.0), masks()
    order = torch.randperm(9)
    same = loss(embeddings[order][:, [2, 0, 1]], negatives[order][:, order])
    torch.testing.assert_close(same, loss(embeddings, negatives))


@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
def test_instants_without_negatives_take_no_part(loss):
    negatives = masks("person")
    alone = ~negatives.any(-1)
    assert alone.tolist() == [False] * 8 + [True]
    embeddings = views_of(9, 2, 1.0).requires_grad_()
    value = loss(embeddings, negatives)
    value.backward()
    assert not embeddings.grad[8].any()
    assert embeddings.grad[:8].any()
    torch.testing.assert_close(value, loss(embeddings[:8], negatives[:8, :8]))


@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
def test_a_batch_without_any_negative_gives_zero_and_a_gradient(loss):
    embeddings = views_of(9, 2, 1.0).requires_grad_()
    value = loss(embeddings, torch.zeros(9, 9, dtype=torch.bool))
    value.backward()
    assert float(value.detach()) == 0
    assert not embeddings.grad.any()


@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
@pytest.mark.parametrize("kind", ["equal views", "two equal instants", "collapsed", "opposite"])
def test_gradients_are_finite_where_embeddings_coincide(loss, kind):
    raw = unit(9, 3, 16, seed=2).clone()
    if kind == "equal views":
        raw = raw[:, :1].repeat(1, 3, 1)
    elif kind == "two equal instants":
        raw[2] = raw[0]
    elif kind == "collapsed":
        raw = raw[:1, :1].repeat(9, 3, 1)
    else:
        raw[:, 1] = -raw[:, 0]
    raw.requires_grad_()
    for embeddings in (raw, F.normalize(raw, dim=-1)):
        raw.grad = None
        value = loss(embeddings, masks())
        value.backward()
        assert value.isfinite()
        assert raw.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
def test_gradients_against_differences(loss):
    """The losses compute in float32: differences of the slow reference stand in."""
    embeddings, negatives = views_of(9, 2, 1.5, seed=4), masks()
    raw = embeddings.clone().requires_grad_()
    loss(raw, negatives).backward()
    for seed in range(5):
        # Along the sphere: distances are told from products of unit vectors.
        step = unit(9, 2, 16, seed=10 + seed)
        step = 1e-4 * (step - (step * embeddings).sum(-1, keepdim=True) * embeddings)
        ahead, behind = (
            slow_loss(loss, F.normalize((embeddings + s * step).double(), dim=-1), negatives)
            for s in (1, -1)
        )
        slope = (ahead - behind) / 2
        assert float((raw.grad * step).sum()) == pytest.approx(slope, rel=0.03, abs=2e-7)


@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
def test_views_come_together_and_instants_apart(loss):
    good, bad = views_of(9, 2, 0.1), unit(9, 2, 16)
    assert loss(good, masks()) < 0.6 * loss(bad, masks())
    raw = torch.randn(9, 2, 16, requires_grad=True)
    optimizer = torch.optim.Adam([raw], lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        value = loss(F.normalize(raw, dim=-1), masks())
        value.backward()
        optimizer.step()
    e = F.normalize(raw.detach(), dim=-1)
    across = torch.cdist(e[:, 0], e[:, 1])
    for i in range(8):
        assert across[i, i] + 0.05 < min(
            across[i][masks()[i]].min(), across[:, i][masks()[i]].min()
        )


def test_closed_forms():
    x, y = torch.eye(2)
    embeddings = torch.stack([torch.stack([x, x]), torch.stack([y, y])])
    negatives = torch.tensor([[False, True], [True, False]])
    # Pairs coincide, negatives are a right angle apart: distance sqrt 2, squared 2, cosine 0.
    hardest = HardestNegativeLoss(warm_up=0, margin=1.5)(embeddings, negatives)
    assert float(hardest) == pytest.approx(1.5 - math.sqrt(2), abs=2e-3)
    assert float(TripletLoss(margin=2.5)(embeddings, negatives)) == pytest.approx(0.5)
    info = InfoNCELoss(temperature=0.5)(embeddings, negatives)
    assert float(info) == pytest.approx(math.log(1 + math.exp(-2)))
    assert float(TripletLoss(margin=1.9)(embeddings, negatives)) == 0
    # Everything in one point: the margin, and the logarithm of the number of candidates.
    one = x.expand(2, 2, 2)
    assert float(HardestNegativeLoss(warm_up=0, margin=0.6)(one, negatives)) == pytest.approx(0.6)
    assert float(TripletLoss(margin=0.3)(one, negatives)) == pytest.approx(0.3)
    assert float(InfoNCELoss()(one, negatives)) == pytest.approx(math.log(2))


def test_negatives_of_the_same_view_count_only_if_wanted():
    # Seen by one camera two instants are near, seen by two they are not.
    embeddings = F.normalize(
        torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]], [[1.0, 0, 0.1], [0, 1.0, 0.1]]]), dim=-1
    )
    negatives = ~torch.eye(2, dtype=torch.bool)
    both, across = (
        HardestNegativeLoss(0.6, same_view=same, warm_up=0)(embeddings, negatives)
        for same in (True, False)
    )
    assert float(across) == pytest.approx(0.6, abs=0.01)
    assert float(both) == pytest.approx(0.6 + math.sqrt(2) - 0.1, abs=0.01)


@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
def test_half_precision_embeddings_are_compared_in_full(loss):
    embeddings = views_of(9, 2, 1.0)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = loss(embeddings, masks())
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, loss(embeddings, masks()))


@pytest.mark.parametrize("name", ["HardestNegativeLoss", "TripletLoss", "InfoNCELoss"])
def test_are_built_by_name(name):
    config = {"type": f"part_synth.{name}"}
    once, twice = (MODELS.build({**config, "loss_weight": w}) for w in (1.0, 2.0))
    embeddings = views_of(9, 2, 2.0)
    assert float(twice(embeddings, masks())) == pytest.approx(2 * float(once(embeddings, masks())))


@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
def test_shapes_that_do_not_fit(loss):
    with pytest.raises(ValueError, match=r"at least 2 views.*got \(9, 1, 16\).*num_views"):
        loss(unit(9, 1, 16), masks())
    with pytest.raises(ValueError, match=r"at least 2 views.*got \(9, 16\)"):
        loss(unit(9, 16), masks())
    with pytest.raises(ValueError, match=r"must be \(8, 8\), got \(9, 9\)"):
        loss(unit(8, 2, 16), masks())


def test_the_hardest_negative_takes_over_bit_by_bit():
    embeddings, negatives = views_of(len(SUBJECTS), 2, 0.5), masks()
    loss = HardestNegativeLoss(margin=0.6, same_view=False, warm_up=2)
    values = [float(loss(embeddings, negatives)) for _ in range(4)]
    sharp = float(HardestNegativeLoss(0.6, same_view=False, warm_up=0)(embeddings, negatives))
    # The hardest is nearest, so it costs most.
    assert values[0] < values[1] == pytest.approx(sharp)
    assert values[2] == values[3] == pytest.approx(sharp)
    # At test time nothing is counted.
    loss.eval()
    loss(embeddings, negatives)
    assert int(loss.steps) == 4
