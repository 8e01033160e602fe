"""Read pages of shell blocks, carry them out, and compare their output with the output on the page."""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXACT = re.compile("[A-Z][A-Z_]+|urn:.*")


@dataclass(frozen=True, slots=True)
class Block:
    """A `sh` block, and the `json` block right after it, if there is one."""

    line: int
    script: str
    printed: str | None


def blocks(page: str) -> list[Block]:
    steps: list[Block] = []
    follows = False
    for match in _BLOCK.finditer(page):
        language, text = match.groups()
        line = page.count("\n", 0, match.start()) + 1
        if language == "sh":
            steps.append(Block(line, text, None))
        elif language == "json":
            assert follows, f"line {line}: a json block with no sh block before it"
            steps[-1] = Block(steps[-1].line, steps[-1].script, text)
        follows = language == "sh"
    return steps


def run(steps: list[Block], *, folder: Path, cwd: Path, env: dict[str, str], timeout_s: float) -> list[str]:
    """Run all steps in one shell with `set -eu`, and return the output of each. Raises AssertionError, which names the
    step that failed."""
    parts = [f"echo {step.line} > '{folder}/at'\n{{\n{step.script}\n}} > '{folder}/{step.line}'\n" for step in steps]
    script = folder / "script"
    script.write_text("".join(["set -eu\n", *parts]))
    with (folder / "stderr").open("wb") as errors:
        try:
            subprocess.run(["bash", script], cwd=cwd, env=env, stderr=errors, timeout=timeout_s, check=True)
            return [(folder / str(step.line)).read_text() for step in steps]
        except subprocess.CalledProcessError as error:
            failure = f"ends with {error.returncode}"
        except subprocess.TimeoutExpired:
            failure = f"is not through after {timeout_s:.0f} s"
    line = (folder / "at").read_text().strip()
    outputs = [(folder / name).read_text()[-2000:] for name in (line, "stderr")]
    raise AssertionError(f"the block at line {line} {failure}:\n" + "\n".join(outputs))


def differences(shown: Any, printed: Any, at: str = "") -> list[str]:
    """Return the differences by the page's rule. Both must have the same members, of the same types, and the same words
    in capitals, problem types, `true` and `false`. Other values are examples, and null stands for a value that isn't
    known yet. Each item of an array must match one of the items on the page. An array with items on the page must not
    be printed empty, or the reverse."""
    if isinstance(shown, dict) and isinstance(printed, dict):
        return _differences_of_objects(shown, printed, at)
    if isinstance(shown, list) and isinstance(printed, list):
        return _differences_of_arrays(shown, printed, at)
    if shown is None or printed is None:
        return []
    exact = isinstance(shown, bool) or (isinstance(shown, str) and _EXACT.fullmatch(shown))
    if _kind(shown) is not _kind(printed) or (exact and shown != printed):
        return [f"{at}: {shown!r} is shown, {printed!r} was printed"]
    return []


def _differences_of_objects(shown: dict[str, Any], printed: dict[str, Any], at: str) -> list[str]:
    odd = shown.keys() ^ printed.keys()
    wrong = [f"{at or '.'}: {', '.join(sorted(odd))} on one side only"] if odd else []
    both = shown.keys() & printed.keys()
    return wrong + [why for name in both for why in differences(shown[name], printed[name], f"{at}.{name}")]


def _differences_of_arrays(shown: list[Any], printed: list[Any], at: str) -> list[str]:
    if bool(shown) is not bool(printed):
        return [f"{at}: {len(shown)} items are shown, {len(printed)} were printed"]
    least = [
        min((differences(item_shown, item, f"{at}[{i}]") for item_shown in shown), key=len)
        for i, item in enumerate(printed)
    ]
    return [why for item in least for why in item]


def _kind(value: object) -> type:
    return float if type(value) is int else type(value)


def unlike(step: Block, printed: str) -> list[str]:
    """Return the differences between a block's output and the page."""
    if step.printed is None:
        return []
    reasons = differences(json.loads(step.printed), json.loads(printed))
    return [f"line {step.line}: {why}" for why in reasons]
