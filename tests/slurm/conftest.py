"""Real SLURM clusters, one a session for each kind that a test asks for. Skipped where SLURM is not installed."""

from collections.abc import Iterator

import pytest
from cluster_support import Cluster, running_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One node n0 of 8 CPUs and 2 fake GPUs; partitions main, preempt, high; accounting."""
    with running_cluster() as running:
        yield running


@pytest.fixture(scope="session")
def cluster_two_nodes() -> Iterator[Cluster]:
    """Nodes n0 and n1, as in `cluster`."""
    with running_cluster("--nodes=2") as running:
        yield running


@pytest.fixture(scope="session")
def cluster_without_accounting() -> Iterator[Cluster]:
    """A site where sacct does not work, and where an array has at most 20 jobs."""
    with running_cluster("--no-accounting", "--max-array-size=20") as running:
        yield running
