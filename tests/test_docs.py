"""What the documents say is held against what is there."""

import re
from pathlib import Path

import pytest
import yaml
from architecture.test_imports import face_of

from docs import study_file
from sweeper.study.config import parse_study
from sweeper.study.sections import Retry
from sweeper.trainers.command.macros import LISTS
from sweeper.trainers.command.macros import OWN as OWN_MACROS
from trainer.contract import FailureKind, files

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]+)?\)")
FORMATS = re.compile(r"^((?:[A-Z]+_FORMAT = )+)(\d+)", flags=re.MULTILINE)
STUDIES = re.compile(r"^```yaml\n(name: .*?)^```$", flags=re.MULTILINE | re.DOTALL)
OWN = [
    example
    for page in (DOCS / "own-script.md", ROOT / "README.md")
    for example in STUDIES.findall(page.read_text())
]
WHERE = {True: "another slot", False: "any slot"}  # by whether a slot may be to blame
STUDY = """\
name: example
trainer:
  phases: [{grpo: {lr: "${lr}", kl_beta: "${kl_beta}"}}]
parameters:
  lr: {min: 1e-5, max: 1e-2, log: true}
  kl_beta: {min: 0.01, max: 0.3}
"""


def parent(path: Path) -> str:
    return path.parent.name


def rows_of(page: str) -> dict[str, list[str]]:
    """The cells of every row of a page's tables, by the name in its first."""
    rows = (line for line in (DOCS / page).read_text().splitlines() if line.startswith("| `"))
    cells = ([cell.strip() for cell in row.strip("|").split(" | ")] for row in rows)
    return {first.strip("`"): rest for first, *rest in cells}


def test_the_page_of_the_study_file_is_current() -> None:
    assert study_file.PAGE.read_text() == study_file.page(), "run `make docs`"


@pytest.mark.parametrize("section", study_file.EXAMPLES)
def test_every_example_of_the_study_file_is_accepted(section: str) -> None:
    example = study_file.EXAMPLES[section]
    keys = yaml.safe_load(example).keys()
    rest = {key: text for key, text in _parts(STUDY).items() if key not in keys}
    parse_study("".join([example, "\n", *rest.values()]), Path("study.yaml"))


@pytest.mark.parametrize("example", OWN, ids=lambda example: str(yaml.safe_load(example)["name"]))
def test_every_study_of_a_script_of_ones_own_is_accepted(example: str) -> None:
    assert parse_study(example, Path("study.yaml")).name == yaml.safe_load(example)["name"]


def test_every_macro_is_in_its_table() -> None:
    shown = {name.strip("${}") for name in rows_of("own-script.md")} - {"lr"}
    assert {name.partition(":")[0] for name in shown} == {*OWN_MACROS, *LISTS, "env"}


def test_every_key_of_the_study_file_says_what_it_means() -> None:
    rows = [line for line in study_file.page().splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    assert [row for row in rows if row.endswith("|  |")] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_files(page: Path) -> None:
    targets = {target for target, _ in LINK.findall(page.read_text()) if "://" not in target}
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_links_within_the_page_of_the_study_file_lead_to_headings() -> None:
    text = study_file.page()
    titles = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors


@pytest.mark.parametrize("package", ["sweeper", "trainer"])
def test_every_wing_has_its_row_in_the_architecture(package: str) -> None:
    wings = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
    assert wings - rows_of("architecture.md").keys() == set()


@pytest.mark.parametrize("wing", sorted((ROOT / "sweeper").glob("*/__init__.py")), ids=parent)
def test_a_wing_has_the_face_that_the_architecture_shows(wing: Path) -> None:
    *_, shown = rows_of("architecture.md")[wing.parent.name]
    face = face_of(f"sweeper.{wing.parent.name}")
    assert set(re.findall(r"`(\w+)`", shown)) == face, "name the face in docs/architecture.md"


def test_every_file_of_a_trial_folder_is_among_the_formats() -> None:
    text = (DOCS / "formats.md").read_text()
    names = [value for name, value in vars(files).items() if _names_a_file(name, value)]
    assert len(names) == 10
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_format_number_is_among_the_formats() -> None:
    sources = [path.read_text() for wing in ("sweeper", "trainer") for path in files_of(wing)]
    found = [match for text in sources for match in FORMATS.findall(text)]
    names = {name for names, _ in found for name in re.findall(r"\w+", names)}
    text = (DOCS / "formats.md").read_text()
    assert len(names) >= 9
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []
    assert {number for _, number in found} == {"1"}, "docs/formats.md says that all are 1"


def test_every_kind_of_failure_is_in_its_table_as_it_is() -> None:
    most = Retry().attempts
    rows = rows_of("failures.md")
    assert set(rows) == {kind.value for kind in FailureKind}
    for kind in FailureKind:
        _, fault, jobs, where = rows[kind.value]
        assert fault == kind.fault.value
        assert jobs == str(most.get(kind, 1))
        place = "alone on" if kind.is_memory else WHERE[kind.is_slots]
        assert where.startswith("–" if jobs == "1" else place)


def files_of(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def _names_a_file(name: str, value: object) -> bool:
    return name.isupper() and isinstance(value, str)


def _parts(text: str) -> dict[str, str]:
    """The lines of a study file, by the key of the top level that they belong to."""
    blocks = re.split(r"^(?=\w)", text, flags=re.MULTILINE)
    return {block.partition(":")[0]: block for block in blocks if block}
