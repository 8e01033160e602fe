"""Run each folder of tests in one process, so that its servers start once. The folders run side by side."""

import os

import pytest

LONGEST_FIRST = ("e2e", "simulation", "steps", "docs", "contract", "entry", "local", "gateway")
"""These folders take minutes. If one of them began last, the others would wait for it alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order tests by folder, the longest first, and make each folder one group for the processes. One process alone
    keeps the usual order."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    order = {name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(_folder(item), len(order)))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_folder(item)))


def _folder(item: pytest.Item) -> str:
    """Return the name of the folder below tests/ that holds the test."""
    return item.nodeid.split("/")[1]
