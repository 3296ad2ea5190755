"""`sweeper import`: what is taken in, what is refused, and that a refusal leaves nothing behind."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from fakes.evidence_rows import perplexity
from fakes.started_study import complete, files_in, start_study

from sweeper.errors import UsageError
from sweeper.importing.entries import Checked, check_rows
from sweeper.importing.known import known_results
from sweeper.importing.study import import_results, merge
from sweeper.importing.table import read_table
from sweeper.records import TrialRecord, TrialState
from sweeper.results.evidence import Scored, gather
from sweeper.search import Search, propose, setting_key
from sweeper.search.of_study import search_of
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore
from sweeper.store.workspace import Workspace
from sweeper.study.config import StudyConfig, load_study, parse_study

Invoke = Callable[..., Result]
STUDIES = Path(__file__).parents[3] / "studies"
STUDY = """\
name: elsewhere
trainer:
  phases:
    - grpo:
        lr: "${lr}"
        epochs: "${epochs}"
        freeze: "${freeze}"
        reward: "${reward}"
        reward_weights: {rel: "${rel}"}
        adaptive_kl: "${adaptive}"
        batch_size: "${batch}"
  evaluate: {shots: [1, 2], questions: 100}
parameters:
  lr: {min: 1e-5, max: 1e-2, log: true}
  epochs: {min: 1, max: 3}
  freeze: {values: [backbone, none]}
  reward: {values: [hard_plus_soft, hard_plus_gtprob_plus_rel]}
  rel: {min: 0.1, max: 0.5, step: 0.1, when: {reward: hard_plus_gtprob_plus_rel}, otherwise: 0.1}
  adaptive: {values: [true, false]}
  batch: {value: 4}
