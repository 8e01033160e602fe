"""A missing tool is installed where that is possible, and is reported in words where it is not."""

import pytest

from simulation.model.tools import Machine, ToolError, packages_to_install

DEBIAN_AS_ROOT = Machine(spin=False, gcc=True, apt=True, root=True)


def test_what_is_there_is_not_installed():
    assert packages_to_install(Machine(spin=True, gcc=True, apt=False, root=False)) == ()


def test_what_is_missing_is_installed():
    assert packages_to_install(DEBIAN_AS_ROOT) == ("spin",)
    assert packages_to_install(Machine(spin=True, gcc=False, apt=True, root=True)) == ("gcc", "libc6-dev")


def test_not_root():
    with pytest.raises(ToolError, match=r"need spin: sudo apt-get install .* spin"):
        packages_to_install(Machine(spin=False, gcc=True, apt=True, root=False))


def test_no_apt():
    with pytest.raises(ToolError, match=r"need spin gcc libc6-dev, and there is no apt-get"):
        packages_to_install(Machine(spin=False, gcc=False, apt=False, root=True))
