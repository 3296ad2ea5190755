"""The layout, kept true: every module imports only from rows below its own."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SWEEPER = [  # rows from top to bottom; a name stands for a module or a whole folder
    "cli",
    "validate display confirming",
    "slots",
    "session",
    "driver",
    "recorder finals",
    "instrument",
    "reporting",
    "report next_study",
    "findings",
    "export",
    "best",
    "by_shots choosing comparison",
    "assessment",
    "evidence",
    "gc reading status plan ui importing",
    "launchers",
    "study_store tracking workspace provenance",
    "snapshot",
    "importance",
    "ranking verdict proposals",
    "templates schema wandb",
    "config",
    "study_checks changes wandb_ranges",
    "trainer_section space_checks",
    "parameters references",
    "sections validation study_file",
    "problems yaml_text",
    "space records statistics",
    "jobs interrupts errors file_systems",
]
TRAINER = [
    "__main__",
    "serve",
    "run check",
    "controls",
    "train",
    "racing",
    "training metrics_file",
    "rce grpo",
    "probe data_contract",
    "evaluate",
    "command_judge validation start flips rollouts",
    "recorded encoding lab_export description",
    "checkpoint reference lab_checkpoint",
    "reference_file",
    "remembering",
    "tasks",
    "readers groups answers",
    "policy",
    "attention unit_length policy_tensors freeze drift losses rewards seeds tally inert_pickle",
    "contract",
    "errors",
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
    return next((i for i, row in enumerate(rows) if parts[1] in row.split()), None)


@pytest.mark.parametrize("module", [*modules("sweeper"), *modules("trainer")])
def test_imports_point_down(module: str) -> None:
    package = module.split(".")[0]
    rows = SWEEPER if package == "sweeper" else TRAINER
    own = row_of(module, rows)
    if module == package:
        return
    assert own is not None, f"{module} has no row; give it one"
    names = imported((modules("sweeper") | modules("trainer"))[module])
    upward = {
        name
        for name in names
        if name.startswith(f"{package}.")
        and (row := row_of(name, rows)) is not None
        and row < own
        and name.split(".")[1] != module.split(".")[1]
    }
    assert not upward, f"{module} imports {sorted(upward)}, which is above it"


@pytest.mark.parametrize("module", modules("sweeper"))
def test_sweeper_knows_only_the_contract_of_the_trainer(module: str) -> None:
    names = imported(modules("sweeper")[module])
    foreign = {n for n in names if n.startswith("trainer") and not n.startswith("trainer.contract")}
    assert not foreign


@pytest.mark.parametrize("module", modules("trainer"))
def test_trainer_knows_nothing_of_sweeper_optuna_and_mlflow(module: str) -> None:
    names = {name.split(".")[0] for name in imported(modules("trainer")[module])}
    assert not names & {"sweeper", "optuna", "mlflow"}


@pytest.mark.parametrize(
    ("library", "home"),
    [
        ("optuna", {"proposals", "study_store", "importance"}),
        ("mlflow", {"tracking"}),
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
        ("import sweeper.session", {"torch", "mlflow", "scipy"}),
        ("import trainer.serve", {"optuna", "mlflow", "sweeper"}),
    ],
)
def test_importing_costs_only_what_it_must(statement: str, absent: set[str]) -> None:
    code = f"{statement}; import sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert not absent & set(done.stdout.split())