baseline: {lr: 1e-4, epochs: 1, freeze: backbone, reward: hard_plus_soft, adaptive: false}
trials: 12
"""
CONFIG = parse_study(STUDY, Path("elsewhere.yaml"))
HEADER = "lr,epochs,freeze,reward,rel,adaptive,shot_1,shot_2,questions"
GOOD = "1e-4,1,backbone,hard_plus_soft,,false,0.5,0.25,100"


def checked(path: Path, text: str) -> Checked:
    path.write_text(text, encoding="utf-8")
    return check_rows(read_table(path), CONFIG)


def csv_of(*rows: str, header: str = HEADER) -> str:
    return "\n".join([header, *rows]) + "\n"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "elsewhere.yaml"
    path.write_text(STUDY)
    return path


def test_cells_become_values_of_the_parameters_own_types(tmp_path: Path) -> None:
    found = checked(
        tmp_path / "r.csv",
        csv_of(
            "1e-4,2.0,none,hard_plus_gtprob_plus_rel,0.3,True,0.5,0.25,100",
            "0.001,1,backbone,hard_plus_soft,0.1,false,1,0,100",
        ),
    )
    assert (found.problems, found.outside) == ([], [])
    first, second = found.entries
    assert first == {
        "params": {
            "lr": 1e-4,
            "epochs": 2,
            "freeze": "none",
            "reward": "hard_plus_gtprob_plus_rel",
            "rel": 0.3,
            "adaptive": True,
        },
        "accuracy": {"1": 0.5, "2": 0.25},
        "questions": 100,
    }
    assert type(first["params"]["epochs"]) is int
    assert "rel" not in second["params"]  # inactive: told as its `otherwise`
    assert second["accuracy"] == {"1": 1.0, "2": 0.0}


def test_every_problem_is_said_at_once_with_row_and_column(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    found = checked(
        path,
        csv_of(
            "fast,1.5,frozen,hard_plus_soft,0.2,maybe,0.5,nan,100",
            "1e-4,1,none,hard_plus_soft,,false,58.8,58.8%,0",
            '"0,001",,none,hard_plus_soft,,false,"0,5",-0.1,2.5',
            "1e-4,1,none,hard_plus_soft,0.2,false,,,",
        ),
    )
    assert [p.removeprefix(f"{path}:") for p in found.problems[:-1]] == [
        "2: shot_2: must be a fraction in [0, 1], but got 'nan'",
        "2: lr: must be a number, but got 'fast'",
        "2: epochs: must be a whole number, but got '1.5'",
        "2: freeze: must be one of ['backbone', 'none'], but got 'frozen'",
        "2: adaptive: must be one of [True, False], but got 'maybe'",
        "3: shot_1: is 58.8; fractions are wanted: 0.588",
        "3: shot_2: is 58.8%; fractions are wanted: 0.588",
        "3: questions: must be a whole number >= 1, but got '0'",
        "4: shot_1: must be a fraction in [0, 1], but got '0,5'; write the decimal point as `.`",
        "4: shot_2: must be a fraction in [0, 1], but got '-0.1'",
        "4: lr: must be a number, but got '0,001'; write the decimal point as `.`",
        "4: no value for the parameter 'epochs'; `--set epochs=VALUE` gives it to every row",
        "4: questions: must be a whole number >= 1, but got '2.5'",
        "5: no accuracy; give columns shot_1 ... as fractions",
        "5: rel: is not active in this setting (see its `when`); leave it out, but got 0.2",
    ]
    assert found.problems[-1] == (
        f"{path}:5: no number of questions to compare by; `--set questions=VALUE` gives it to "
        "every row"
    )


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("shots_1", "unknown column 'shots_1'; did you mean 'shot_1'?"),
        ("shot_0", "unknown column 'shot_0'; did you mean 'shot_1'?"),
        ("Frage", "unknown column 'Frage'; known: lr, epochs, freeze"),
        ("batch", "batch: must be 4, fixed, but got '8'"),
        ("scores", "scores: scores by question do not fit into a cell; write JSON"),
    ],
)
def test_a_column_that_means_nothing_is_a_problem(tmp_path: Path, column: str, said: str) -> None:
    found = checked(tmp_path / "r.csv", csv_of(f"{GOOD},8", header=f"{HEADER},{column}"))
    assert len(found.problems) == 1
    assert said in found.problems[0]


def test_a_number_outside_its_range_was_measured_all_the_same(tmp_path: Path) -> None:
    found = checked(
        tmp_path / "r.csv", csv_of("0.5,9,none,hard_plus_gtprob_plus_rel,0.25,true,0.5,0.5,100")
    )
    assert found.problems == []
    params = found.entries[0]["params"]
    assert (params["lr"], params["epochs"], params["rel"]) == (0.5, 9, 0.25)
    assert [text.split(": ")[1].split()[0] for text in found.outside] == [
        "`lr`", "`epochs`", "`rel`",
    ]  # fmt: skip


def test_rows_of_one_evaluation_have_the_same_shots(tmp_path: Path) -> None:
    rows = (GOOD, "1e-3,1,none,hard_plus_soft,,false,0.5,,100")
    path = tmp_path / "r.csv"
    [problem] = checked(path, csv_of(*rows)).problems
    assert problem == (
        f"{path}:3: has the shots 1, {path}:2 has 1, 2: their means cannot be compared; fill them "
        "in, or name another `evaluation`"
    )
    apart = [f"{row},{name}" for row, name in zip(rows, ("", "screening"), strict=True)]
    assert checked(path, csv_of(*apart, header=f"{HEADER},evaluation")).problems == []


def test_text_may_be_marked_quoted_and_of_any_script(tmp_path: Path) -> None:
    text = "\ufeff" + csv_of(
        f'{GOOD},"解冻, ""0.15"" (第3轮)",  OK-VQA验证 ', "", header=f"{HEADER},source,evaluation"
    )
    found = checked(tmp_path / "r.csv", text)
    assert found.problems == []
    [entry] = found.entries
    assert (entry["source"], entry["evaluation"]) == ('解冻, "0.15" (第3轮)', "OK-VQA验证")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no results"),
        (b"\xef\xbb\xbf \n", "holds no results"),
        (HEADER.encode(), "holds no results"),
        (b"lr,lr,epochs,lr\n1,1,1,1\n", "r.csv:1: column 'lr' stands here twice"),
        (b"lr,,epochs\n1,1,1\n", "r.csv:1: column 2 has no name"),
        (b"lr;epochs\n1;1\n", "r.csv:1: columns must be separated by commas"),
        (b"lr,epochs\n1,1\n1,2,3\n", "r.csv:3: has 3 cells, the line of column names 2"),
        (b'lr,epochs\n"1,1\n', "is not CSV: unexpected end of data"),
        (b"lr,source\n1,\xe4\n", "byte 0xe4 at 12 is not UTF-8; save it as UTF-8"),
        (b"\xff\xfel\x00r\x00", "byte 0xff at 0 is not UTF-8"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError) as refused:
        read_table(path)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "holds no results"),
        ("{}", "must be a list of objects"),
        ("[1]", "must be a list of objects"),
        ("[{", "is not JSON that can be used"),
        ('[{"lr": 1, "lr": 2}]', "an object has 'lr' twice"),
        ("[" * 100_000, "is not JSON that can be used"),
    ],
)
def test_json_that_is_no_list_of_results_is_refused(
    tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "r.json"
    path.write_text(content)
    with pytest.raises(UsageError) as refused:
        read_table(path)
    assert said in str(refused.value)


def json_row(**changes: Any) -> dict[str, Any]:
    """A result with scores of two questions; a change to None leaves a column out."""
    row = {
        **{"lr": 1e-4, "epochs": 1, "freeze": "backbone", "reward": "hard_plus_soft"},
        **{"adaptive": False, "shot_1": 0.5, "shot_2": 0.433, "scores": [[1, 0.3], [0, 17 / 30]]},
    }
    return {k: v for k, v in {**row, **changes}.items() if v is not None}


def test_scores_by_question_give_the_exact_means_and_the_number_of_questions(
    tmp_path: Path,
) -> None:
    found = checked(tmp_path / "r.json", json.dumps([json_row()]))
    assert found.problems == []
    [entry] = found.entries
    assert entry["questions"] == 2
    assert entry["accuracy"] == pytest.approx({"1": 0.5, "2": (0.3 + 17 / 30) / 2}, abs=1e-12)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scores": [[1, 0.3], [0]]}, "question 2 must have 2 fractions in [0, 1], one for each"),
        ({"scores": [[1, 0.3], [0, float("nan")]]}, "question 2 must have 2 fractions"),
        ({"scores": [[True, 0.3]]}, "question 1 must have 2 fractions"),
        ({"scores": []}, "must be a list of 2 numbers for each question"),
        ({"questions": 3}, "are of 2 questions, but questions is 3"),
        ({"shot_2": 0.44}, "their mean for 2 shots is 0.4333, but shot_2 is 0.44"),
        ({"shot_1": float("inf")}, "shot_1: must be a fraction in [0, 1], but got inf"),
        ({"shot_1": True}, "shot_1: must be a fraction in [0, 1], but got True"),
        ({"lr": 10**400}, "lr: must be a number, but got 1000"),
        ({"lr": [1]}, "lr: must be a number, but got [1]"),
        ({"adaptive": 0}, "adaptive: must be one of [True, False], but got 0"),
        ({"source": 7}, "source: must be text, but got 7"),
        ({"source": "\ud800"}, "source: must be text, but got '\\ud800'"),
    ],
)
def test_a_value_of_json_that_cannot_be_used_is_a_problem(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    problems = checked(tmp_path / "r.json", json.dumps([json_row(**changes)])).problems
    assert any(said in problem for problem in problems), problems


def test_the_same_row_twice_is_one(study: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(csv_of(GOOD, GOOD, GOOD.replace("0.25", "0.75")))
    workspace = Workspace(tmp_path)
    first = import_results(study, [path], workspace)
    assert first.lines[0] == "elsewhere: 2 results imported, 1 were known"
    again = import_results(study, [path, path], workspace)
    assert again.lines[0] == "elsewhere: 0 results imported, 3 were known"
    assert [row.score for row in rows(tmp_path)] == [0.625, 0.375]


def stored(folder: StudyFolder) -> list[Any]:
    with StudyStore.open(folder.database, name=folder.name) as store:
        return list(store.attributes().get("imported", []))


def rows(root: Path, name: str = "elsewhere") -> Sequence[Scored]:
    return gather(Workspace(root).study(name)).imported


def test_a_refused_import_leaves_nothing_behind(invoke: Invoke, study: Path) -> None:
    table = study.with_name("r.csv")
    table.write_text(csv_of(GOOD, GOOD.replace("0.5", "50")))
    before = files_in(study.parent)
    done = invoke("import", study, table, "missing.csv")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "Error: nothing was imported, for 2 problems:\n"
        "  missing.csv cannot be read: No such file or directory\n"
        f"  {table}:3: shot_1: is 50; fractions are wanted: 0.5\n"
    )
    assert files_in(study.parent) == before


def test_another_study_file_of_the_same_name_is_refused(invoke: Invoke, study: Path) -> None:
    study.with_name("r.csv").write_text(csv_of(GOOD))
    assert invoke("import", study, "r.csv").exit_code == 0
    study.write_text(STUDY.replace("max: 1e-2", "max: 1e-1"))
    done = invoke("import", study, "r.csv")
    assert done.exit_code == 2
    assert "study 'elsewhere' was started with another study file" in done.stderr


def test_a_study_of_losses_takes_no_accuracies(tmp_path: Path) -> None:
    folder = start_study(tmp_path, name="losses", loss=True)
    table = tmp_path / "r.csv"
    table.write_text("lr,epochs,freeze,shot_1,questions\n1e-3,1,none,0.5,100\n")
    with pytest.raises(UsageError, match="is scored by its validation loss"):
        import_results(folder.study_file, [table], Workspace(tmp_path))


def test_what_rows_do_not_tell_is_given_once(invoke: Invoke, study: Path) -> None:
    header, row = HEADER.removesuffix(",questions"), GOOD.removesuffix(",100")
    study.with_name("r.csv").write_text(csv_of(row, header=header))
    done = invoke(
        "import", study, "r.csv", "--set", "questions=100", "--set", "evaluation=first 100"
    )
    assert done.exit_code == 0
    [found] = rows(study.parent)
    assert (found.questions, found.evaluation) == (100, "first 100, 100 questions")
    bad = invoke("import", study, "r.csv", "--set", "questions")
    assert bad.stderr == "Error: --set takes COLUMN=VALUE, but got 'questions'\n"


def test_rows_carry_the_evaluation_that_they_may_be_compared_in(
    invoke: Invoke, study: Path
) -> None:
    lines = [f"{GOOD},", f"{GOOD.replace('100', '200')},", f"{GOOD},okvqa"]
    study.with_name("r.csv").write_text(csv_of(*lines, header=f"{HEADER},evaluation"))
    done = invoke("import", study, "r.csv")
    assert "warning: not tested against each other, for they are of 3 evaluations" in done.stderr
    found = rows(study.parent)
    assert [row.evaluation for row in found] == [
        "100 questions", "200 questions", "okvqa, 100 questions",
    ]  # fmt: skip
    assert {row.kind for row in found} == {"baseline"}
    assert found[0].params == {**(CONFIG.baseline or {}), "rel": 0.1, "batch": 4}


def test_results_without_the_baseline_say_so(invoke: Invoke, study: Path) -> None:
    study.with_name("r.csv").write_text(csv_of(GOOD.replace("1e-4", "1e-3")))
    done = invoke("import", study, "r.csv")
    assert "warning: no row has the baseline's setting" in done.stderr


# ---- results that teach the sampler

PLAIN = """
name: plain
trainer:
  phases: [{grpo: {lr: "${lr}", epochs: "${epochs}", freeze: "${freeze}"}}]
  evaluate: {shots: [1, 2], questions: 100}
