import copy

import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample
from part_synth.engine import MultiOptimWrapperConstructor
from part_synth.registry import MODELS
from tiny_part_synth import SIZE, Sealed, floats, make_poses, tiny_model, with_head

SGD = {"type": "SGD", "lr": 1e-3}
MODULES = {"encoder": ["encoder", "puppet"], "synthesizer": ["appearance", "decoder"]}


def wrappers(model, **changes):
    entries = {name: {"modules": modules, "optimizer": SGD} for name, modules in MODULES.items()}
    return MultiOptimWrapperConstructor({**entries, **changes})(model)


def labelled(count=2, frames=2):
    generator = torch.Generator().manual_seed(4)
    samples = []
    for _ in range(count):
        sample = PoseDataSample()
        sample.gt_instances = InstanceData(
            lifting_target=(make_poses(frames, seed=6) + torch.tensor([0.2, 0.1, 5.0])).numpy(),
            crop_keypoints=(torch.rand(frames, 17, 2, generator=generator) * 2 - 1).numpy(),
        )
        samples.append(sample)
    return samples


def build_supervised(**arguments):
    return MODELS.build({"type": "part_synth.SupervisedPose", **arguments})


def step(model, batch, samples, name, optim_wrapper=None):
    model.current_objective = name
    data = {"inputs": batch, "data_samples": samples}
    return model.train_step(data, optim_wrapper or wrappers(model))


def moved(model, batch, samples, name):
    before = copy.deepcopy(model.state_dict())
    logs = step(model, batch, samples, name)
    after = model.state_dict()
    return {key for key, value in after.items() if not torch.equal(value, before[key])}, logs


@pytest.mark.parametrize(
    ("name", "modules"),
    [
        ("puppet", {"encoder"}),
        ("supervised", {"encoder"}),
        ("synthesis", {"encoder", "puppet", "appearance", "decoder"}),
    ],
)
def test_a_step_moves_the_weights_of_its_optimisers_and_no_others(trained, batch, name, modules):
    samples = labelled() if name == "supervised" else [Sealed(), Sealed()]
    changed, logs = moved(trained, batch, samples, name)
    wanted = {
        key
        for key, _ in trained.named_parameters()
        if key.split(".")[0] in modules and not key.endswith("log_radii")
    }
    if name == "synthesis":
        wanted.add("puppet.log_radii")
    assert changed == wanted
    assert f"{name}/loss" in logs
    for key, value in logs.items():
        assert key.startswith(f"{name}/")
        assert torch.as_tensor(value).isfinite().all(), key


def test_logged_losses_add_up_and_nothing_else_is_minimised(trained, batch):
    logs = step(trained, batch, [Sealed()] * 2, "synthesis")
    logs = {key: float(torch.as_tensor(value).detach()) for key, value in logs.items()}
    parts = [value for key, value in logs.items() if key.startswith("synthesis/loss_")]
    assert len(parts) == 5
    assert logs["synthesis/loss"] == pytest.approx(sum(parts), rel=1e-5)
    assert logs["synthesis/pose_spread_mm"] > 0


def test_prior_stays_frozen_even_with_an_optimiser_over_everything(trained, batch):
    from mmengine.optim import OptimWrapper

    everything = OptimWrapper(torch.optim.SGD(trained.parameters(), lr=0.1))
    before = copy.deepcopy(trained.prior.state_dict())
    start = trained.encoder.code_head.weight.clone()
    for name in ("puppet", "synthesis"):
        step(trained, batch, [Sealed()] * 2, name, everything)
    for key, value in trained.prior.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert not torch.equal(trained.encoder.code_head.weight, start)


def test_gradients_of_an_earlier_objective_are_not_applied(trained, batch):
    """What a puppet step leaves in the encoder must not add to the next synthesis step."""
    torch.manual_seed(0)
    alone, after = trained, copy.deepcopy(trained)
    step(alone, batch, [Sealed()] * 2, "synthesis")
    optim_wrapper = wrappers(after)
    frozen = copy.deepcopy(after.state_dict())
    step(after, batch, [Sealed()] * 2, "puppet", optim_wrapper)
    after.load_state_dict(frozen)
    step(after, batch, [Sealed()] * 2, "synthesis", optim_wrapper)
    for (key, a), b in zip(alone.state_dict().items(), after.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, msg=key)


