"""PuppetFit: puppets move to the parts that are seen."""

import copy

import pytest
import torch
from mmpose.structures import PoseDataSample
from part_synth.geometry import bone_lengths
from part_synth.models import PuppetFit
from part_synth.models.novel_images import TEST_BLUR
from tiny_part_synth import floats, make_poses, tiny_model, with_head

MAP = 48


@pytest.fixture
def model(fit):
    return with_head(fit).eval()


def seen_and_read(model, count=4, error=0.05):
    """What `read` would give if it misplaced joints, and the true placed pose."""
    torch.manual_seed(3)
    images = torch.rand(count, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        read = model.read(images)
        poses = make_poses(count, seed=11)
        true = model.place(poses, read["camera"])
        parts = model.render(true, (MAP, MAP), TEST_BLUR).parts
        wrong = poses + error * torch.randn(poses.shape)
        wrong[:, 0] = 0
        placed = model.place(wrong, read["camera"])
    logits = parts.clamp_min(1e-4).log()
    return {**read, **placed, "part_logits": logits}, true


def off(first, second):
    return (first["points"] - second["points"]).norm(dim=-1).mean(-1)


def overlap(model, decoded, true):
    """Share of the pixels of people that have the right part."""
    labels = [model.render(d, (MAP, MAP), TEST_BLUR).parts.argmax(1) for d in (decoded, true)]
    person = (labels[0] > 0) | (labels[1] > 0)
    return ((labels[0] == labels[1]) & person).sum() / person.sum()


def test_held_firmly_every_puppet_comes_nearer(model):
    read, true = seen_and_read(model)
    fitted = PuppetFit(overlap=0.0, pull=0.3, bone_pull=6.0)(model, read)
    assert (off(fitted, true) < 0.8 * off(read, true)).all()


def test_joints_come_nearer_and_parts_cover_what_is_seen(model):
    read, true = seen_and_read(model)
    fitted = PuppetFit()(model, read)
    assert (off(fitted, true) < off(read, true)).all()
    assert off(fitted, true).mean() < 0.7 * off(read, true).mean()
    assert overlap(model, read, true) < 0.75
    assert overlap(model, fitted, true) > overlap(model, read, true) + 0.1
    # Depths are not seen.
    depth = fitted["joints_cam"][..., 2] - read["joints_cam"][..., 2]
    assert depth.abs().max() < 1e-5
    assert fitted["joints_body"][:, 0].abs().max() < 1e-6


def test_what_fits_already_stays(model):
    read, true = seen_and_read(model, error=0.0)
    fitted = PuppetFit()(model, read)
    assert (fitted["points"] - true["points"]).abs().max() < 0.03


def test_result_is_consistent(model):
    """Pose, camera and points of the result belong together."""
    fitted = PuppetFit(steps=3)(model, seen_and_read(model)[0])
    again = model.place(fitted["joints_body"], fitted["camera"])
    for name, value in again.items():
        torch.testing.assert_close(fitted[name], value)
        assert not fitted[name].requires_grad


def test_pictures_of_a_batch_do_not_influence_each_other(model):
    read, _ = seen_and_read(model, count=3)
    together = PuppetFit(steps=5)(model, read)
    one = {
        name: value[1:2]
        for name, value in read.items()
        if isinstance(value, torch.Tensor) and len(value) == 3
    }
    camera = copy.copy(read["camera"])
    for name, value in vars(camera).items():
        if isinstance(value, torch.Tensor):
            setattr(camera, name, value[1:2])
    alone = PuppetFit(steps=5)(model, {**one, "camera": camera})
    torch.testing.assert_close(alone["points"], together["points"][1:2], atol=1e-4, rtol=0)


def test_nothing_of_the_model_changes_in_any_mode(model):
    before = copy.deepcopy(model.state_dict())
    read, _ = seen_and_read(model)
    plain = PuppetFit(steps=4)(model, read)
    with torch.no_grad():
        quiet = PuppetFit(steps=4)(model, read)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        images = torch.rand(2, 3, 32, 32)
        assert torch.isfinite(PuppetFit(steps=2)(model, model.read(images))["points"]).all()
        fast = PuppetFit(steps=4)(model, read)
    for other in (quiet, fast):
        torch.testing.assert_close(other["points"], plain["points"], atol=1e-5, rtol=0)
    assert all(p.grad is None for p in model.parameters())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_bones_and_places_are_held(model):
    read, _ = seen_and_read(model)

    def fitted(**options):
        return PuppetFit(**options)(model, read)["joints_body"]

    def stretch(joints):
        return (bone_lengths(joints) - bone_lengths(read["joints_body"])).norm()

    moved = (fitted() - read["joints_body"]).norm()
    assert (fitted(pull=10.0) - read["joints_body"]).norm() < 0.6 * moved
    assert stretch(fitted(bone_pull=100.0)) < 0.7 * stretch(fitted(bone_pull=0.0))


def test_finer_maps_are_averaged_down(model):
    read, _ = seen_and_read(model)
    fine = {**read, "part_logits": read["part_logits"].repeat_interleave(2, 2)}
    fine["part_logits"] = fine["part_logits"].repeat_interleave(2, 3)
    same = PuppetFit(steps=3)(model, fine)
    torch.testing.assert_close(same["points"], PuppetFit(steps=3)(model, read)["points"])


def test_limbs_of_no_length_give_no_nan(model):
    read, _ = seen_and_read(model)
    flat = model.place(torch.zeros_like(read["joints_body"]), read["camera"])
    assert torch.isfinite(PuppetFit(steps=3)(model, {**read, **flat})["points"]).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("lr", 0.0),
        ("lr", -1.0),
        ("pull", -0.1),
        ("bone_pull", float("nan")),
        ("size", 0),
        ("blur", 0),
        ("overlap", 1.5),
    ],
)
def test_bad_options(name, value):
    with pytest.raises(ValueError, match=f"{name} of PuppetFit must be .*, got {value}"):
        PuppetFit(**{name: value})


def test_without_a_part_head_there_is_nothing_to_fit_to(fit):
    with pytest.raises(ValueError, match=r"puppet_fit of PartSynth .* give .* a part_head"):
        tiny_model(fit[0].state_dict(), puppet_fit={"type": "part_synth.PuppetFit"})
    model = tiny_model(fit[0].state_dict()).eval()
    with pytest.raises(ValueError, match=r"this encoder has none.*part_synth\.PartMapHead"):
        PuppetFit()(model, model.read(torch.zeros(1, 3, 32, 32)))


def test_model_predicts_the_fitted_puppet_and_the_read_pose(fit, batch):
    torch.manual_seed(1)
    plain = with_head(fit, part_source="puppet").eval()
    fitted = with_head(
        fit, part_source="puppet", puppet_fit={"type": "part_synth.PuppetFit", "steps": 5}
    ).eval()
    fitted.load_state_dict(plain.state_dict())
    images = floats(batch)["image"]
    results = []
    for model in (plain, fitted):
        samples = [PoseDataSample() for _ in images]
        results.append(model.predict({"image": images}, samples))
    for before, after in zip(*results, strict=True):
        first, second = before.pred_instances, after.pred_instances
        assert (first.keypoints == second.keypoints).all()
        assert abs(first.crop_keypoints - second.crop_keypoints).max() > 1e-3
        assert (before.pred_fields.part_labels != after.pred_fields.part_labels).any()
