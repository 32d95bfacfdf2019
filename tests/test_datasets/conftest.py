import shutil
from pathlib import Path

import pytest
from data_factory import make_tiny_3dhp, make_tiny_h36m


@pytest.fixture(scope="session")
def h36m_root(tmp_path_factory):
    """A made data set in the Human3.6M layout; read only."""
    return make_tiny_h36m(tmp_path_factory.mktemp("h36m"))


@pytest.fixture
def h36m_copy(h36m_root, tmp_path):
    """The same, to break."""
    return Path(shutil.copytree(h36m_root, tmp_path / "h36m"))


@pytest.fixture(scope="session")
def mpi_root(tmp_path_factory):
    """A made data set in the MPI-INF-3DHP layout; read only."""
    return make_tiny_3dhp(tmp_path_factory.mktemp("mpi_inf_3dhp"))
