"""The small models of ``tiny_models``, and the arguments that name them."""

import logging

import pytest
from mmengine.logging import MMLogger
from tiny_models import write_models


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Folder with config.py and weights.pth of a lifter, pose2d.* of a 2D model, detector.*."""
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def lifter(models):
    """Arguments of the inferencer for the small lifter."""
    return {"pose3d": models / "config.py", "pose3d_weights": models / "weights.pth"}


@pytest.fixture
def pose2d(models):
    return {"pose2d": models / "pose2d.py", "pose2d_weights": models / "pose2d.pth"}


@pytest.fixture
def detector(models):
    return {"det_model": models / "detector.py", "det_weights": models / "detector.pth"}


@pytest.fixture
def log(caplog):
    """Warnings."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.WARNING):
        yield caplog
    logger.removeHandler(caplog.handler)
