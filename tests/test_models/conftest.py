import copy

import numpy as np
import pytest
import torch
from part_synth.geometry import H36M17
from part_synth.models import CropCamera, PosePrior, Puppet, extend_joints, fit_to_crop
from tiny_part_synth import SIZE, make_poses, tiny_model


@pytest.fixture(autouse=True)
def seed():
    """Weights of networks come from the global random state."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def fit():
    """A fitted prior, the poses it was fitted to, and the error that `fit` gave."""
    torch.manual_seed(0)
    poses = make_poses(400)
    prior = PosePrior(code_size=8, hidden=64)
    error = prior.fit(poses, steps=120, batch_size=64, lr=4e-3)
    return prior, poses, error


@pytest.fixture(scope="session")
def unpaired_file(tmp_path_factory, fit):
    """The same poses as an npz file of world joints, z up."""
    # Body frame x left, y down, z back -> world x left, y back, z up.
    body = fit[1].numpy()
    world = np.stack([body[..., 0], body[..., 2], -body[..., 1]], axis=-1)
    path = tmp_path_factory.mktemp("poses") / "unpaired.npz"
    one = lambda value: np.array([value])  # noqa: E731
    np.savez(
        path,
        xyz=world.astype(np.float32),
        start=one(0),
        length=one(len(world)),
        fps=np.float32(10),
        joint_names=np.array(H36M17.joint_names),
        parents=np.array(H36M17.parents),
        subject=one("P1"),
        clip=one("c"),
        action=one("walk"),
        split=one("train"),
    )
    return str(path)


@pytest.fixture
def model(fit, unpaired_file):
    """A tiny PartSynth with a fitted prior, and an encoder that disagrees between images."""
    model = tiny_model(copy.deepcopy(fit[0].state_dict()), unpaired_poses=unpaired_file)
    model.prior.requires_grad_(False)
    return model


@pytest.fixture
def trained(model):
    """Last layers that start at zero would keep gradients from the layers before them."""
    for layer in (model.decoder.to_colour, model.decoder.to_parts):
        torch.nn.init.normal_(layer.weight, std=0.05)
    return model


@pytest.fixture
def puppet():
    return Puppet()


@pytest.fixture
def scene(puppet):
    """Four puppets: points (4, E, 2), depths (4, E), scale (4,), their camera, extended joints."""
    joints = extend_joints(make_poses(4, seed=3))
    angles = torch.tensor([0.0, 1.0, 2.5, -1.5])
    camera = CropCamera(
        azimuth=angles,
        elevation=torch.tensor([0.0, 0.2, 0.3, 0.1]),
        roll=torch.zeros(4),
        scale=torch.ones(4),
        offset=torch.zeros(4, 2),
        distance=4.5,
    )
    in_camera = camera.rotate(joints)
    camera = fit_to_crop(camera, in_camera, torch.full((4,), 1.5), torch.zeros(4, 2))
    return camera.project(in_camera), in_camera[..., 2], camera.scale, camera, joints


@pytest.fixture
def batch():
    """Two groups of two random frames and their backgrounds, uint8, as collated."""
    generator = torch.Generator().manual_seed(5)

    def draw():
        shape = (2, 2, 3, SIZE, SIZE)
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)

    return {"image": draw(), "background": draw()}
