"""PartSegMetric and drawings for puppets with parts that the data set's labels don't know."""

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import PixelData
from mmpose.structures import PoseDataSample
from part_synth.evaluation import PartSegMetric
from part_synth.geometry import PART_NAMES
from part_synth.visualization import PART_COLOURS, colour_parts
from part_synth.visualization.parts import part_colours

NAMES = ("background", "hat", "torso", "head", "tail")


def score(count_as, names=NAMES):
    """Truth: head, head, torso, background; prediction: hat, head, torso, tail."""
    sample = PoseDataSample()
    truth = [PART_NAMES.index(name) for name in ("head", "head", "torso", "background")]
    sample.gt_fields = PixelData(part_labels=torch.tensor([[truth]]))
    labels = torch.tensor([[[1, 3, 2, 4]]], dtype=torch.uint8)
    meta = {} if names is None else {"part_names": names}
    sample.pred_fields = PixelData(part_labels=labels, metainfo=meta)
    evaluator = Evaluator([PartSegMetric(per_part=True, count_as=count_as)])
    evaluator.process([sample])
    return evaluator.evaluate(1)


def test_parts_are_compared_by_name():
    result = score({"hat": "head", "tail": "background"})
    assert result["part_iou_pct/head"] == result["part_iou_pct/torso"] == 100
    assert result["fg_iou_pct"] == 100
    result = score({"hat": "torso", "tail": "head"})
    assert result["part_iou_pct/head"] == pytest.approx(100 / 3)
    assert result["part_iou_pct/torso"] == pytest.approx(50)


def test_labels_without_names_are_the_data_sets():
    for names in (None, PART_NAMES):
        result = score(None, names=names)  # truth: 1, 1, 2, 0; labels: 1, 3, 2, 4
        assert result["part_iou_pct/head"] == result["fg_iou_pct"] - 25 == 50
        assert result["part_iou_pct/torso"] == 100


@pytest.mark.parametrize(
    ("count_as", "words"),
    [
        (None, r"part 'hat', which .* not know\. Say .*count_as=dict\(hat=\.\.\.\)\).*left_hand"),
        ({"hat": "head"}, r"part 'tail', which .*count_as=dict\(tail="),
        ({"hat": "hair", "tail": "torso"}, r"part 'hat', which .* not know as 'hair'"),
    ],
)
def test_unknown_parts_say_what_to_do(count_as, words):
    with pytest.raises(ValueError, match=words):
        score(count_as)


def test_more_parts_have_more_colours():
    colours = part_colours(40).astype(int)
    assert (colours[:15] == PART_COLOURS).all() and len(part_colours(3)) == 3
    apart = np.abs(colours[:, None] - colours[None]).max(-1)
    assert apart[~np.eye(40, dtype=bool)].min() > 10
    painted = colour_parts(np.array([[20, 255]]))
    assert (painted[0, 0] == colours[20]).all() and (painted[0, 1] == 255).all()
