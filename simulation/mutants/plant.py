"""Plant a bug: change a module's source while it is imported, in this process alone. Nothing on disk changes."""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType


@dataclass(frozen=True, slots=True)
class Edit:
    """A change: in `module`, `old` (which must be there exactly once) becomes `new`."""

    module: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """A planted bug: its description, the edits that make it, and the tests that should find it."""

    name: str
    what: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...] = ()
    """Tests (pytest's node ids) of which one must fail, for adapters, which are not simulated. If empty, a seed must
    find it."""


class CannotBePlanted(Exception):
    """The code has changed, so the mutant has to be brought up to date."""


class _Changed(SourceFileLoader):
    def __init__(self, name: str, path: str, edits: Sequence[Edit]) -> None:
        super().__init__(name, path)
        self._edits = edits

    def get_code(self, fullname: str) -> CodeType:
        """Compile the changed source, and ignore any cached byte code. Raises CannotBePlanted if a snippet doesn't
        fit."""
        source = self.get_data(self.get_filename(fullname)).decode()
        for edit in self._edits:
            times = source.count(edit.old)
            if times != 1:
                raise CannotBePlanted(f"{fullname} has {times} times: {edit.old!r}")
            source = source.replace(edit.old, edit.new)
        code: CodeType = compile(source, self.get_filename(fullname), "exec", dont_inherit=True)
        return code


class _Finder(MetaPathFinder):
    def __init__(self, edits: Sequence[Edit]) -> None:
        self._edits = edits

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        edits = [edit for edit in self._edits if edit.module == fullname]
        spec = PathFinder.find_spec(fullname, path, target) if edits else None
        if spec is None or spec.origin is None:
            return None
        loader: Loader = _Changed(fullname, spec.origin, edits)
        return importlib.util.spec_from_file_location(fullname, spec.origin, loader=loader)


def plant(edits: Sequence[Edit]) -> None:
    """Change the modules that later imports will see. Raises CannotBePlanted if that is not possible.

    It is raised now, because raised by an import in the middle of a test it would look like a test that found the bug.
    """
    for edit in edits:
        if edit.module in sys.modules:
            raise CannotBePlanted(f"{edit.module} has been imported already")
    finder = _Finder(edits)
    for module in {edit.module for edit in edits}:
        package = importlib.import_module(module.rpartition(".")[0])
        spec = finder.find_spec(module, package.__path__)
        if spec is None or not isinstance(spec.loader, _Changed):
            raise CannotBePlanted(f"there is no {module}")
        spec.loader.get_code(module)
    sys.meta_path.insert(0, finder)