def test_puppet_pretraining_learns_a_fixed_bank(model, batch):
    objective = model.objectives["puppet"]
    inputs = {"image": torch.zeros(2, 2, 3, SIZE, SIZE)}
    objective.batch_size = 8
    objective._paint(model, inputs)
    objective._paint = lambda *args: None
    optimizer = torch.optim.Adam(model.encoder.parameters(), lr=3e-3)
    totals, errors = [], []
    for _ in range(60):
        losses = objective.loss(model, inputs, None)
        total = sum(value for key, value in losses.items() if key.startswith("loss"))
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(float(total.detach()))
        errors.append(float(losses["puppet_mpjpe_mm"]))
    assert sum(totals[-5:]) < 0.65 * sum(totals[:5])
    assert sum(errors[-5:]) < sum(errors[:5])


def test_puppet_pretraining_repeats_puppets_of_the_epoch(model, batch):
    objective, inputs = model.objectives["puppet"], {"image": torch.zeros(1, 2, 3, SIZE, SIZE)}
    objective.loss(model, inputs, None)
    assert objective.bank.count == 2 * objective.batch_size
    objective.loss(model, inputs, None)
    assert objective.bank.count == 2 * objective.batch_size + objective.fresh
    objective.start_epoch()
    assert objective.bank.count == 0
    objective.start = 11
    objective.loss(model, inputs, None)
    assert objective.bank.count == 11


def test_puppets_stand_before_backgrounds_where_there_are_some(model):
    """White frames before black backgrounds: the puppets must stand before black."""
    inputs = {"image": torch.ones(1, 2, 3, SIZE, SIZE)}
    inputs["background"] = -inputs["image"]
    objective = model.objectives["puppet"]
    objective.painter.noise = 0.0
    objective._paint(model, inputs)
    corners = objective.bank.kept["images"][: objective.bank.count, :, 0, 0]
    assert corners.max() < 10
    inputs.pop("background")
    objective.bank.clear()
    objective._paint(model, inputs)
    # A gain between 0.56 and 1.
    assert objective.bank.kept["images"][: objective.bank.count, :, 0, 0].min() > 130


def test_puppet_truth_is_what_the_camera_sees(model, monkeypatch):
    """The targets of the reading loss fit each other: points are the projected joints."""
    seen = {}
    objective = model.objectives["puppet"]
    loss = objective.reading_loss.forward
    monkeypatch.setattr(
        objective.reading_loss, "forward", lambda *a, **k: seen.update(k) or loss(*a, **k)
    )
    objective.loss(model, {"image": torch.zeros(2, 2, 3, SIZE, SIZE)}, None)
    camera = seen["camera"]
    torch.testing.assert_close(seen["joints_cam"], camera.rotate(seen["joints_body"]))
    torch.testing.assert_close(seen["points"], camera.project(seen["joints_cam"]))
    assert seen["points"].abs().max() < 1.1
    assert seen["points"].amax((1, 2)).min() > 0.2


def test_supervised_labels_are_root_relative_and_in_order(model, batch, monkeypatch):
    seen = {}
    objective = model.objectives["supervised"]
    loss = objective.reading_loss.forward
    monkeypatch.setattr(
        objective.reading_loss, "forward", lambda *a, **k: seen.update(k) or loss(*a, **k)
    )
    samples = labelled()
    samples[1].gt_instances.lifting_target = samples[1].gt_instances.lifting_target * 2
    losses = objective.loss(model, floats(batch), samples)
    poses = make_poses(2, seed=6)
    wanted = torch.cat([poses, 2 * poses])
    torch.testing.assert_close(seen["joints_cam"], wanted - wanted[:, :1], atol=1e-5, rtol=0)
    assert seen["points"][2].numpy() == pytest.approx(samples[1].gt_instances.crop_keypoints[0])
    decoded = model.decode(model.encoder(floats(batch)["image"].flatten(0, 1)))
    error = (decoded["joints_cam"] - seen["joints_cam"]).norm(dim=-1).mean() * 1000
    assert float(losses["train_mpjpe_mm"]) == pytest.approx(float(error.detach()), rel=1e-4)


