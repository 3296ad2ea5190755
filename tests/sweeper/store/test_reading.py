import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.epochs import epoch_of
from fakes.started_study import complete, start_study, unfinished

from sweeper.errors import SweeperError, UsageError
from sweeper.records import TrialRecord, TrialState
from sweeper.store.reading import log_lines, read_study, show_trial
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore
from sweeper.store.workspace import Workspace
from trainer.contract import FAILURE, LOG, METRICS, RESULT


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return start_study(tmp_path, complete(0, 0.625), unfinished(1))


def write_epochs(folder: StudyFolder, number: int, *scores: float | None) -> None:
    epochs = [epoch_of(n, score=score, loss=0.5, kl=None) for n, score in enumerate(scores, 1)]
    text = "".join(json.dumps(epoch.to_json()) + "\n" for epoch in epochs)
    (folder.trial(number) / METRICS).write_text(text)


def test_a_study_is_read_as_it_was_stored(folder: StudyFolder) -> None:
    config, records = read_study(folder)
    assert (config.name, config.trials, config.space.names) == (
        "kl_lr",
        8,
        ("lr", "epochs", "freeze"),
    )
    assert [record.score for record in records] == [0.625, None]


def test_a_study_finds_its_files_from_wherever_it_was_started(
    folder: StudyFolder, tmp_path: Path
) -> None:
    assert read_study(folder)[0].path.parent == folder.root
    with StudyStore.open(folder.database, name=folder.name) as store:
        store.set_attribute("source", str(tmp_path / "studies"))
    assert read_study(folder)[0].path.parent == tmp_path / "studies"


def test_a_study_without_a_database_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"study\.db: there is no such file"):
        read_study(Workspace(tmp_path).study("x"))


def test_a_study_that_was_created_and_not_started_is_said(tmp_path: Path) -> None:
    folder = Workspace(tmp_path).study("x")
    StudyStore.open(folder.database, name="x", goal="maximize").close()
    with pytest.raises(UsageError, match="study 'x' has not been started; run it first"):
        read_study(folder)


def test_a_damaged_database_is_said(folder: StudyFolder) -> None:
    for file in folder.root.glob("study.db*"):
        file.write_bytes(b"nothing of a database" * 100)
    with pytest.raises(SweeperError, match="it is damaged; `sweeper run`"):
        read_study(folder)


def test_a_complete_trial_is_shown_whole(folder: StudyFolder) -> None:
    write_epochs(folder, 0, 0.5, 0.625)
    assert show_trial(folder, str(0)).splitlines() == [
        "trial 0 of kl_lr: complete",
        "  parameters      lr=0.001 epochs=2 freeze=none",
        "  proposed        baseline",
        "  origin          trained",
        "  score           62.5 % (by shots 1: 62.5, 2: 62.5, 3: 62.5, 4: 62.5)",
        "  stage           stage0",
        "  epochs trained  2",
        "  MLflow run      run0",
        "  reader calls    3,200 of 6,400 asked, saved 3,000 by the store, 200 by equal calls",
        "  epochs",
        "    grpo 1: score 50.0 %  loss 0.5",
        "    grpo 2: score 62.5 %  loss 0.5",
        f"  files           {folder.trial(0)}",
    ]


def test_an_open_trial_is_running_while_a_driver_works_and_interrupted_after_it(
    folder: StudyFolder,
) -> None:
    with folder.locked():
        assert show_trial(folder, str(1)).splitlines() == [
            "trial 1 of kl_lr: running",
            "  parameters      lr=0.002 epochs=3 freeze=backbone",
            "  proposed        sampled",
            "  origin          trained",
            "  epochs",
            "    none yet",
            f"  files           {folder.trial(1)}",
        ]
    assert show_trial(folder, str(1)).startswith(
        "trial 1 of kl_lr: interrupted; `sweeper run` with the study file goes on\n"
    )


def test_a_failed_trial_is_shown_with_its_reason(tmp_path: Path) -> None:
    failed = unfinished(0, TrialState.FAILED, failure="not_finite", reason="the loss is nan")
    text = show_trial(start_study(tmp_path, failed), "0")
    assert "  failure         not_finite\n  reason          the loss is nan\n" in text


def test_the_last_error_of_an_open_trial_is_shown(folder: StudyFolder) -> None:
    error = {"class": "files", "message": "No space left on device"}
    (folder.trial(1) / FAILURE).write_text(json.dumps(error))
    assert "  last error      files: No space left on device\n" in show_trial(folder, str(1))


