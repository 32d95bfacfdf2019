"""tools/analysis/ablation.py: every row trains, and rows share what they say they share."""

import json
import math
import sys

import pytest
from part_synth.apis.cli import run_tool
from tiny_runs import ROOT, load_script, logged_losses, run
from tiny_system_a import EVEN, PHASES, SMALL, VIDEOS, data_options, make_data

pytestmark = pytest.mark.timeout(600)


ablation = load_script("tools/analysis/ablation.py")

SHORT = [
    *SMALL,
    *EVEN,
    *PHASES,
    *VIDEOS,
    "train_dataloader.batch_size=2",
    "train_dataloader.sampler.samples_per_epoch=10",
    "model.objectives.puppet.start=4",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"))


def train(row, data, work, monkeypatch):
    folder, poses = data
    # Of another data set the test has none.
    options = [option for option in row.options if "data/synthetic_128" not in option]
    options = [option for option in options if ".dataset.synthetic." not in option]
    options = [*SHORT, *options, *data_options(folder, poses)]
    config = ROOT / row.config
    assert not run("train", config, "--work-dir", work, monkeypatch=monkeypatch, options=options)
    return logged_losses(work)


# What a row must have among its losses, and what it must not have.
SEEN = {
    "puppets alone": ({"puppet/"}, {"synthesis/", "cycle/"}),
    "no cycle": ({"synthesis/"}, {"cycle/"}),
    "no synthesis: the cycle's painter stays untrained": ({"cycle/"}, {"synthesis/"}),
    "with consistency": ({"synthesis/", "cycle/", "consistency/"}, set()),
    "with consistency, without its mirror": ({"consistency/"}, set()),
    "cycle without parts": ({"cycle/loss_points"}, {"cycle/loss_parts"}),
    "pictures train the pose": ({"synthesis/loss_agreement", "synthesis/loss_tie"}, set()),
    "pictures train the pose, without agreement of parts": (
        {"synthesis/loss_tie"},
        {"synthesis/loss_agreement"},
    ),
    "pictures train the pose, with an adversary of poses": ({"synthesis/loss_advers"}, set()),
    "with a perceptual loss": ({"synthesis/loss_perceptual"}, set()),
    "with the appearance cycle": ({"cycle/loss_appearance"}, set()),
    "with the decoder as judge (energy)": ({"cycle/loss_energy"}, set()),
    "with silhouettes": ({"silhouettes/loss_reading"}, {"silhouettes/loss_foreground"}),
    "no puppets at all, pictures train the pose": (
        {"synthesis/loss_agreement", "cycle/"},
        {"puppet/"},
    ),
    "no part head": ({"puppet/loss_points"}, {"puppet/loss_parts"}),
    "no heat-map losses": ({"puppet/loss_points"}, {"puppet/loss_heat"}),
    "an optimiser for each loss on real frames, in turn": (
        {"puppet/", "foreground/", "reconstruction/"},
        {"synthesis/", "cycle/"},
    ),
    "limits as a loss": ({"synthesis/loss_articulation"}, set()),
}


@pytest.mark.parametrize("name", ablation.ROWS)
def test_every_row_trains(name, data, tmp_path, monkeypatch):
    work = tmp_path / "work"
    steps = train(ablation.ROWS[name], data, work, monkeypatch)
    assert all(math.isfinite(value) for step in steps.values() for value in step.values())
    assert math.isfinite(json.loads((work / "results.json").read_text())["p_mpjpe_mm"])
    names = {key for step in steps.values() for key in step if "/" in key}
    there, absent = SEEN.get(name, (set(), set()))
    assert all(any(key.startswith(start) for key in names) for start in there)
    assert not any(key.startswith(start) for key in names for start in absent)


def test_rows_that_share_puppets_change_nothing_before_them():
    later = ("custom_hooks.1.phases.1.", "optim_wrapper.encoder.modules=", "train_dataloader.")
    for name, row in ablation.ROWS.items():
        if row.puppets_of:
            shared = ablation.ROWS[row.puppets_of].options
            assert row.options[: len(shared)] == shared, name
            assert row.options[len(shared) :], name
            for option in row.options[len(shared) :]:
                first = option.startswith(later) or option.split(".")[2] in (
                    "synthesis",
                    "cycle",
                    "consistency",
                    "silhouettes",
                )
                assert first, f"{name}: {option}"


def test_a_row_goes_on_from_shared_puppets_or_from_where_it_was_stopped(tmp_path):
    with pytest.raises(ValueError, match="run 'everything' with --seed 3 first"):
        ablation.training_command("no cycle", 3, tmp_path)
    shared = ablation.work_dir(tmp_path, "everything", 3) / "epoch_4.pth"
    shared.parent.mkdir()
    shared.touch()
    command = ablation.training_command("no cycle", 3, tmp_path)
    assert command[command.index("--resume") + 1] == str(shared)
    with pytest.raises(ValueError, match="puppets of 'the encoder sees the frame alone'"):
        ablation.training_command("the encoder sees the frame alone, puppets alone", 3, tmp_path)
    own = ablation.work_dir(tmp_path, "no cycle", 3)
    own.mkdir()
    (own / "epoch_5.pth").touch()
    command = ablation.training_command("no cycle", 3, tmp_path)
    assert command[command.index("--resume") + 1] == "auto"
    assert command[command.index("--work-dir") + 1] == str(own)


def test_list_names_every_row(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["ablation.py", "list"])
    assert run_tool(ablation.main) == 0
    printed = capsys.readouterr().out
    assert "no part head" in printed
    assert all(name in printed for name in ablation.ROWS)
