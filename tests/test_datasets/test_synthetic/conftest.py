"""One body model and one small data set for all tests of the generator.

The first test run on a machine builds the body model, which takes up to a minute.
"""

import numpy as np
import pytest
from part_synth.datasets.synthetic import make_synthetic_mocap
from part_synth.datasets.synthetic.body_file import load_body_model
from part_synth.datasets.synthetic.generate import single_threaded

TINY = {
    "subjects": (2, 1, 1),
    "cameras": 1,
    "frames_per_subject": 4,
    "size": 64,
    "seed": 5,
    "unpaired_poses": 10,
}


@pytest.fixture(scope="session")
def body_model():
    return load_body_model()


@pytest.fixture(scope="session")
def body(body_model):
    return body_model.rest_body({"gender": 0.2, "age": 0.7})


@pytest.fixture
def tiny_recipe():
    return dict(TINY)


@pytest.fixture(scope="session")
def tiny_set(tmp_path_factory, body_model):
    """Two training people, one for validation and one for test, made in this process."""
    return make_synthetic_mocap(tmp_path_factory.mktemp("data") / "tiny", workers=0, **TINY)


@pytest.fixture
def annotations(tiny_set):
    def load(split):
        with np.load(tiny_set / "annotation_body3d" / f"{split}.npz") as data:
            return {key: data[key] for key in data.files}

    return load


@pytest.fixture(autouse=True)
def _one_thread():
    with single_threaded():
        yield
