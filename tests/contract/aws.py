"""Run a suite over real AWS where it is available: EFT_AWS_REGION and credentials are in the environment. Tables and
queues are made for each test and removed after it."""

import os

import pytest

REGION = os.environ.get("EFT_AWS_REGION", "")
PARAMS = ("aws",) if REGION else ()


def skip_without() -> None:
    """Skip one test on behalf of a whole suite that has not run over AWS."""
    if not REGION:
        pytest.skip("the suite runs over AWS only where EFT_AWS_REGION and credentials are given")
