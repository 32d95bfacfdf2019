"""The image model in the package works after the install, on people that nobody trained on."""

import cv2
import numpy as np
import pytest
import torch
import yaml
from part_synth.apis import init_model, predict_people, synthesize
from part_synth.apis.zoo import ZOO, shipped_model
from part_synth.datasets import PoseFrameDataset
from part_synth.datasets.synthetic import make_synthetic_mocap
from part_synth.evaluation.functional import p_mpjpe
from part_synth.inferencer import PartSynthInferencer
from tiny_videos import frames_of

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Frames of rendered people of another seed than the embedded set's."""
    root = make_synthetic_mocap(
        tmp_path_factory.mktemp("data") / "others",
        subjects=(4, 1, 1),
        cameras=2,
        frames_per_subject=40,
        size=128,
        seed=4321,
        unpaired_poses=10,
        workers=0,
    )
    data = PoseFrameDataset(root, split="train", frame_step=4)
    data.full_init()
    return [data.get_data_info(i) for i in range(len(data))]


@pytest.fixture(scope="module")
def model():
    return init_model()


def picture(info):
    return cv2.cvtColor(cv2.imread(info["img_path"][0]), cv2.COLOR_BGR2RGB)


def box_of(info):
    low, high = info["keypoints"][0].min(0), info["keypoints"][0].max(0)
    return [*low, *high]


@pytest.mark.parametrize("name", ["part_synth_synthetic_long", "part_synth_synthetic_64px"])
def test_it_is_small_and_says_where_it_comes_from(name):
    config, weights = shipped_model(name)
    assert weights.stat().st_size < 20e6
    said = yaml.safe_load((config.parent / "metafile.yml").read_text())
    assert {"training_data", "command", "seed", "commit", "date", "metrics"} <= set(said)
    assert said["metrics"]["p_mpjpe_mm"] < 0.7 * said["metrics"]["baseline_mean_pose_p_mpjpe_mm"]
    assert "data/" not in config.read_text()


def test_it_reads_people_it_never_saw(model, people):
    """Far better than one pose for everybody, and than its own untrained self."""
    read, true = [], []
    for info in people:
        (person,) = predict_people(model, picture(info), [box_of(info)])
        read.append(person.joints)
        true.append(info["joints"][0])
    read, true = (torch.from_numpy(np.stack(x)).double() for x in (read, true))
    error = float(p_mpjpe(read, true))
    middle = read.median(0).values.expand_as(read)
    assert error < 100
    assert error < 0.85 * float(p_mpjpe(middle, true))
    torch.manual_seed(0)
    blank = init_model()
    for module in blank.encoder.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    guesses = [predict_people(blank, picture(i), [box_of(i)])[0].joints for i in people]
    untrained = float(p_mpjpe(torch.from_numpy(np.stack(guesses)).double(), true))
    assert error < 0.8 * untrained


def test_a_video_of_one_person_needs_no_other_model(people, tmp_path):
    clip = [info for info in people if info["clip"] == people[0]["clip"]]
    clip = [info for info in clip if info["camera_name"] == people[0]["camera_name"]]
    frames = [picture(info)[..., ::-1] for info in clip]
    video = cv2.VideoWriter(str(tmp_path / "a.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 5, (128, 128))
    for frame in frames:
        video.write(np.ascontiguousarray(frame))
    video.release()
    inferencer = PartSynthInferencer(pose3d="part_synth_synthetic_long", det_model="whole-frame")
    results = list(inferencer(tmp_path / "a.mp4", out_dir=tmp_path / "out"))
    assert len(results) == len(frames)
    assert all(len(result["predictions"][0]) == 1 for result in results)
    drawn, fps = frames_of(tmp_path / "out" / "visualizations" / "a.mp4")
    assert (len(drawn), fps) == (len(frames), 5)


def test_it_paints_people_in_other_poses(model, people):
    looks, poses = picture(people[0]), [picture(info) for info in people[5:8]]
    made = synthesize(model, [looks], poses, looks_boxes=box_of(people[0]))
    assert made.images.shape == (3, 96, 96, 3)
    assert made.images.std() > 5
    assert (made.part_labels > 0).mean() > 0.03


def test_unknown_names_are_no_models():
    names = "lifter or part_synth_synthetic_long or part_synth_synthetic_64px"
    with pytest.raises(FileNotFoundError, match=names):
        PartSynthInferencer(pose3d="part_synth_synthetik")
    assert ZOO.is_dir()


def test_models_are_built_by_their_names():
    small = init_model("part_synth_synthetic_64px")
    assert small.cfg.test_dataloader.dataset.crop.size == 64
    with pytest.raises(ValueError, match=r"long or part_synth_synthetic_64px.*got part_synth_64"):
        init_model("part_synth_64px")
    with pytest.raises(ValueError, match="no checkpoint and the name"):
        init_model("part_synth_synthetic_64px", "weights.pth")
