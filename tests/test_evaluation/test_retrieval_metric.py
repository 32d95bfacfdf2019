"""Retrieval, identity probe and offsets of views as metrics, against slow references."""

import logging

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample
from part_synth.evaluation import functional as F
from part_synth.evaluation.embedded_frames import EmbeddedFrames
from part_synth.evaluation.identity_probe import IdentityProbeMetric, evaluate_identity_probe
from part_synth.evaluation.retrieval import evaluate_retrieval, pairwise_pa_mpjpe
from part_synth.evaluation.retrieval_metric import PoseRetrievalMetric
from part_synth.evaluation.view_sync_metric import ViewSyncMetric, view_offsets
from part_synth.registry import METRICS
from scipy.spatial.transform import Rotation


@pytest.fixture
def log(monkeypatch):
    """Warnings that mmengine's logger of the moment got."""
    texts = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: texts.append(record.getMessage())
    logger = MMLogger.get_instance("retrieval_metrics")
    logger.addHandler(handler)
    yield texts
    logger.removeHandler(handler)


def make_frames(make_poses, people=3, clips=2, cameras=3, frames=5, noise=0.1, seed=0):
    """Frames (N) of all cameras, instant by instant; embeddings are noisy poses."""
    rng = np.random.default_rng(seed)
    shape = (people, clips, cameras, frames)
    person, clip, camera, frame = (index.reshape(-1) for index in np.indices(shape))
    poses = make_poses(people * clips * frames, seed).reshape(people, clips, frames, 17, 3)
    poses -= poses[..., :1, :]
    poses = poses[person, clip, frame]
    embeddings = poses[:, 1:].reshape(len(poses), -1)
    embeddings = embeddings + noise * rng.normal(size=embeddings.shape)
    turn = Rotation.random(cameras, rng).as_matrix()[camera]
    return EmbeddedFrames(
        embeddings=embeddings,
        subject=np.char.add("S", person.astype(str)),
        clip=np.char.add("clip", clip.astype(str)),
        camera=np.char.add("cam", camera.astype(str)),
        frame=frame,
        time=frame / 5.0,
        poses=np.einsum("nij,nkj->nki", turn, poses).astype(np.float32),
    )


def slow_retrieval(frames, topk, protocol, rule, min_gap):
    """Means over queries, frame by frame and pair by pair."""
    rows = []
    for q in range(len(frames)):
        allowed = []
        for g in range(len(frames)):
            person = frames.subject[q] == frames.subject[g]
            clip = person and frames.clip[q] == frames.clip[g]
            near = clip and abs(frames.time[q] - frames.time[g]) < min_gap - 1e-9
            near |= clip and frames.frame[q] == frames.frame[g]
            view = frames.camera[q] == frames.camera[g]
            excluded = {"instant": near, "clip": clip, "person": person}[rule]
            if not excluded and view == (protocol == "same_view"):
                allowed.append(g)
        if len(allowed) < max(topk):
            continue
        errors = [float(F.p_mpjpe(frames.poses[g], frames.poses[q])) for g in allowed]
        distance = [np.linalg.norm(frames.embeddings[g] - frames.embeddings[q]) for g in allowed]
        found = np.array(errors)[np.argsort(distance, kind="stable")]
        row = [found[:k].mean() for k in topk] + [np.sort(errors)[:k].mean() for k in topk]
        rows.append([*row, np.mean(errors)])
    return np.mean(rows, axis=0)


def test_pairs_in_blocks(poses):
    a, b = poses(5, 0), poses(7, 1)
    expected = [[float(F.p_mpjpe(g, q)) for g in b] for q in a]
    np.testing.assert_allclose(pairwise_pa_mpjpe(a, b, max_pairs=4), expected, rtol=1e-9)
    assert pairwise_pa_mpjpe(a[:0], b).shape == (0, 7)


