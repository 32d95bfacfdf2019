import numpy as np
import pytest
import torch
from part_synth.datasets.synthetic.bodies import sample_phenotype
from part_synth.geometry import H36M17, PART_NAMES


def test_coefficients_are_those_of_anny(body_model):
    from anny.models.phenotype import make_phenotype_anchors, phenotype_blendshape_weights

    arrays = body_model._arrays
    phenotype = {"gender": 0.3, "age": 0.71, "muscle": 0.2, "weight": 0.8, "height": 0.4}
    values = torch.tensor([[phenotype.get(name, 0.5) for name in body_model.phenotype_labels]])
    expected = phenotype_blendshape_weights(
        values.double(),
        list(body_model.phenotype_labels),
        make_phenotype_anchors(torch.float64),
        torch.as_tensor(arrays["phenotype_mask"]),
        extrapolate=False,
    ) @ torch.as_tensor(arrays["phenotype_projection"])
    actual = body_model.blendshape_coefficients(phenotype)
    np.testing.assert_allclose(actual, expected[0].numpy(), atol=1e-6)


def test_unknown_phenotype_is_named(body_model):
    with pytest.raises(ValueError, match="shoe_size"):
        body_model.rest_body({"shoe_size": 44.0})


def test_left_is_positive_x(body):
    for name, joint in zip(H36M17.joint_names, body.joints, strict=True):
        side = {"l": 1.0, "r": -1.0}.get(name[0]) if "_" in name else 0.0
        if name.startswith(("left", "right")):
            assert side * joint[0] > 0.05, name
        else:
            assert abs(joint[0]) < 0.01, name
    for label, name in enumerate(PART_NAMES):
        x = body.vertices[body.part_labels == label, 0]
        if name.startswith("left"):
            assert x.min() > -0.02 and len(x) > 100, name
        if name.startswith("right"):
            assert x.max() < 0.02 and len(x) > 100, name


def test_skinning_and_joint_order_from_feet_to_crown(body):
    np.testing.assert_allclose(body.weights.sum(axis=1), 1.0, atol=1e-5)
    chain = [3, 2, 1, 7, 8, 9, 10]
    assert (np.diff(body.joints[chain, 2]) > 0.03).all()
    # Crown and soles enclose all joints; the head joint is the crown.
    assert body.joints[10, 2] == pytest.approx(body.vertices[:, 2].max(), abs=1e-6)
    np.testing.assert_allclose(np.linalg.norm(body.normals, axis=1), 1.0, atol=1e-9)


def test_sampled_people_have_the_asked_stature_and_differ(body_model):
    rng = np.random.default_rng(0)
    statures = []
    for _ in range(6):
        phenotype, description = sample_phenotype(body_model, rng)
        statures.append(body_model.rest_body(phenotype).stature)
        assert description["sex"] in ("female", "male")
    assert min(statures) > 1.2 and max(statures) < 2.0
    assert np.std(statures) > 0.03
    phenotype = body_model.phenotype_of_stature({"gender": 0.1, "age": 0.7}, 1.8)
    assert body_model.rest_body(phenotype).stature == pytest.approx(1.8, abs=0.01)
