import pytest
import torch
from part_synth.models import ClipLifter, FrameLifter, PoseCritic


@pytest.fixture
def clips():
    points = torch.randn(3, 7, 17, 2)
    return points - points[:, :, :1]


@pytest.mark.parametrize("lifter", [FrameLifter, ClipLifter])
def test_offsets_are_relative_to_the_root(lifter, clips):
    net = lifter(width=16, num_blocks=1)
    offsets = net(clips)
    assert offsets.shape == (3, 7, 17)
    assert (offsets[..., 0] == 0).all()
    assert offsets.std() > 0


def test_frame_lifter_sees_one_frame_only(clips):
    net = FrameLifter(width=16, num_blocks=1)
    torch.testing.assert_close(net(clips)[:, 2:3], net(clips[:, 2:3]))


def test_clip_lifter_reads_windows_as_a_slow_loop_does(clips):
    net = ClipLifter(width=16, num_blocks=1, reach=2)
    assert net.num_frames == 5
    fast = net(clips)
    for t in range(7):
        frames = [min(max(t + k, 0), 6) for k in range(-2, 3)]
        features = torch.cat([clips[:, f].flatten(1) for f in frames], dim=1)
        slow = net.net(features)
        torch.testing.assert_close(fast[:, t], slow - slow[:, :1])


@pytest.mark.parametrize("lifter", [FrameLifter(width=16), ClipLifter(width=16, reach=3)])
def test_middle_is_the_middle_of_the_whole(lifter, clips):
    window = clips[:, : lifter.num_frames]
    whole = lifter(window)[:, (lifter.num_frames - 1) // 2]
    torch.testing.assert_close(lifter.middle(window), whole)


def test_a_negative_reach_is_refused():
    with pytest.raises(ValueError, match="reach must be at least 0"):
        ClipLifter(reach=-1)


def test_critic_gives_one_number_a_pose(clips):
    assert PoseCritic(width=16)(clips).shape == (3, 7)
