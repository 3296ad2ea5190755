"""Whoever starts a process says what it reads: stdin may be the pipe of a worker's jobs."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
STARTS = {"subprocess.run", "subprocess.Popen", "subprocess.check_output", "subprocess.call"}


def starts() -> dict[str, set[str | None]]:
    """Keywords of each call that starts a process, by its place."""
    return {
        f"{path.relative_to(ROOT)}:{node.lineno}": {keyword.arg for keyword in node.keywords}
        for package in ("sweeper", "trainer")
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in STARTS
    }


def test_no_process_inherits_what_its_parent_reads() -> None:
    found = starts()
    assert len(found) >= 7
    assert [place for place, given in found.items() if not given & {"stdin", "input"}] == []
