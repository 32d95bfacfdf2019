import numpy as np
from part_synth.datasets.synthetic.clothing import dress
from part_synth.datasets.synthetic.textures import fabric, floor_texture, wall_texture


def test_clothes_are_thin_and_coloured(body):
    person = dress(body, np.random.default_rng(1))
    offset = np.linalg.norm(person.body.vertices - body.vertices, axis=1)
    assert np.quantile(offset, 0.95) > 0.008 and offset.max() < 0.03
    assert person.colours.shape == body.vertices.shape
    assert person.colours.min() >= 0 and person.colours.max() <= 1
    # Skin, hair, top, bottom and shoes are different colours.
    assert len(np.unique(person.colours.round(2), axis=0)) > 5
    assert {"hair", "top", "bottom"} <= set(person.description)


def test_joints_and_labels_are_unchanged(body):
    person = dress(body, np.random.default_rng(1))
    np.testing.assert_array_equal(person.body.joints, body.joints)
    np.testing.assert_array_equal(person.body.part_labels, body.part_labels)


def test_same_draw_same_clothes_other_draw_other_clothes(body):
    first, again, other = (dress(body, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.colours, again.colours)
    assert np.abs(first.colours - other.colours).mean() > 0.02


def test_textures_give_colours_and_differ_between_draws():
    u, v = np.random.default_rng(0).uniform(-3, 3, (2, 200))
    for make in (fabric, floor_texture, wall_texture):
        images = []
        for seed in range(12):
            texture, name = make(np.random.default_rng(seed))
            images.append(texture(u, v))
            assert images[-1].shape == (200, 3) and isinstance(name, str)
            assert np.isfinite(images[-1]).all() and images[-1].min() >= 0
            assert images[-1].max() < 1.5
        assert min(np.abs(images[0] - other).max() for other in images[1:]) > 0.01


def test_vivid_clothes_change_the_colours_of_what_is_worn_and_nothing_else(body):
    usual, vivid = (dress(body, np.random.default_rng(1), vivid=v) for v in (False, True))
    np.testing.assert_array_equal(usual.body.vertices, vivid.body.vertices)
    assert usual.description == vivid.description
    changed = np.abs(usual.colours - vivid.colours).max(1) > 1e-6
    head, torso = body.part_labels == 1, body.part_labels == 2
    assert not changed[head].any() and changed[torso].mean() > 0.9
    worn = vivid.colours[changed]
    assert (worn.max(1) >= 0.8).all()
    saturation = 1 - worn.min(1) / worn.max(1)
    # The clip to [0.02, 0.98] takes a little.
    assert saturation.min() > 0.8
    # Hues stay: the channel that was strongest still is.
    coloured = np.ptp(usual.colours[changed], axis=1) > 0.02
    strongest = usual.colours[changed][coloured].argmax(1)
    assert (strongest == worn[coloured].argmax(1)).all()