def test_an_epoch_whose_score_is_not_finite_is_shown(folder: StudyFolder) -> None:
    write_epochs(folder, 1, None)
    assert "    grpo 1: score not finite  loss 0.5\n" in show_trial(folder, str(1))


def test_a_torn_last_line_waits_and_a_damaged_one_is_said(folder: StudyFolder) -> None:
    write_epochs(folder, 1, 0.5)
    with (folder.trial(1) / METRICS).open("a") as file:
        file.write('{"phase": "gr')
    assert "    grpo 1: score 50.0 %  loss 0.5\n  files" in show_trial(folder, str(1))
    with (folder.trial(1) / METRICS).open("a") as file:
        file.write("\n")
    shown = show_trial(folder, str(1))
    assert "    grpo 1: score 50.0 %  loss 0.5\n" in shown
    assert "    damaged: metrics.jsonl, line 2: Unterminated string" in shown


def test_a_trial_folder_that_is_gone_does_not_hide_the_record(folder: StudyFolder) -> None:
    for file in folder.trial(0).iterdir():
        file.unlink()
    folder.trial(0).rmdir()
    assert "  epochs\n    none yet\n" in show_trial(folder, str(0))


def test_an_unknown_trial_gets_the_known_ones(folder: StudyFolder) -> None:
    with pytest.raises(UsageError, match="study 'kl_lr' has no trial 2; it has trials 0 to 1"):
        show_trial(folder, str(2))


def test_a_study_without_trials_has_none_to_show(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="study 'kl_lr' has no trial 0; it has no trial yet"):
        show_trial(start_study(tmp_path), 0)


def read_log(folder: StudyFolder, *, follow: bool = False, **options: Any) -> str:
    return "".join(log_lines(folder, 1, follow=follow, **options))


def test_a_log_is_printed_as_it_is(folder: StudyFolder) -> None:
    (folder.trial(1) / LOG).write_bytes("step 1\nétape\xff".encode("latin-1") + "研究\n".encode())
    assert read_log(folder) == "step 1\n\ufffdtape\ufffd研究\n"


def test_a_trial_that_wrote_no_log_is_said_with_its_state(folder: StudyFolder) -> None:
    with pytest.raises(UsageError, match=r"trial 1 \(running\) has written no log: .*log\.txt"):
        read_log(folder)


@pytest.mark.parametrize("follow", [False, True])
def test_the_log_of_an_unknown_trial_is_refused(folder: StudyFolder, follow: bool) -> None:
    with pytest.raises(UsageError, match="has no trial 9; it has trials 0 to 1"):
        list(log_lines(folder, 9, follow=follow))


def test_following_ends_with_the_driver_and_misses_nothing(folder: StudyFolder) -> None:
    log = folder.trial(1) / LOG
    lock = folder.locked()
    lock.__enter__()
    written = iter([b"one\n", "größe ".encode()[:3], "größe ".encode()[3:] + b"\n"])

    def driver(_: float) -> None:
        """What happens while the follower sleeps: a piece of the log, and at last the end."""
        piece = next(written, None)
        if piece is None:
            with log.open("ab") as file:
                file.write(b"last words\n")
            lock.__exit__(None, None, None)
        else:
            with log.open("ab") as file:
                file.write(piece)

    assert read_log(folder, follow=True, sleep=driver) == "one\ngröße \nlast words\n"


def test_following_ends_with_the_trial_although_the_driver_goes_on(folder: StudyFolder) -> None:
    (folder.trial(1) / LOG).write_text("one\n")

    def trial(_: float) -> None:
        assert not (folder.trial(1) / RESULT).exists(), "follows a trial that has ended"
        (folder.trial(1) / LOG).write_text("one\ntwo\n")
        (folder.trial(1) / RESULT).write_text("{}")

    with folder.locked():
        assert read_log(folder, follow=True, sleep=trial) == "one\ntwo\n"


def test_following_a_study_without_a_driver_prints_what_there_is(folder: StudyFolder) -> None:
    (folder.trial(1) / LOG).write_text("all\n")
    assert read_log(folder, follow=True, sleep=lambda _: pytest.fail("waits for nobody")) == "all\n"


def test_a_loss_is_shown_in_nats(tmp_path: Path) -> None:
    folder = start_study(tmp_path, replace_accuracy(complete(0, 4.8)), loss=True)
    write_epochs(folder, 0, 5.0, 4.8)
    lines = show_trial(folder, str(0)).splitlines()
    assert "  score           4.8000 nats" in lines
    assert "    grpo 2: score 4.8000 nats  loss 0.5" in lines


def replace_accuracy(record: TrialRecord) -> TrialRecord:
    return replace(record, notes=record.notes.model_copy(update={"accuracy": {}}))
