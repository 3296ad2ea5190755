"""How well the rooms are kept apart, in numbers: `python tests/architecture/test_counts.py`.

The bounds are what is so today: what falls is written down here, what rises is a mistake.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_UNTYPED = 2.7  # `dict[str, Any]` and `Mapping[str, Any]` in 1,000 lines of `sweeper`
MOST_LONG = 10  # modules of more than 350 lines in both packages
LONG = 350
TRAINED = re.compile(r"phase|(?<!snap)shot|freeze|reader")
OF_OTHERS = {"csv.reader", "gc.freeze", "yaml.reader", "yaml.reader.ReaderError"}

WORDS = "what files call the calls that answers cost"
PHASES = "an epoch is one of a phase: the door's own word"
LAB = "reads the lab's files, which tell of the built-in trainer"
WHY = {  # modules outside `trainers/builtin` that name what it trains
    "findings/rows.py": PHASES,
    "importing/lab.py": LAB,
    "importing/labels.py": LAB,
    "records.py": WORDS,
    "results/comparison.py": PHASES,
    "running/early_stops.py": PHASES,
    "running/trial_runs.py": PHASES,
    "search/plan.py": PHASES,
    "store/reading.py": PHASES,
    "store/tracking/keys.py": PHASES,
    "trainers/command/controls.py": WORDS,
    "trainers/command/epochs.py": PHASES,
    "trainers/command/training.py": PHASES,
    "trainers/command/work.py": WORDS,
    "trainers/protocol.py": PHASES,
}


def outside() -> dict[str, Path]:
    """The modules of `sweeper` that are not the built-in trainer's."""
    found = sorted((ROOT / "sweeper").rglob("*.py"))
    return {
        str(path.relative_to(ROOT / "sweeper")): path
        for path in found
        if "builtin" not in path.parts
    }


def names(tree: ast.Module) -> Iterator[str]:
    """Identifiers and strings, without docstrings and words of other libraries."""
    said = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in said:
            yield node.value
        if isinstance(node, ast.Attribute) and ast.unparse(node) not in OF_OTHERS:
            yield node.attr
        for field in ("id", "arg", "name"):
            if isinstance(name := getattr(node, field, None), str):
                yield name


def who_names_what_is_trained() -> set[str]:
    return {
        module
        for module, path in outside().items()
        if any(TRAINED.search(name.lower()) for name in names(ast.parse(path.read_text())))
    }


def untyped() -> float:
    """Mappings of anything in 1,000 lines of `sweeper`."""
    text = "".join(path.read_text() for path in (ROOT / "sweeper").rglob("*.py"))
    return 1000 * len(re.findall(r"(?:dict|Mapping)\[str, Any\]", text)) / text.count("\n")


def long_modules() -> dict[str, int]:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for package in ("sweeper", "trainer")
        for path in sorted((ROOT / package).rglob("*.py"))
    }
    return {module: lines for module, lines in lengths.items() if lines > LONG}


def test_who_names_what_is_trained_has_a_reason() -> None:
    assert who_names_what_is_trained() == set(WHY)


def test_mappings_of_anything_stay_few() -> None:
    assert untyped() <= MOST_UNTYPED


def test_long_modules_stay_few() -> None:
    assert len(long_modules()) <= MOST_LONG, long_modules()


if __name__ == "__main__":
    print(f"{len(WHY)} of {len(outside())} modules outside `trainers/builtin` name what it trains:")
    for module in sorted(who_names_what_is_trained()):
        print(f"  {module}: {WHY.get(module, 'no reason')}")
    print(f"{untyped():.1f} mappings of anything in 1,000 lines of `sweeper`")
    print(f"{len(long_modules())} modules of more than {LONG} lines: {long_modules()}")