@pytest.mark.parametrize("protocol", ["same_view", "cross_view"])
@pytest.mark.parametrize("rule", ["instant", "clip", "person"])
def test_answers_like_a_loop_over_all_pairs(poses, monkeypatch, protocol, rule):
    frames, topk = make_frames(poses), (1, 4)
    # Blocks of a single instant, as in a large set.
    monkeypatch.setattr("part_synth.evaluation.retrieval._BLOCK", 1)
    options = dict(topk=topk, protocols=[protocol], exclude=rule, min_gap=0.4)
    metrics = evaluate_retrieval(frames, **options)
    expected = slow_retrieval(frames, topk, protocol, rule, 0.4)
    names = [f"{protocol}_pa_mpjpe@{k}_mm" for k in topk]
    names += [f"{protocol}_oracle_pa_mpjpe@{k}_mm" for k in topk]
    names += [f"{protocol}_chance_pa_mpjpe_mm"]
    np.testing.assert_allclose([metrics.pop(name) for name in names], expected, rtol=1e-4)
    ratios = [f"{protocol}@1_over_{base}" for base in ("oracle", "chance")]
    expected = [expected[0] / expected[2], expected[0] / expected[-1]]
    np.testing.assert_allclose([metrics.pop(name) for name in ratios], expected, rtol=1e-4)
    assert not metrics


def test_blocks_and_thinning(poses, monkeypatch):
    frames = make_frames(poses, frames=8)
    whole = evaluate_retrieval(frames, (1, 2), max_queries=None)
    monkeypatch.setattr("part_synth.evaluation.retrieval._BLOCK", 3 * len(frames) * 7)
    assert evaluate_retrieval(frames, (2, 1), max_queries=None) == pytest.approx(whole)
    thinned = [evaluate_retrieval(frames, (1,), max_queries=30, seed=s) for s in (0, 0, 1)]
    assert thinned[0] == thinned[1] != thinned[2]
    chance = "cross_view_chance_pa_mpjpe_mm"
    assert thinned[0][chance] == pytest.approx(whole[chance], rel=0.2)


def test_perfect_embedding_reaches_the_oracle_and_noise_is_chance(poses):
    rng = np.random.default_rng(0)
    frames = make_frames(poses, frames=10, noise=0.0)
    # Poses from a line: the order of distances is that of true errors.
    place = rng.uniform(0, 1, len(frames))[frames.codes("subject", "clip", "frame")]
    ends = poses(2, 9, noise=0.05) - poses(2, 9, noise=0.05)[:, :1]
    frames.poses = (ends[0] + place[:, None, None] * (ends[1] - ends[0])).astype(np.float32)
    frames.embeddings = place[:, None].astype(np.float32)
    metrics = evaluate_retrieval(frames, (1, 5))
    assert metrics["cross_view@1_over_oracle"] == pytest.approx(1.0, abs=0.05)
    frames.embeddings = rng.normal(size=(len(frames), 8)).astype(np.float32)
    noise = evaluate_retrieval(frames, (1, 5))
    assert noise["cross_view@1_over_chance"] == pytest.approx(1.0, abs=0.15)
    assert noise["cross_view@1_over_oracle"] > 2
    assert noise["cross_view_oracle_pa_mpjpe@1_mm"] == metrics["cross_view_oracle_pa_mpjpe@1_mm"]


def test_several_exclusions_have_suffixes(poses):
    frames = make_frames(poses)
    both = evaluate_retrieval(frames, (1,), exclude=["clip", "person"])
    for rule in ("clip", "person"):
        alone = evaluate_retrieval(frames, (1,), exclude=rule)
        assert {f"{name}/{rule}": value for name, value in alone.items()}.items() <= both.items()


