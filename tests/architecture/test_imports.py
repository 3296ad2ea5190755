"""The layout, kept true: every module imports only from rows below its own."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SWEEPER = [  # wings from top to bottom, then the ground; those of one row may import each other
    "cli",
    "report",
    "running",
    "findings",
    "results",
    "importing",
    "store",
    "search",
    "study",
    "trainers launchers",
    "statistics ranking words scales nouns records space outcomes refusals problems descriptions"
    " errors addresses references client",
]
ABOVE_THEIR_WING = {"sweeper.trainers.builtin.findings": "findings"}  # rules on what it trains
TRAINER = [
    "__main__",
    "jobs",
    "phases scoring",
    "lab",
    "rollouts",
    "stage_store",
    "policy",
    "answers",
    "tasks",
    "readers",
    "contract evaluation_batch groups inert_pickle seeds tally errors",
]


def modules(package: str) -> dict[str, Path]:
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted((ROOT / package).rglob("*.py"))
    }


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def row_of(module: str, rows: list[str]) -> int | None:
    parts = module.split(".")
    if len(parts) < 2:
        return None
    above = [row for name, row in ABOVE_THEIR_WING.items() if f"{module}.".startswith(f"{name}.")]
    name = above[0] if above else parts[1]
    return next((i for i, row in enumerate(rows) if name in row.split()), None)


def targets(module: str) -> set[str]:
    """The modules of the same package that a module imports."""
    package = module.split(".")[0]
    known = modules(package)
    names = imported(known[module])
    deepest = {name for name in names if name in known}
    return {name for name in deepest if name != package} - {module}


@pytest.mark.parametrize("module", [*modules("sweeper"), *modules("trainer")])
def test_imports_point_down(module: str) -> None:
    package = module.split(".")[0]
    rows = SWEEPER if package == "sweeper" else TRAINER
    if module == package:
        return
    own = row_of(module, rows)
    assert own is not None, f"{module} has no row; give it one"
    wing = module.split(".")[1]
    others = {name for name in targets(module) if name.split(".")[1] != wing}
    upward = {name for name in others if (row_of(name, rows) or 0) < own}
    assert not upward, f"{module} imports {sorted(upward)}, which is above it"


@pytest.mark.parametrize("package", ["sweeper", "trainer"])
def test_no_imports_go_round_in_a_circle(package: str) -> None:
    faces = {name for name, path in modules(package).items() if path.name == "__init__.py"}
    graph = {name: targets(name) - faces for name in modules(package)}
    TopologicalSorter(graph).prepare()


def face_of(package: str) -> set[str]:
    """What a wing lets others import: the names in its `__all__`, functions or modules."""
    tree = ast.parse(modules("sweeper")[package].read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


@pytest.mark.parametrize("module", modules("sweeper"))
def test_a_wing_is_entered_by_its_face(module: str) -> None:
    wings = {name for name, path in modules("sweeper").items() if path.name == "__init__.py"}
    for name in targets(module):
        parts = name.split(".")
        wing = ".".join(parts[:2])
        if wing not in wings or len(parts) == 2 or module.split(".")[1:2] == parts[1:2]:
            continue
        assert parts[2] in face_of(wing), f"{module} imports {name}, which is no part of the face"


@pytest.mark.parametrize("module", modules("sweeper"))
def test_the_trainers_contract_is_known_to_the_builtin_trainer_alone(module: str) -> None:
    names = {n for n in imported(modules("sweeper")[module]) if n.split(".")[0] == "trainer"}
    assert all(name.startswith("trainer.contract") for name in names)
    hands_it_on = module == "sweeper.outcomes"  # the values and file names that both packages share
    assert not names or hands_it_on or module.startswith("sweeper.trainers.builtin")


@pytest.mark.parametrize("module", modules("trainer"))
def test_trainer_knows_nothing_of_sweeper_optuna_and_mlflow(module: str) -> None:
    names = {name.split(".")[0] for name in imported(modules("trainer")[module])}
    assert not names & {"sweeper", "optuna", "mlflow"}


@pytest.mark.parametrize(
    ("library", "home"),
    [
        ("optuna", {"search", "store", "results"}),
        ("mlflow", {"store"}),
        ("pynvml", {"launchers"}),
    ],
)
def test_a_library_is_known_to_its_own_files_only(library: str, home: set[str]) -> None:
    users = {
        name.split(".")[1]
        for name, path in modules("sweeper").items()
        if any(n.split(".")[0] == library for n in imported(path))
    }
    assert users <= home


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import trainer.contract", {"torch", "optuna", "mlflow", "numpy"}),
        ("import sweeper.cli", {"torch", "optuna", "mlflow", "pydantic", "rich", "numpy"}),
        ("import sweeper.running.session", {"torch", "mlflow", "scipy"}),
        ("import trainer.jobs.serve", {"optuna", "mlflow", "sweeper"}),
    ],
)
def test_importing_costs_only_what_it_must(statement: str, absent: set[str]) -> None:
    code = f"{statement}; import sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert not absent & set(done.stdout.split())
