import re
import string
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fakes.epochs import epoch_of
from fakes.evidence_rows import answers, evidence, row
from fakes.evidence_rows import study as study_file

from sweeper.findings import findings
from sweeper.findings.texts import BY_LANGUAGE
from sweeper.outcomes import Liveness, Reaction
from sweeper.report.blocks import Page, Table
from sweeper.report.numbers import difference, p_text
from sweeper.report.page import page, verdict
from sweeper.report.rendering import figure_files, html, markdown
from sweeper.report.texts import TEXTS
from sweeper.results.assessment import assess
from sweeper.results.evidence import Evidence
from sweeper.scales import NATS, PER_CENT


def study() -> Evidence:
    drift = {f"drift/query_proj.weight/{m}": 0.25 for m in ("mean_abs", "max_abs", "relative_norm")}
    shots = np.arange(80).reshape(40, 2)
    best = replace(
        row(1, answers(36, 34), length=2),
        epochs=[epoch_of(1, score=0.8), epoch_of(2, score=0.875, kl=0.4, **drift)],
        choices=shots,
        calls=80,
    )
    controls = [replace(row("start", answers(20, 18), kind="control"), choices=shots + 1)]
    trials = [best, row(2, answers(30, 30), pull=0.2), row(0, answers(20, 18), kind="baseline")]
    return evidence([*controls, *trials], data={"warnings": ["pools: 32 | <64>"]})


def laid_out(known: Evidence, language: Any = "en") -> Page:
    weighed = assess(known)
    return page(
        known, weighed, findings(known, weighed), next_study="name: next\n", language=language
    )


def test_both_languages_have_the_same_phrases_with_the_same_fields() -> None:
    assert TEXTS["en"].keys() == TEXTS["zh"].keys()
    for key in TEXTS["en"]:
        assert fields(TEXTS["en"][key]) == fields(TEXTS["zh"][key]), key


def test_both_languages_know_every_finding_with_the_same_facts() -> None:
    assert BY_LANGUAGE["en"].keys() == BY_LANGUAGE["zh"].keys()
    for kind, parts in BY_LANGUAGE["en"].items():
        assert fields(" ".join(parts)) == fields(" ".join(BY_LANGUAGE["zh"][kind])), kind


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_the_verdict_is_three_sentences_and_an_alarm_comes_before_them() -> None:
    known = study()
    weighed = assess(known)
    told = verdict(known, weighed, [], "en")
    assert len(told) == 3
    assert told[0].startswith("trial 1 (step=0.001 pull=0.1 length=2 what=none) is better than")
    assert "p < 0.001" in told[0]
    reaction = Reaction(group="a", selections_changed=0.5, answers_changed=0.0)
    silent = replace(known, liveness=Liveness(alive=False, groups=(reaction,), questions=9))
    weighed = assess(silent)
    told = verdict(silent, weighed, findings(silent, weighed), "en")
    assert told[0].startswith("Alarm: The evaluation cannot see what is trained.")


def test_the_held_out_sentence_names_the_trial_that_was_confirmed() -> None:
    held = {"best": row(2, answers(30)), "baseline": row(0, answers(25), kind="baseline")}
    known = replace(study(), confirmed=held)
    told = verdict(known, assess(known), [], "en")
    assert "; trial 2 is +12.50 points from the baseline" in told[2]


def test_the_page_holds_controls_first_and_escapes_what_comes_from_outside() -> None:
    text = html(laid_out(study()))
    assert "<64>" not in text.replace("&lt;64&gt;", "")
    table = text[text.index("<table>") :]
    assert table.index("control start") < table.index("trial 1 (")
    assert not re.findall(r"(?:src|href)=\"http", text)  # opens offline
    shown = markdown(laid_out(study()))
    assert "| control start | 50.00 | 45.00 | 47.50 " in shown
    assert "name: next" in shown


@pytest.mark.parametrize("language", ["en", "zh"])
def test_figures_are_whole_pictures_and_files_that_the_markdown_names(language: Any) -> None:
    laid = laid_out(study(), language)
    files = figure_files(laid)
    assert {"figures/parts.svg", "figures/epochs.svg", "figures/drift.svg"} <= set(files)
    for name, svg in files.items():
        assert ElementTree.fromstring(svg).tag.endswith("svg")
        assert f"]({name})" in markdown(laid)


def test_a_report_is_the_same_twice() -> None:
    assert html(laid_out(study())) == html(laid_out(study()))


def test_many_settings_are_cut_and_the_baseline_stays() -> None:
    trials = [row(n, answers(39 - n), step=1e-3 + n * 1e-5) for n in range(1, 30)]
    known = evidence([*trials, row(0, answers(5), kind="baseline")])
    laid = laid_out(known)
    results = next(block for block in laid.blocks if isinstance(block, Table))
    assert len(results.rows) == 21
    assert results.rows[-1][0].startswith("trial 0 (")
    assert [entry[0] for entry in results.rows if entry[0].endswith(" (baseline)")] == [
        results.rows[-1][0]
    ]
    assert "9 further settings are not shown" in markdown(laid)


def test_numbers_keep_what_a_score_has() -> None:
    assert difference(-0.00275, PER_CENT) == "-0.275"
    assert difference(0.5, NATS) == "+0.5000"
    assert [p_text(p) for p in (0.0001, 0.0423)] == ["< 0.001", "= 0.042"]


def test_what_the_rule_takes_is_said_where_it_is_not_the_leader() -> None:
    rows = [row(1, answers(21), length=6), row(2, answers(20), length=1)]
    known = evidence(rows, config=study_file("best: {rule: one_standard_error}\n"))
    weighed = assess(known)
    said = verdict(known, weighed, findings(known, weighed), "en")
    assert said[0].startswith("trial 1 (")
    assert said[1] == "By its rule `one_standard_error` the study takes trial 2."
    assert "trial 2" in verdict(known, weighed, [], "zh")[1]