def test_frames_with_unknown_joints_and_lonely_queries_are_left_out(poses, log):
    frames = make_frames(poses)
    # One person has one camera only: across views it can be found, but not among its own.
    frames = frames.select((frames.subject != "S0") | (frames.camera == "cam0"))
    frames.poses[3, 4] = np.nan
    whole = np.isfinite(frames.poses).all((1, 2))
    metrics = evaluate_retrieval(frames, (9,), ["same_view"], exclude="person")
    expected = slow_retrieval(frames.select(whole), (9,), "same_view", "person", 0)
    assert metrics["same_view_pa_mpjpe@9_mm"] == pytest.approx(expected[0], rel=1e-4)
    assert any("leaves out 1 of" in text for text in log)
    few = make_frames(poses, people=2).select(np.r_[0:30, 30:34])
    evaluate_retrieval(few, (5,), ["same_view"], exclude="person")
    assert any("queries are left out, as fewer than 5 frames" in text for text in log)


def test_diverged_embedding(poses, log):
    frames = make_frames(poses)
    frames.embeddings[0] = np.nan
    metrics = evaluate_retrieval(frames, (1,))
    assert np.isnan(metrics["cross_view_pa_mpjpe@1_mm"])
    assert np.isfinite(metrics["cross_view_oracle_pa_mpjpe@1_mm"])
    assert any("diverged" in text for text in log)


def samples_of(frames):
    """Data samples as a model hands them on."""
    samples = []
    for i in range(len(frames)):
        meta = {name: str(getattr(frames, name)[i]) for name in ("subject", "clip", "camera")}
        meta |= {"frame": frames.frame[i : i + 1], "time": frames.time[i : i + 1]}
        sample = PoseDataSample(metainfo=meta)
        sample.pred_instances = InstanceData(embeddings=frames.embeddings[i : i + 1])
        sample.gt_instances = InstanceData(
            lifting_target=frames.poses[i : i + 1] + np.float32([0.2, 0.1, 4.0]),
            lifting_target_visible=np.ones((1, 17), np.float32),
        )
        samples.append(sample)
    return samples


def test_metrics_in_an_evaluator(poses):
    frames = make_frames(poses, frames=12)
    metrics = [
        METRICS.build({"type": f"part_synth.{name}", **options})
        for name, options in (
            ("PoseRetrievalMetric", dict(topk=(1, 5))),
            ("IdentityProbeMetric", {}),
            ("ViewSyncMetric", dict(max_offset=0.4)),
        )
    ]
    evaluator, samples = Evaluator(metrics), samples_of(frames)
    for start in range(0, len(samples), 50):
        evaluator.process(samples[start : start + 50])
    result = evaluator.evaluate(len(samples))
    assert all(isinstance(value, float) for value in result.values())
    expected = evaluate_retrieval(frames, (1, 5))
    assert {name: result[name] for name in expected} == pytest.approx(expected, rel=1e-3)
    assert result["identity_probe_chance_pct"] == pytest.approx(100 / 3)
    assert 0 <= result["view_offset_contrast_pct"] <= 100 and "view_offset_max_s" in result


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(topk=()), "topk must be numbers from 1"),
        (dict(topk=(0, 1)), "topk must be numbers from 1"),
        (dict(exclude="frame"), "exclude must be some of"),
        (dict(protocols="cross_view"), "protocols must be some of"),
        (dict(protocols=("other",)), "protocols must be some of"),
        (dict(min_gap=-1.0), "min_gap must not be negative"),
        (dict(max_queries=0), "max_queries be positive"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        PoseRetrievalMetric(**options)


def test_sets_that_can_not_be_measured(poses):
    frames = make_frames(poses)
    with pytest.raises(ValueError, match=r"two cameras or more, but all are of 'cam1'"):
        evaluate_retrieval(frames.select(frames.camera == "cam1"), (1,))
    with pytest.raises(ValueError, match=r"no query has the 21 frames.* one has is 20"):
        evaluate_retrieval(frames, (1, 21), ["same_view"], exclude="person")
    with pytest.raises(ValueError, match="exclude='person': no query has the 1 frames"):
        evaluate_retrieval(frames.select(frames.subject == "S0"), (1,), exclude="person")
    unknown = frames.select(np.arange(len(frames)))
    unknown.poses = None
    with pytest.raises(ValueError, match="lifting_target"):
        evaluate_retrieval(unknown)
    with pytest.raises(ValueError, match="data set is empty"):
        PoseRetrievalMetric().compute_metrics([])
    with pytest.raises(ValueError, match="no clip is seen by two cameras"):
        view_offsets(frames.select(frames.camera == "cam1"))
    with pytest.raises(ValueError, match=r"two views can be compared.*lower max_offset"):
        view_offsets(frames)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: s.pop("pred_instances"), r"no pred_instances\.embeddings"),
        (lambda s: s.pop("clip"), "lacks the meta keys clip"),
        (lambda s: s.update(frame=np.arange(2)), "compares single frames"),
    ],
)
def test_samples_of_other_models(poses, spoil, message):
    sample = samples_of(make_frames(poses, 1, 1, 1, 1))[0].to_dict()
    spoil(sample)
    with pytest.raises(ValueError, match=f"IdentityProbeMetric.*{message}"):
        IdentityProbeMetric().process(None, [sample])


