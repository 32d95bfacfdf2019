"""synthesize(): pictures and 3D poses in, pictures out."""

import cv2
import numpy as np
import pytest
import torch
from part_synth.apis import load_synthesizer, synthesis, synthesize
from part_synth.apis.pictures import iterate_pictures, median_picture
from part_synth.apis.pose_files import read_pose_file
from part_synth.apis.synthesis_inputs import place_poses, read_looks, read_poses
from part_synth.apis.target_poses import join_poses
from part_synth.models.novel_images import novel_images
from part_synth.models.puppet_fit import PuppetFit
from part_synth.models.synthesizer import Appearance
from tiny_synthesizer import MODEL, SIZE, load_tiny, rest_poses, save_tiny
from torch import nn


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_tiny(tmp_path_factory.mktemp("model"))


def picture(seed, shape=(60, 90, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def close(first, second, atol=2):
    """Equal pictures but for rounding."""
    assert np.abs(first.astype(int) - second.astype(int)).max() <= atol


def test_result_is_what_the_docstring_promises(model):
    result = synthesize(model, picture(0), [picture(1), picture(2)], views=(0, 90, 180))
    assert result.images.shape == (6, SIZE, SIZE, 3) and result.images.dtype == np.uint8
    assert result.part_labels.shape == (6, SIZE, SIZE) and result.part_labels.dtype == np.uint8
    assert result.part_labels.max() <= 14 and len(np.unique(result.part_labels)) > 3
    assert result.joints_cam.shape == (6, 17, 3) and result.keypoints.shape == (6, 17, 2)
    assert np.abs(result.joints_cam[:, 0]).max() < 1e-3
    bones = np.linalg.norm(result.joints_cam[:, 2] - result.joints_cam[:, 1], axis=-1)
    assert bones == pytest.approx(250, abs=1)  # mm
    assert result.views.tolist() == [0, 90, 180] * 2
    assert result.looks_crops.shape == (1, SIZE, SIZE, 3)
    assert result.pose_crops.shape == (2, SIZE, SIZE, 3)


def test_pose_is_the_readings_and_looks_are_the_others(model):
    """Before a scene it is what the training path paints: same maps, same looks."""
    looks, pose, scene = picture(0, (64, 64, 3)), picture(1, (64, 64, 3)), picture(2, (64, 64, 3))
    result = synthesize(model, looks, pose, looks_scene=scene, pose_scene=scene, background="poses")
    read = read_poses(model, [pose, looks], scene=scene)
    images, scenes = (
        torch.from_numpy(crops).permute(0, 3, 1, 2)[None].float() / 127.5 - 1
        for crops in (read.crops, read.scenes)
    )
    with torch.no_grad():
        slow = novel_images(model, {"image": images, "background": scenes})
    close(result.images[0], slow[0].permute(1, 2, 0).numpy())
    assert np.abs(result.images[0].astype(int) - looks.mean()).max() > 10
    other = synthesize(model, picture(5, (64, 64, 3)), pose, looks_scene=scene, pose_scene=scene)
    assert np.array_equal(other.joints_cam, result.joints_cam)
    assert not np.array_equal(other.images, result.images)


def test_batches_give_what_single_calls_give(model):
    poses = [picture(seed) for seed in range(5)]
    together = synthesize(model, picture(9), poses, views=(0, 120), batch_size=3)
    alone = [synthesize(model, picture(9), pose, views=(0, 120)) for pose in poses]
    close(together.images, np.concatenate([one.images for one in alone]))
    joints = np.concatenate([one.joints_cam for one in alone])
    np.testing.assert_allclose(together.joints_cam, joints, atol=0.05)


def test_all_poses_pass_the_decoder_at_once(model, monkeypatch):
    sizes = []
    paint = model.decoder.forward
    monkeypatch.setattr(
        model.decoder,
        "forward",
        lambda maps, *rest: sizes.append(len(maps.parts)) or paint(maps, *rest),
    )
    synthesize(model, picture(0), [picture(seed) for seed in range(10)], views=(0, 180))
    assert sizes == [20]


def test_several_pictures_of_a_person_are_pooled(model):
    """Against weighted means written out."""
    crops = [picture(seed, (64, 64, 3)) for seed in range(3)]
    looks = read_looks(model, crops)
    images = torch.from_numpy(looks.poses.crops).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        maps = model.render(
            model.place(looks.poses.joints_body, looks.poses.crop_camera), (SIZE, SIZE), 0.7
        )
        weights = maps.capsules.square()
    wanted = torch.zeros(weights.shape[1], 3)
    for c in range(weights.shape[1]):
        for i in range(3):
            wanted[c] += (weights[i, c] * images[i]).sum((-1, -2))
    mass = weights.sum((0, 2, 3))
    mean = wanted.sum(0) / mass.sum()
    known = (mass / (mass + 1e-3))[:, None]
    wanted = known * wanted / mass[:, None].clamp_min(1e-3) + (1 - known) * mean
    torch.testing.assert_close(looks.appearance.colours[0], wanted, atol=1e-4, rtol=1e-3)
    assert isinstance(looks.appearance, Appearance) and len(looks.appearance.features) == 1
    single = read_looks(model, crops[0]).appearance
    assert (single.colours - looks.appearance.colours).abs().max() > 0.01
    # The same picture twice tells nothing new.
    twice = read_looks(model, [crops[0]] * 2).appearance
    torch.testing.assert_close(twice.features, single.features, atol=2e-3, rtol=1e-2)


def test_views_turn_the_person_about_the_vertical(model):
    result = synthesize(model, picture(0), rest_poses(), views=(0, 90, 180, 360))
    front, left, back, again = result.joints_cam
    np.testing.assert_allclose(front, again, atol=0.1)
    np.testing.assert_allclose(back, front * [-1, 1, -1], atol=0.1)
    # The left hip (4) is on the right of the picture; a quarter turn clockwise, seen from above,
    # brings what was on the right to the front.
    assert front[4, 0] == pytest.approx(250, abs=1) and left[4, 2] == pytest.approx(-250, abs=1)
    np.testing.assert_allclose(left[:, 1], front[:, 1], atol=0.1)
    assert not np.array_equal(result.images[0], result.images[1])


def test_3d_poses_are_shown_whole_and_of_one_size(model):
    poses = rest_poses(3)
    poses[1, 11:14] += [400, -300, 0]
    # Longer bones than the model's: directions count.
    result = synthesize(model, picture(0), 1.3 * poses, views=range(0, 360, 60))
    assert result.pose_crops is None and len(result.images) == 18
    assert (result.keypoints > 0).all() and (result.keypoints < SIZE - 1).all()
    assert np.ptp(result.keypoints[..., 1], axis=1).max() > 0.4 * SIZE
    heights = np.linalg.norm(result.joints_cam[:, 10] - result.joints_cam[:, 0], axis=-1)
    assert heights == pytest.approx(heights[0], abs=1)


def test_backgrounds(model):
    scene, pose_scene = np.full((60, 90, 3), 40, np.uint8), np.full((60, 90, 3), 200, np.uint8)
    given = dict(looks_scene=scene, pose_scene=pose_scene)

    def corner(background):
        result = synthesize(model, picture(0), picture(1), background=background, **given)
        return result.images[0, 0, 0].tolist()

    assert corner("looks") == pytest.approx([40] * 3, abs=6)
    assert corner("poses") == pytest.approx([200] * 3, abs=6)
    assert corner((10, 90, 250)) == pytest.approx([10, 90, 250], abs=6)
    assert corner(None) == pytest.approx([128] * 3, abs=6)
    wide = np.zeros((40, 100, 3), np.uint8)
    wide[:, 30:70] = (250, 120, 0)
    assert corner(wide) == pytest.approx([250, 120, 0], abs=6)


def test_scenes_reach_the_encoder_cropped_as_the_picture(model, monkeypatch):
    seen = []
    hook = model.encoder.register_forward_pre_hook(lambda _, args: seen.append(args))
    image = picture(0)
    read_poses(model, [image, image], [[10, 5, 40, 55], [50, 10, 70, 20]], scene=255 - image)
    hook.remove()
    ((images, scenes),) = seen
    assert images.shape == (2, 3, SIZE, SIZE)
    torch.testing.assert_close(scenes, -images, atol=0.02, rtol=0)


def test_files_folders_and_videos(model, tmp_path):
    pictures = [picture(seed) for seed in range(3)]
    for number, array in enumerate(pictures):
        cv2.imwrite(str(tmp_path / f"{number}.png"), array[..., ::-1])
    read = list(iterate_pictures(tmp_path))
    assert all(np.array_equal(a, b) for a, b in zip(read, pictures, strict=True))
    from_files = synthesize(model, str(tmp_path / "0.png"), tmp_path)
    from_arrays = synthesize(model, pictures[0], np.stack(pictures))
    assert np.array_equal(from_files.images, from_arrays.images)
    median = median_picture(tmp_path)
    assert np.array_equal(median, np.median(np.stack(pictures), axis=0).astype(np.uint8))
    again = read_poses(model, tmp_path, scene="median")
    assert np.array_equal(again.scenes, read_poses(model, pictures, scene=median).scenes)


def test_joined_poses_are_the_parts(model):
    parts = [read_poses(model, [picture(seed), picture(seed + 1)]) for seed in (0, 5)]
    joined = join_poses(parts)
    assert len(joined) == 4 and joined.scenes is None
    assert np.array_equal(joined.crops[2:], parts[1].crops)
    taken = joined.take([3, 0])
    torch.testing.assert_close(taken.crop_camera.offset[0], parts[1].crop_camera.offset[1])
    assert join_poses([joined, place_poses(model, rest_poses())]).crops is None


def test_pose_files(tmp_path):
    poses = rest_poses(4)
    np.savez(tmp_path / "lifted.npz", joints=poses, ok=np.array([True, False, True, True]))
    assert np.array_equal(read_pose_file(tmp_path / "lifted.npz"), poses[1:])
    # z up, metres, turned away: the body frame takes the turn back.
    world = np.stack([-poses[..., 0], -poses[..., 2], -poses[..., 1]], -1) / 1000
    np.savez(tmp_path / "world.npz", xyz=world)
    np.testing.assert_allclose(read_pose_file(tmp_path / "world.npz"), poses, atol=0.1)
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(ValueError, match=r"text\.npz can't be read as an npz"):
        read_pose_file(tmp_path / "text.npz")
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        read_pose_file(tmp_path / "none.npz")
    np.savez(tmp_path / "no_one.npz", joints=poses, ok=np.zeros(4, bool))
    with pytest.raises(ValueError, match=r"no_one\.npz holds no pose that was lifted"):
        read_pose_file(tmp_path / "no_one.npz")
    np.savez(tmp_path / "odd.npz", joints=poses, frames=np.arange(3))
    with pytest.raises(ValueError, match=r"`frames` \(N,\), got \(4, 17, 3\) .*\(3,\)"):
        read_pose_file(tmp_path / "odd.npz")


@pytest.mark.parametrize(
    ("person", "every", "rows"),
    [(0, 1, [0, 1, 3]), (1, 1, [2, 5, 6]), (0, 2, [0, 3]), (1, 2, [2, 5]), (1, 3, [2, 6])],
)
def test_pose_files_of_several_people(tmp_path, person, every, rows):
    """Frames are counted, and those of the person alone; metres become millimetres."""
    poses = rest_poses(7) * np.linspace(1, 1.2, 7)[:, None, None]
    np.savez(
        tmp_path / "two.npz",
        joints=poses / 1000,
        units=np.array("metres"),
        person_ids=[0, 0, 1, 0, 0, 1, 1],
        frames=[0, 1, 1, 2, 4, 3, 4],
        ok=[True, True, True, True, False, True, True],
    )
    found = read_pose_file(tmp_path / "two.npz", person, every)
    np.testing.assert_allclose(found, poses[rows], atol=1e-3)


NAN = rest_poses(3)
NAN[1, 4] = np.nan
MISTAKES = [
    (dict(looks="none.jpg"), FileNotFoundError, "no picture, folder or video none.jpg"),
    (dict(looks=[]), ValueError, "There is no picture; give at least one"),
    (dict(looks=picture(0).astype(float)), ValueError, "uint8 RGB, got .* float64"),
    (dict(looks_boxes=[[90, 0, 99, 50]]), ValueError, "wholly outside of the picture of 90 x 60"),
    (dict(looks_boxes=[[0, 0, 9]]), ValueError, r"boxes must be \(N, 4\).*got \(1, 3\)"),
    (dict(looks_boxes=[[0, 0, 9, 9]] * 2), ValueError, "2 boxes for 1 pictures"),
    (
        dict(looks=[picture(1)] * 3, looks_boxes=[[0, 0, 9, 9]]),
        ValueError,
        "1 boxes for 3 pictures",
    ),
    (dict(poses="S38.json"), ValueError, r"holds no pictures.*\.npz and \.bvh files alone"),
    (
        dict(poses=[picture(1)] * 3, pose_boxes=[[0, 0, 9, 9]] * 2),
        ValueError,
        "2 boxes for more pictures",
    ),
    (dict(looks_scene=picture(0)[:30]), ValueError, r"shape of its picture \(60, 90, 3\)"),
    (dict(poses=rest_poses()[0]), ValueError, r"must be \(N, 17, 3\) in mm.*got \(17, 3\)"),
    (dict(poses=rest_poses()[:, :16]), ValueError, r"got \(1, 16, 3\)"),
    (dict(poses=rest_poses() / 1000), ValueError, "must be in mm: .* 0.6 apart"),
    (dict(poses=NAN), ValueError, "1 of 3 3D poses have a number that is not finite, first 1"),
    (dict(poses=rest_poses(), pose_boxes=[0, 0, 9, 9]), ValueError, "belong to pictures"),
    (dict(views=()), ValueError, r"views must be degrees.*got \(\)"),
    (dict(views="left"), ValueError, "views must be degrees"),
    (dict(views=(0, np.nan)), ValueError, "views must be degrees"),
    (dict(background="looks"), ValueError, "needs the empty scene behind the looks: give looks_sc"),
    (dict(background="poses"), ValueError, "give pose_scene"),
    (dict(background="beach.jpg"), FileNotFoundError, "beach.jpg"),
    (dict(background=(0, 0, 256)), ValueError, r"\(R, G, B\) of 0 to 255, got \(0, 0, 256\)"),
    (dict(background=(0, 0)), ValueError, "background must be None, 'looks', 'poses'"),
]


@pytest.mark.parametrize(("change", "kind", "words"), MISTAKES)
def test_mistakes(model, change, kind, words):
    with pytest.raises(kind, match=words):
        synthesize(model, **{"looks": picture(0), "poses": picture(1), **change})


def test_empty_video_is_refused(model, tmp_path):
    (tmp_path / "empty.mp4").write_bytes(b"")
    with pytest.raises(ValueError, match=r"empty\.mp4 .*can't be read as a video"):
        synthesize(model, picture(0), tmp_path / "empty.mp4")


def test_models_that_do_something_else_are_refused(model, tmp_path):
    with pytest.raises(ValueError, match="Linear, which does not synthesise pictures; give"):
        synthesize(nn.Linear(2, 2), picture(0))
    config, checkpoint = save_tiny(tmp_path, drop=("decoder.",))
    with pytest.raises(ValueError, match=r"does not fit the model of .*\.py; give the config"):
        load_synthesizer((config, checkpoint))
    config, checkpoint = save_tiny(tmp_path)
    assert type(load_synthesizer((config, checkpoint))) is type(model)
    blank = torch.load(checkpoint)
    blank["state_dict"]["prior.lengths"].zero_()
    torch.save(blank, checkpoint)
    with pytest.raises(ValueError, match="has not been trained: its pose prior"):
        load_synthesizer((config, checkpoint))


def test_without_a_shipped_model_it_is_said_how_to_train_one(monkeypatch, tmp_path):
    monkeypatch.setattr("part_synth.apis.zoo.ZOO", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"is not there: .*train\.py configs/part_synth"):
        load_synthesizer()


def test_people_are_fitted_to_the_parts_seen_unless_told_otherwise(tmp_path):
    encoder = {**MODEL["encoder"], "part_head": {"type": "part_synth.SubpixelPartMapHead"}}
    encoder["part_head"]["image_channels"] = 6
    files = save_tiny(tmp_path, encoder=encoder)
    fitting, reading = load_synthesizer(files), load_synthesizer(files, fit=False)
    assert isinstance(fitting.puppet_fit, PuppetFit) and reading.puppet_fit is None
    first, second = (synthesize(model, picture(0), picture(1)) for model in (fitting, reading))
    assert np.abs(first.keypoints - second.keypoints).max() > 0.5
    # What comes from no picture can't be fitted to one.
    looks = read_looks(reading, picture(0))
    first, second = (synthesize(model, looks, rest_poses()) for model in (fitting, reading))
    assert np.array_equal(first.images, second.images)


def test_a_configured_fit_is_kept(tmp_path):
    encoder = {**MODEL["encoder"], "part_head": {"type": "part_synth.PartMapHead"}}
    encoder["part_head"]["image_channels"] = 6
    fit = {"type": "part_synth.PuppetFit", "steps": 3}
    files = save_tiny(tmp_path, encoder=encoder, puppet_fit=fit)
    assert load_synthesizer(files).puppet_fit.steps == 3


def test_without_a_part_head_nothing_is_fitted(tmp_path):
    assert load_synthesizer(save_tiny(tmp_path)).puppet_fit is None


def test_the_name_of_a_model_is_enough(model, monkeypatch):
    asked = []
    monkeypatch.setattr(synthesis, "init_model", lambda *a, **k: asked.append(a) or model)
    load_synthesizer("some_name")
    load_synthesizer(("config.py", "weights.pth"))
    load_synthesizer()
    assert asked == [("some_name", None), ("config.py", "weights.pth"), (None, None)]


def test_poses_as_lists_and_tensors(model):
    expected = synthesize(model, picture(0), rest_poses(2)).images
    for poses in (list(rest_poses(2)), torch.from_numpy(rest_poses(2)), rest_poses(2).tolist()):
        assert np.array_equal(synthesize(model, picture(0), poses).images, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"looks": None}, "Pictures are .* got a NoneType"),
        ({"looks": iter([picture(0)])}, "Pictures are .* got a list_iterator"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0"),
        ({"batch_size": 1.5}, "batch_size must be .* got 1.5"),
        ({"background": ["a", "b", "c"]}, "background must be"),
        ({"looks_boxes": "a"}, "boxes must be .* got 'a'"),
        ({"looks_scene": "median"}, "at least 3 pictures .* got 1"),
    ],
)
def test_arguments_that_can_t_be(model, options, message):
    with pytest.raises(ValueError, match=message):
        synthesize(model, **{"looks": picture(0), **options})


def test_what_belongs_to_pictures_is_refused_with_looks_that_were_read(model, tmp_path):
    looks = read_looks(model, picture(0))
    with pytest.raises(ValueError, match="looks_boxes and looks_scene belong to pictures"):
        synthesize(model, looks, looks_boxes=[0, 0, 9, 9])
    with pytest.raises(ValueError, match="looks_boxes and looks_scene belong to pictures"):
        synthesize(model, looks, looks_scene=picture(0))
    looks.poses.crops = np.zeros((1, 48, 48, 3), np.uint8)
    with pytest.raises(ValueError, match=f"48-pixel crops, this one has {SIZE}"):
        synthesize(model, looks)
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(number))
    with pytest.raises(ValueError, match=r"background must be one picture; .* holds several"):
        synthesize(model, picture(0), background=tmp_path)


def test_every_zeroth_pose_is_refused(tmp_path):
    with pytest.raises(ValueError, match="every must be at least 1, got 0"):
        read_pose_file(tmp_path / "poses.npz", every=0)