parameters:
  lr: {min: 1e-5, max: 1e-2, log: true}
  epochs: {min: 1, max: 3}
  freeze: {values: [backbone, none]}
"""
MANY = [f"{10 ** -(2 + n / 4):.3g},{1 + n % 3},none,{0.9 - n / 20:.2f},0.5,100" for n in range(12)]
MANY_COLUMNS = "lr,epochs,freeze,shot_1,shot_2,questions"


def known(config: StudyConfig, path: Path, rows: Sequence[str]) -> tuple[TrialRecord, ...]:
    path.write_text(csv_of(*rows, header=MANY_COLUMNS))
    entries = check_rows(read_table(path), config).entries
    return known_results([{**entry, "same_evaluation": True} for entry in entries])


def proposals(search: Search) -> list[str]:
    """The first two; the second is made while the first runs."""
    first = propose(search, 0, [])
    assert first is not None
    running = TrialRecord(number=0, params=first.params, state=TrialState.RUNNING)
    second = propose(search, 1, [running])
    assert second is not None
    return [setting_key(proposal.params) for proposal in (first, second)]


def test_a_taught_sampler_proposes_other_settings_and_always_the_same(tmp_path: Path) -> None:
    config = parse_study(PLAIN, Path("s.yaml"))
    taught = known(config, tmp_path / "r.csv", MANY)
    turned = known(config, tmp_path / "r.csv", MANY[::-1])
    first = proposals(search_of(config, lag=8, known=taught))
    assert first == proposals(search_of(config, lag=8, known=taught))
    assert first == proposals(search_of(config, lag=8, known=turned))
    assert set(first).isdisjoint(proposals(search_of(config, lag=8)))


def test_a_gaussian_process_is_taught_as_well(tmp_path: Path) -> None:
    config = parse_study(PLAIN + "sampler: {name: gp}\n", Path("s.yaml"))
    taught = known(config, tmp_path / "r.csv", MANY)
    plain = propose(search_of(config, lag=8), 0, [])
    assert propose(search_of(config, lag=8, known=taught), 0, []) != plain


@pytest.mark.parametrize("sampler", ["random", "qmc", "cmaes"])
def test_a_sampler_that_cannot_learn_from_results_proposes_as_before(
    tmp_path: Path, sampler: str
) -> None:
    config = parse_study(PLAIN + f"sampler: {{name: {sampler}}}\n", Path("s.yaml"))
    taught = known(config, tmp_path / "r.csv", MANY)
    plain = proposals(search_of(config, lag=8))
    assert proposals(search_of(config, lag=8, known=taught)) == plain


def test_what_was_imported_counts_as_not_tried(tmp_path: Path) -> None:
    text = PLAIN.replace("{min: 1e-5, max: 1e-2, log: true}", "{value: 1e-3}")
    config = parse_study(text.replace("{min: 1, max: 3}", "{value: 1}"), Path("s.yaml"))
    both = [f"1e-3,1,{freeze},0.5,0.5,100" for freeze in ("backbone", "none")]
    search = search_of(config, lag=8, known=known(config, tmp_path / "r.csv", both))
    assert len(search.known) == 2
    assert propose(search, 0, []) is not None


def test_what_teaches_is_of_the_studys_own_evaluation(invoke: Invoke, study: Path) -> None:
    table = study.with_name("r.csv")
    table.write_text(
        csv_of(
            f"{GOOD},okvqa",
            f"{GOOD.replace('100', '200')},",
            f"{GOOD.replace('1e-4', '0.5')},",
            header=f"{HEADER},evaluation",
        )
    )
    before = files_in(study.parent)
    done = invoke("import", study, "r.csv", "--same-evaluation")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[1:] == [
        "  r.csv:4: `lr` must be a number from 1e-05 to 0.01, but got 0.5; the sampler knows "
        "nothing out there: widen the range, or leave the row out",
        "  rows of several evaluations cannot all be of the study's: ['okvqa, 100 questions', "
        "'200 questions', '100 questions']",
        "  r.csv:3: measured on 200 questions, the study asks 100",
    ]
    assert files_in(study.parent) == before


def test_a_study_with_trials_is_taught_nothing_more(tmp_path: Path, invoke: Invoke) -> None:
    folder = start_study(tmp_path, complete(0, 0.5))
    header = "lr,epochs,freeze,shot_1,shot_2,shot_3,shot_4,questions"
    (tmp_path / "r.csv").write_text(f"{header}\n1e-3,2,none,0.5,0.5,0.5,0.5,800\n")
    done = invoke("import", folder.study_file, "r.csv", "--same-evaluation")
    assert done.exit_code == 2
    assert "study 'kl_lr' has 1 trials, which were proposed without these results" in done.stderr
    assert "give it another `name:`" in done.stderr
    assert stored(folder) == []
    done = invoke("import", folder.study_file, "r.csv")
    assert done.exit_code == 0
    [entry] = stored(folder)
    assert "same_evaluation" not in entry
    done = invoke("import", folder.study_file, "r.csv")  # again: nothing is taught anew
    assert done.exit_code == 0


def test_a_row_that_is_said_to_teach_later_is_no_second_row(invoke: Invoke, study: Path) -> None:
    study.with_name("r.csv").write_text(csv_of(GOOD))
    invoke("import", study, "r.csv")
    done = invoke("import", study, "r.csv", "--same-evaluation")
    assert done.stdout.splitlines()[:2] == [
        "elsewhere: 0 results imported, 1 were known",
        "the sampler knows 1 of them before trial 0",
    ]
    assert [row.evaluation for row in rows(study.parent)] == [""]
    invoke("import", study, "r.csv")  # says less, takes nothing back
    assert [row.evaluation for row in rows(study.parent)] == [""]


def test_the_plan_knows_what_the_sampler_knows(invoke: Invoke, study: Path) -> None:
    study.write_text(PLAIN)
    study.with_name("r.csv").write_text(csv_of(*MANY, header=MANY_COLUMNS))
    before = invoke("plan", study).stdout
    invoke("import", study, "r.csv", "--same-evaluation")
    after = invoke("plan", study).stdout
    assert before != after
    assert after == invoke("plan", study).stdout
    study.write_text(PLAIN.replace("max: 1e-2", "max: 1e-3"))  # another study of that name
    assert invoke("plan", study).exit_code == 0


def test_a_sampler_that_learns_nothing_is_said(invoke: Invoke, study: Path) -> None:
    study.write_text(STUDY + "sampler: {name: random}\n")
    study.with_name("r.csv").write_text(csv_of(GOOD))
    done = invoke("import", study, "r.csv", "--same-evaluation")
    assert "warning: the sampler random learns nothing from results; tpe and gp do" in done.stderr
    assert "the sampler knows" not in done.stdout


def test_merging_keeps_the_numbers_that_rows_have() -> None:
    a, b = {"params": {"x": 1}}, {"params": {"x": 2}}
    merged, new = merge([a, b], [{**a, "same_evaluation": True}, {"params": {"x": 3}}])
    assert (new, merged) == (1, [{**a, "same_evaluation": True}, b, {"params": {"x": 3}}])


# ---- the seed


def test_the_seeds_table_is_imported_and_reported(invoke: Invoke, tmp_path: Path) -> None:
    study = STUDIES / "seed_results.yaml"
    assert load_study(study).name == "seed_results"
    assert invoke("import", study, STUDIES / "seed_results.csv").exit_code == 0
    found = rows(tmp_path, "seed_results")
    means = [round(100 * row.score, 4) for row in found]
    assert means == [56.125, *[55.85] * 5]
    assert [row.kind for row in found] == ["baseline", *["imported"] * 5]
    assert {row.questions for row in found} == {200}
    assert {row.evaluation for row in found} == {"200 questions"}
    done = invoke("report", "seed_results", "--format", "md")
    assert done.exit_code == 0
    report = (tmp_path / "sweeps/seed_results/report/report.en.md").read_text()
    assert all(number in report for number in ("56.125", "55.85", "-0.275"))


def test_parts_of_another_trainers_score_are_imported_by_their_names_whatever_their_range(
    tmp_path: Path,
) -> None:
    def of_texts(row: str) -> Checked:
        file = tmp_path / "texts.csv"
        file.write_text(f"step,pull,length,what,books,web,questions\n1e-3,0.1,3,none,{row},40\n")
        return check_rows(read_table(file), perplexity())

    [entry] = of_texts("31.5,-2").entries
    assert list(entry["accuracy"].items()) == [("web", -2.0), ("books", 31.5)]
    assert of_texts("31.5,nan").problems == [
        f"{tmp_path / 'texts.csv'}:2: web: must be a number, but got 'nan'"
    ]