def identity_frames(embeddings, people, clips):
    person, clip, _ = (i.reshape(-1) for i in np.indices((people, clips, 20)))
    rest = dict(camera=np.full(len(person), "a"), frame=np.arange(len(person)))
    return EmbeddedFrames(embeddings, person.astype(str), clip, **rest, time=rest["frame"])


def test_probe_reads_people_where_they_can_be_read():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(4 * 3 * 20, 16))
    person = np.repeat(np.arange(4), 60)
    told = noise + 8 * np.eye(16)[person]
    assert evaluate_identity_probe(identity_frames(told, 4, 3)) == {
        "identity_probe_acc_pct": 100.0,
        "identity_probe_chance_pct": 25.0,
    }
    untold = evaluate_identity_probe(identity_frames(noise, 4, 3))["identity_probe_acc_pct"]
    assert untold == pytest.approx(25.0, abs=12.0)
    constant = evaluate_identity_probe(identity_frames(np.ones_like(noise), 4, 3))
    assert constant["identity_probe_acc_pct"] == 25.0
    # What tells clips apart, and not people, is of no use on other clips.
    clip = np.tile(np.repeat(np.arange(3), 20), 4)
    by_clip = evaluate_identity_probe(identity_frames(noise + 8 * np.eye(16)[clip], 4, 3))
    assert by_clip["identity_probe_acc_pct"] < 45.0


def test_probe_is_that_of_weighted_least_squares():
    """Against torch's solver, with the penalty as further rows; people of different weight."""
    from part_synth.evaluation.identity_probe import _probe

    rng = np.random.default_rng(1)
    label = np.repeat([0, 1, 2], [40, 10, 25])
    values = rng.normal(size=(75, 6)) + label[:, None] * rng.normal(size=6)
    train = rng.random(75) < 0.6
    weight = torch.tensor([1 / (train & (label == n)).sum() for n in label[train]]).double() / 3
    x, y = torch.from_numpy(values), torch.eye(3).double()[label]
    mean = weight @ x[train]
    x = (x - mean) / (weight @ (x[train] - mean) ** 2).sqrt()
    ones = torch.ones(75, 1).double()
    root = weight.sqrt()[:, None]
    # The intercept is free of the penalty.
    penalty = 0.1**0.5 * torch.eye(7).double()[:6]
    left = torch.cat([root * torch.cat([x, ones], 1)[train], penalty])
    right = torch.cat([root * y[train], torch.zeros(6, 3).double()])
    solution = torch.linalg.lstsq(left, right).solution
    expected = (torch.cat([x, ones], 1) @ solution).argmax(1)
    np.testing.assert_array_equal(_probe(values, label, train, 0.1), expected)


def test_probe_needs_two_people_with_two_clips(log):
    rng = np.random.default_rng(0)
    frames = identity_frames(rng.normal(size=(120, 4)), 3, 2)
    lonely = frames.select((frames.subject != "2") | (frames.clip == 0))
    assert evaluate_identity_probe(lonely)["identity_probe_chance_pct"] == 50.0
    assert any("people with a single clip: 2" in text for text in log)
    with pytest.raises(ValueError, match=r"two people with two clips each.*people: 0, 1, 2"):
        evaluate_identity_probe(frames.select(frames.clip == 0))
    with pytest.raises(ValueError, match="positive ridge"):
        evaluate_identity_probe(frames, ridge=0.0)


