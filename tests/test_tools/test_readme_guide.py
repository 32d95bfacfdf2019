"""Every command of the README's guide to training on one's own videos, on a small made one."""

import functools
import json
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from part_synth.apis.cli import run_tool
from tiny_runs import ROOT, load_script
from tiny_videos import frames_of
from tiny_wild import joints_in, write_video

pytestmark = pytest.mark.timeout(900)

# What makes a command small enough for a test; the commands themselves stay as they are.
SMALLER = {
    "prepare_videos.py": "--min-size 40",
    "make_synthetic.py": "--subjects 1 0 0 --cameras 1 --frames 4 --size 32 --workers 0",
    "lifter_wild.py": """--cfg-options train_dataloader.batch_size=16
        train_dataloader.sampler.samples_per_epoch=48 train_cfg.max_epochs=1""",
    "part_synth_wild.py": """--cfg-options train_dataloader.batch_size=2
        train_dataloader.sampler.samples_per_epoch=4 train_dataloader.num_workers=0
        train_dataloader.persistent_workers=False train_dataloader.dataset.crop.size=64
        model.objectives.puppet.batch_size=4 model.objectives.puppet.fresh=2
        custom_hooks.0.steps=20 custom_hooks.1.phases.0.until=1 train_cfg.max_epochs=1""",
}


def guide():
    """The commands, in the order in which they are to be typed."""
    text = (ROOT / "README.md").read_text()
    section = text.split("## Train on your own videos without labels")[1].split("\n## ")[0]
    blocks = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    # '&&': what comes after a command that failed is not run.
    lines = re.split(r"\n|&&", "\n".join(blocks).replace("\\\n", " "))
    return [line.strip() for line in lines if line.strip()]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder like a clone, with videos and the joints of the people in them."""
    monkeypatch.chdir(tmp_path)
    for name in ("RANK", "PART_SYNTH_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    for name in ("configs", "tools", "demo"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "videos").mkdir()
    (tmp_path / "joints").mkdir()
    for name, people in (("walk", 1), ("meet", 2), ("part", 2)):
        boxes = write_video(tmp_path / "videos" / f"{name}.mp4", seconds=6.0, people=people)
        frames = []
        for number, row in enumerate(boxes):
            joints = [joints_in(box, number / 10).tolist() for box in row]
            instances = [{"keypoints": j, "keypoint_scores": [1.0] * 17} for j in joints]
            frames.append({"frame_id": number, "instances": instances})
        content = {"meta_info": {"dataset_name": "h36m"}, "instance_info": frames}
        (tmp_path / "joints" / f"{name}.json").write_text(json.dumps(content))
    return tmp_path


def call(command, monkeypatch):
    """Run 'python FILE ARGUMENTS' in this process, as a shell would."""
    command = re.sub(r"\$\(cat (.*?)\)", lambda match: Path(match[1]).read_text(), command)
    python, script, *arguments = shlex.split(command)
    assert python == "python"
    name = next((n for n in (script, *arguments) if Path(n).name in SMALLER), None)
    if name is not None and "demo" not in script:
        arguments += shlex.split(SMALLER[Path(name).name])
    if "--cfg-options" in arguments:
        arguments.append(f"experiment_name={Path.cwd().name}_{Path(name).stem}")
    module = load_script(Path(script).absolute())
    if Path(script).name == "make_synthetic.py":
        # The one size that is no flag.
        make = functools.partial(module.make_synthetic_mocap, unpaired_poses=200)
        monkeypatch.setattr(module, "make_synthetic_mocap", make)
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    return run_tool(module.main)


def test_all_commands_run(folder, monkeypatch):
    commands = guide()
    assert len(commands) == 6
    for command in commands:
        assert not call(command, monkeypatch), command
    for model in ("lifter", "part_synth"):
        out = folder / "out" / model
        assert len(frames_of(out / "visualizations" / "walk.mp4")[0]) == 60
        content = json.loads((out / "predictions" / "walk.json").read_text())
        people = [frame["instances"] for frame in content["instance_info"]]
        assert len(people) == 60 and all(len(person) == 1 for person in people)
        assert np.isfinite([person[0]["keypoints"] for person in people]).all()
        checkpoint = (folder / "work_dirs" / f"{model}_wild" / "last_checkpoint").read_text()
        weights = torch.load(checkpoint, weights_only=False)["state_dict"]
        assert all(value.isfinite().all() for value in weights.values())