def test_supervised_pose_looks_at_the_labels_of_its_source_alone(model, batch):
    samples = labelled()
    for sample, source in zip(samples, ("videos", "labelled"), strict=True):
        sample.set_metainfo({"source": source})
    objective = build_supervised(source="labelled")
    losses = objective.loss(model, floats(batch), samples)
    second = {name: value[1:] for name, value in batch.items()}
    alone = build_supervised().loss(model, floats(second), samples[1:])
    torch.testing.assert_close(losses, alone)
    samples[0].gt_instances.lifting_target[:] = float("nan")
    torch.testing.assert_close(objective.loss(model, floats(batch), samples), alone)


def test_a_source_without_labels_is_named(model, batch):
    samples = labelled()
    samples[0].set_metainfo({"source": "videos"})
    message = r"any label of the source 'labelled'; its samples are of None, videos\. Name a source"
    with pytest.raises(ValueError, match=message):
        build_supervised(source="labelled").loss(model, floats(batch), samples)


def test_missing_optimiser(model, batch):
    optim_wrapper = MultiOptimWrapperConstructor(
        {"all": {"modules": [*MODULES["encoder"], *MODULES["synthesizer"]], "optimizer": SGD}}
    )(model)
    with pytest.raises(ValueError, match=r"'puppet' moves .* \('encoder',\).*\['all'\]"):
        step(model, batch, [Sealed()] * 2, "puppet", optim_wrapper)


def test_gradient_accumulation_is_refused(model, batch):
    optim_wrapper = wrappers(model, accumulative_counts=2)
    with pytest.raises(ValueError, match="leave accumulative_counts out"):
        step(model, batch, [Sealed()] * 2, "puppet", optim_wrapper)


@pytest.mark.parametrize("mode", ["step", "loss"])
def test_model_without_objectives(fit, batch, mode):
    model = tiny_model(fit[0].state_dict(), objectives={})
    with pytest.raises(ValueError, match=r"no objective None to train; .*objectives=dict"):
        if mode == "step":
            step(model, batch, None, None)
        else:
            model(floats(batch), None, mode="loss")


@pytest.mark.parametrize("name", ["synthesis", "supervised"])
def test_encoder_is_shown_the_background_of_each_frame(trained, batch, name):
    seen = []
    trained.encoder.register_forward_pre_hook(lambda _, args: seen.append(args))
    step(trained, batch, labelled(), name)
    ((images, backgrounds),) = seen
    wanted = floats(batch)
    assert torch.equal(images, wanted["image"].flatten(0, 1))
    assert torch.equal(backgrounds, wanted["background"].flatten(0, 1))


def test_encoder_is_shown_the_puppets_scene(trained, batch):
    seen = []
    trained.encoder.register_forward_pre_hook(lambda _, args: seen.append(args))
    step(trained, batch, [Sealed(), Sealed()], "puppet")
    ((images, backgrounds),) = seen
    bank = trained.objectives["puppet"].bank
    for image, scene in zip(images, backgrounds, strict=True):
        kept = ((image + 1) * 127.5).round().to(torch.uint8)
        (row,) = (bank.kept["images"][: bank.count] == kept).flatten(1).all(1).nonzero()[0]
        torch.testing.assert_close(scene, bank.kept["backgrounds"][row] / 127.5 - 1)


def test_puppets_that_come_again_are_varied(trained, batch):
    """What the encoder sees is no picture of the bank any more."""
    objective, seen = trained.objectives["puppet"], []
    trained.encoder.register_forward_pre_hook(lambda _, args: seen.append(args))
    for vary in (None, {"gain": 0.9, "permuted": 0.0}):
        objective.vary = vary
        torch.manual_seed(0)
        step(trained, batch, [Sealed(), Sealed()], "puppet")
    (plain, _), (varied, _) = seen
    kept = objective.bank.kept["images"][: objective.bank.count].float() / 127.5 - 1

    def of_the_bank(images):
        distance = (images[:, None] - kept).abs().amax((-1, -2, -3))
        return distance.amin(1) < 1e-3

    assert of_the_bank(plain).all()
    assert not of_the_bank(varied).any()