def sync_frames(lags, clips=3, num=50, noise=0.02):
    """Cameras whose clocks are late by ``lags`` seconds, 10 frames a second."""
    rng, columns = np.random.default_rng(0), []
    rate, phase = rng.uniform(0.5, 4.0, (clips, 12, 1)), rng.uniform(0, 6.3, (clips, 12, 1))
    mix = rng.normal(size=(12, 8))
    for clip in range(clips):
        for camera, lag in lags.items():
            time = np.arange(num) / 10
            values = np.sin(rate[clip] * (time - lag) + phase[clip]).T @ mix
            values += noise * rng.normal(size=values.shape)
            columns.append((values, np.full(num, camera), np.full(num, f"c{clip}"), time))
    embeddings, camera, clip, time = (np.concatenate(c) for c in zip(*columns, strict=True))
    frame = np.rint(10 * time).astype(int)
    return EmbeddedFrames(embeddings, np.full(len(time), "S1"), clip, camera, frame, time)


def test_views_out_of_step_are_named(log):
    frames = sync_frames({"left": 0.0, "right": 0.3, "top": 0.02})
    result = ViewSyncMetric(max_offset=0.8).measure(frames)
    assert result["view_offset_max_s"] == pytest.approx(0.3, abs=0.02)
    assert result["view_offset_contrast_pct"] > 50
    assert len(log) == 2
    told = log[0]
    assert "'left' and 'right' seem out of step: 'right' shows 0.3" in told
    assert "(3 frames)" in told and "3 clips" in told
    assert "set camera_offsets={'right': 0.300}" in told
    assert "'right' shows 0.2" in log[1] and "'top'" in log[1]


def test_views_in_step_are_silent(log):
    result = ViewSyncMetric().measure(sync_frames({"left": 0.0, "right": 0.04}))
    assert result["view_offset_max_s"] == pytest.approx(0.04, abs=0.02)
    assert not log


def test_pairs_that_cannot_be_compared_are_named(log):
    """A view that lost its first frames must not silently drop out of the comparison."""
    frames = sync_frames({"left": 0.0, "right": 0.0, "late": 0.0})
    late = np.flatnonzero(frames.camera == "late")
    gone = frames.time[late] < np.quantile(frames.time, 0.7)
    kept = np.ones(len(frames.time), dtype=bool)
    kept[late[gone]] = False
    result = ViewSyncMetric(max_offset=0.8).measure(frames.select(kept))
    assert result["view_offset_max_s"] == pytest.approx(0, abs=0.02)
    assert len(log) == 1
    assert "can't be told: late and left, late and right" in log[0]
    assert "far out of step" in log[0]


def test_an_embedding_that_tells_nothing(log):
    frames = sync_frames({"left": 0.0, "right": 0.3}, noise=50.0)
    result = ViewSyncMetric(min_contrast=0.5).measure(frames)
    assert np.isnan(result["view_offset_max_s"]) and result["view_offset_contrast_pct"] < 50
    assert log == [
        "ViewSyncMetric: the embedding can't tell whether 1 of 1 pairs of cameras are in step "
        "(contrast below 50 %); train it first."
    ]
    frames.embeddings[0] = np.nan
    assert np.isnan(list(ViewSyncMetric().measure(frames).values())).all()


def test_pairs_of_views():
    pairs = view_offsets(sync_frames({"b": 0.0, "a": 0.2}), 0.5)
    assert [(pair.cameras, pair.clips) for pair in pairs] == [(("a", "b"), 3)]
    # The second lags by less than the first: it is early.
    assert pairs[0].offset == pytest.approx(-0.2, abs=0.02)
    assert "'a' shows 0.2" in pairs[0].explain()
