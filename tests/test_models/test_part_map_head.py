import pytest
import torch
from part_synth.geometry import PART_FLIP_INDICES
from part_synth.models.part_map_head import PartMapHead, SubpixelPartMapHead
from tiny_part_synth import SIZE, floats, tiny_model, with_head

HEADS = pytest.mark.parametrize("head_class", [PartMapHead, SubpixelPartMapHead])


@HEADS
def test_logits_have_half_the_images_size(head_class):
    head = head_class(in_channels=12, num_parts=5)
    logits = head(torch.randn(2, 12, 6, 9), torch.randn(2, 3, 48, 72))
    assert logits.shape == (2, 6, 24, 36)
    assert logits.dtype == torch.float32


@HEADS
def test_learns_what_only_the_image_shows(head_class):
    """The pyramid says nothing here: the boundary must come from the picture."""
    torch.manual_seed(0)
    head = head_class(in_channels=4, num_parts=1, detail_channels=8, hidden=8)
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-2)
    for _ in range(60):
        labels = (torch.rand(8, 1, 8, 8) > 0.5).repeat_interleave(2, 2).repeat_interleave(2, 3)
        images = (
            labels.float().repeat_interleave(2, 2).repeat_interleave(2, 3).expand(-1, 3, -1, -1)
        )
        logits = head(torch.zeros(8, 4, 4, 4), images * 2 - 1)
        loss = torch.nn.functional.cross_entropy(logits, labels[:, 0].long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (logits.argmax(1) == labels[:, 0]).float().mean() > 0.97


def test_encoder_without_head_reads_no_parts(fit, batch):
    model = tiny_model(fit[0].state_dict())
    assert model.encoder(floats(batch)["image"].flatten(0, 1)).part_logits is None


def test_head_is_what_segments_by_default(fit, batch):
    model = with_head(fit).eval()
    assert model.part_source == "head"
    images = floats(batch)["image"][:, 0]
    with torch.no_grad():
        decoded = model.read(images)
        parts = model.segment(decoded, images)
        logits = model.encoder(images).part_logits
    assert parts.shape == (len(images), 15, SIZE, SIZE)
    torch.testing.assert_close(parts.sum(1), torch.ones_like(parts[:, 0]))
    # An even image size: every second pair of pixels lies about the middle of one of the head's.
    grown = logits.repeat_interleave(2, 2).repeat_interleave(2, 3)
    inner = torch.nn.functional.avg_pool2d(grown, 3, 1, 1, count_include_pad=False)
    agree = parts.argmax(1) == inner.argmax(1)
    assert agree.float().mean() > 0.85


def test_flip_test_averages_what_the_head_sees_in_the_mirror(fit, batch):
    model = with_head(fit).eval()
    images = floats(batch)["image"][:, 0]
    sides = list(PART_FLIP_INDICES)
    with torch.no_grad():
        plain = model.read(images)["part_logits"].softmax(1)
        seen = model.read(images.flip(-1))["part_logits"].softmax(1).flip(-1)[:, sides]
        model.flip_test = True
        both = model.read(images)
        mirrored = model.segment(model.read(images.flip(-1)), images)
    torch.testing.assert_close(both["part_logits"].softmax(1), (plain + seen) / 2)
    assert (plain - seen).abs().max() > 1e-3
    # A mirrored picture has the mirrored parts.
    parts = model.segment(both, images)
    torch.testing.assert_close(mirrored, parts.flip(-1)[:, sides])


@pytest.mark.parametrize(("source", "known"), [("haed", "head, decoder, puppet"), ("Puppet", "or")])
def test_unknown_part_source(fit, source, known):
    with pytest.raises(ValueError, match=f"part_source .*{known}.*got '{source}'"):
        with_head(fit, part_source=source)


def test_source_head_needs_a_head(fit):
    with pytest.raises(ValueError, match="needs a part_head of the encoder"):
        tiny_model(fit[0].state_dict(), part_source="head")


def test_puppets_teach_the_head(fit, batch, unpaired_file):
    model = with_head(fit, unpaired_poses=str(unpaired_file))
    objective = model.objectives["puppet"]
    losses = objective.loss(model, floats(batch), None)
    losses["loss_parts"].backward()
    assert model.encoder.part_head.classify.weight.grad.abs().sum() > 0
    assert model.encoder.backbone.stem[0].weight.grad.abs().sum() > 0


def test_frames_teach_head_and_pose(fit, batch):
    """The head learns from the background; the pose is pulled to the head, not the reverse."""
    model = with_head(fit)
    losses = model.objectives["synthesis"].loss(model, floats(batch), None)
    head = model.encoder.part_head.classify.weight
    code = model.encoder.code_head.weight
    (grad,) = torch.autograd.grad(losses["loss_reading"], head, retain_graph=True)
    assert grad.abs().sum() > 0
    nothing, pull = torch.autograd.grad(losses["loss_agreement"], (head, code), allow_unused=True)
    assert nothing is None
    assert pull.abs().sum() > 0


def test_sub_pixel_head_says_which_sizes_it_takes():
    head = SubpixelPartMapHead(in_channels=8)
    with pytest.raises(ValueError, match=r"multiples of 4, got 66 x 64; change crop\.size"):
        head(torch.randn(1, 8, 16, 16), torch.randn(1, 3, 66, 64))