def test_puppets_have_no_scene_where_the_videos_have_none(trained, batch):
    seen = []
    trained.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    step(trained, {"image": batch["image"]}, [Sealed(), Sealed()], "puppet")
    assert seen == [None]


def test_puppets_without_empty_scenes_stand_beside_nobody(model):
    """A bright person in the middle of dark frames must not be seen behind the puppets."""
    images = -torch.ones(1, 2, 3, SIZE, SIZE)
    images[..., SIZE // 4 : -SIZE // 4] = 1
    objective = model.objectives["puppet"]
    objective.painter.noise = 0.0
    objective._paint(model, {"image": images})
    assert objective.bank.kept["backgrounds"][: objective.bank.count].max() < 10


def test_puppets_teach_pose_or_parts_alone(fit, batch, unpaired_file):
    model = with_head(fit, unpaired_poses=unpaired_file)
    names = {}
    for left_out in ("reading_loss", "parts_loss"):
        config = {"type": "part_synth.PuppetPretraining", "batch_size": 4, left_out: None}
        names[left_out] = set(MODELS.build(config).loss(model, floats(batch), None))
    assert names["reading_loss"] == {"loss_parts", "puppet_mpjpe_mm"}
    assert "loss_parts" not in names["parts_loss"] and "loss_heat" in names["parts_loss"]
    with pytest.raises(ValueError, match="would teach nothing"):
        MODELS.build({**config, "reading_loss": None})


PAINTING = ("reconstruction", "segmentation", "perceptual", "appearance_cycle")
POSES = ("flat_reconstruction", "foreground", "agreement", "reading", "tie")


@pytest.mark.parametrize(("train_pose", "left_out"), [(True, PAINTING + POSES), (False, PAINTING)])
def test_synthesis_without_a_loss_that_counts_is_refused(train_pose, left_out):
    config = {"type": "part_synth.NovelImageSynthesis", "train_pose": train_pose}
    with pytest.raises(ValueError, match="would teach nothing; give it reconstruction"):
        MODELS.build({**config, **dict.fromkeys(left_out)})
    MODELS.build({**config, **dict.fromkeys(left_out[1:])})


@pytest.mark.parametrize("name", ["PuppetPretraining", "SynthesisCycle", "ReadingConsistency"])
def test_losses_of_parts_alone_need_a_part_head(trained, batch, name):
    objective = MODELS.build({"type": f"part_synth.{name}", "reading_loss": None})
    with pytest.raises(ValueError, match=f"{name} has nothing to minimise.*an encoder with a part"):
        objective.loss(trained, floats(batch), [Sealed(), Sealed()])


@pytest.mark.parametrize("name", ["batch_size", "fresh", "bank_size", "start"])
def test_puppets_come_in_positive_numbers(name):
    with pytest.raises(ValueError, match="of at least 1, got"):
        MODELS.build({"type": "part_synth.PuppetPretraining", name: 0})


def test_puppets_need_unpaired_poses(fit, batch):
    model = tiny_model(fit[0].state_dict())
    with pytest.raises(ValueError, match="needs unpaired 3D poses; set `unpaired_poses`"):
        step(model, batch, None, "puppet")


def test_unpaired_poses_are_read_once_and_in_the_body_frame(model, fit, unpaired_file):
    poses = model.load_unpaired_poses()
    torch.testing.assert_close(poses, fit[1], atol=1e-5, rtol=0)
    model.unpaired_poses_file = "/nowhere"
    assert model.load_unpaired_poses() is poses
    drawn = model.draw_unpaired_poses(50)
    assert drawn.shape == (50, 17, 3)
    distance = (drawn[:, None] - poses).abs().amax((-1, -2)).amin(1)
    assert distance.max() == 0
    assert len({tuple(pose.flatten().tolist()) for pose in drawn}) > 20
    assert "_unpaired_poses" not in model.state_dict()


def test_objective_built_by_name_with_its_own_parts(model):
    config = {
        "type": "part_synth.NovelImageSynthesis",
        "foreground": {"type": "part_synth.ForegroundLoss", "loss_weight": 0.25},
        "optimizers": ["encoder"],
    }
    objective = MODELS.build(config)
    assert objective.foreground.loss_weight == 0.25
    assert objective.optimizers == ("encoder",)
