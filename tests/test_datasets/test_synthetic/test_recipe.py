import pytest
from part_synth.datasets.synthetic import Recipe


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"subjects": (3, 1)}, "three numbers"),
        ({"subjects": (0, 1, 1)}, "at least 1"),
        ({"cameras": 0}, "cameras"),
        ({"size": 4}, "size"),
        ({"frames_per_subject": 2.5}, "frames_per_subject"),
        ({"seed": -1}, "seed"),
        ({"fps": 0.0}, "fps"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**arguments)


def test_missing_motion_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"walks\.npz"):
        Recipe(motions=str(tmp_path / "walks.npz"))


def test_default_is_the_promised_size():
    recipe = Recipe()
    assert recipe.subjects[0] * recipe.cameras * recipe.frames_per_subject >= 12_000
    assert recipe.clip_lengths == [20] * 5
    assert sum(Recipe(frames_per_subject=47).clip_lengths) == 47
    assert len(recipe.people) == 40 and recipe.people[35] == ("S36", "val", 3)


def test_fingerprint_follows_every_argument_and_the_content_of_the_motion_file(tmp_path):
    base = Recipe()
    others = [Recipe(seed=1), Recipe(size=256), Recipe(moving_camera=True), Recipe(cameras=3)]
    for content in (b"one", b"two"):
        path = tmp_path / content.decode()
        path.write_bytes(content)
        others.append(Recipe(motions=str(path)))
    prints = [recipe.fingerprint() for recipe in (base, *others)]
    assert len(set(prints)) == len(prints)
    renamed = tmp_path / "renamed"
    renamed.write_bytes(b"one")
    assert Recipe(motions=str(renamed)).fingerprint() == prints[5]
    assert Recipe.from_json(base.to_json()) == base


def test_sets_made_before_clothes_and_camera_ranges_are_the_same_sets():
    # Fingerprint of the default set as made before these arguments existed.
    assert Recipe().fingerprint() == "e7cada0047d91642"
    assert "clothes" not in Recipe().arguments()
    others = [Recipe(clothes="vivid"), Recipe(camera_distance=(3, 4)), Recipe(camera_height=[1, 2])]
    prints = {recipe.fingerprint() for recipe in (Recipe(), *others)}
    assert len(prints) == 4
    assert all(Recipe.from_json(recipe.to_json()) == recipe for recipe in others)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clothes": "neon"}, "clothes must be one of everyday, vivid, got 'neon'"),
        ({"camera_distance": (1.0, 3.0)}, r"2\.0 <= low <= high, got \(1\.0, 3\.0\)"),
        ({"camera_height": (3, 2)}, r"camera_height must be .* got \(3\.0, 2\.0\)"),
        ({"camera_height": (1, 2, 3)}, r"got \(1\.0, 2\.0, 3\.0\)"),
    ],
)
def test_bad_conditions_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**arguments)
