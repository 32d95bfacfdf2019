"""Videos of two phones, made a set of synchronised views as docs/metric.md says."""

import re
from pathlib import Path

import numpy as np
import pytest
from part_synth.datasets import MultiViewDataset
from part_synth.datasets.wild import ClipRules, WildOptions, prepare_videos
from part_synth.datasets.wild.people import KeypointFilePeople
from tiny_wild import save_keypoints, write_video

DOCS = Path(__file__).parents[2] / "docs" / "metric.md"


@pytest.mark.parametrize("rates", [(10.0, 10.0), (10.0, 25.0)])
def test_two_phones_are_two_views(tmp_path, monkeypatch, rates):
    monkeypatch.chdir(tmp_path)
    for name, fps in zip(("left", "right"), rates, strict=True):
        boxes = write_video(tmp_path / f"walk-{name}.mp4", seconds=1.5, fps=fps)
        save_keypoints(tmp_path / f"walk-{name}.npz", boxes, fps)
    prepare_videos(
        sorted(tmp_path.glob("*.mp4")),
        "data/wild",
        lambda video: KeypointFilePeople(video.with_suffix(".npz"), None, 0.3),
        options=WildOptions(fps=10.0, rules=ClipRules(min_length=0.8, min_size=40)),
    )
    text = DOCS.read_text()
    (snippet,) = (b for b in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "Wild" in b)
    exec(compile(snippet, "docs/metric.md", "exec"), {})
    # The options that the text names.
    (named,) = re.findall(r"Data set: `(.*?)`", text, re.DOTALL)
    data = MultiViewDataset(**eval(f"dict({named})"), crop=dict(size=16, background="median"))
    assert 13 <= len(data) <= 16
    assert set(data.instants["subject"]) == {"S1"} and not data.instants["labelled"].any()
    np.testing.assert_allclose(np.diff(np.sort(data.instants["time"])), 0.1)
    for i in range(len(data)):
        info = data.get_data_info(i)
        assert sorted(info["camera_name"]) == ["left", "right"]
        # The made person is at the same place in both videos.
        assert np.abs(np.diff(info["box"][:, 0])) < 5
    assert data[0]["inputs"]["background"].shape == (2, 3, 16, 16)
    assert np.isfinite(data.index.keypoints).all()
