"""The `sweeper` command: parse, call one function, print, exit code.

Exit codes: 0 all well, 1 some trials failed or the study cannot go on, 2 bad input, 130
interrupted. Imports of what takes time stand inside the commands: `sweeper --help` answers at once.
"""

import contextlib
import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from sweeper.errors import SweeperError, UsageError

if TYPE_CHECKING:
    from sweeper.export import CheckpointFormat, Format
    from sweeper.findings.texts import Language
    from sweeper.importing.study import Source
    from sweeper.workspace import StudyFolder, Workspace

FORMATS = ("yaml", "json", "env", "args")

study_file = click.argument(
    "study_path",
    metavar="STUDY_FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
study_name = click.argument("study")
by_shots = click.option("--by", metavar="SHOTS", help="One number of shots alone, like shot_2.")


class TrialName(click.ParamType[str]):
    """7, or 7@2: the shorter training of two epochs that trial 7 has scored on its way."""

    name = "trial"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Check the form; whether there is such a trial is the study's matter."""
        if not re.fullmatch(r"\d+(@\d+)?", str(value)):
            self.fail(
                f"{value!r} is no trial; write 7, or 7@2 for its first two epochs", param, ctx
            )
        return str(value)


class Commands(click.Group):
    """Commands that say what they can foresee in one message; what they cannot is a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command and turn its error into a message and an exit code."""
        try:
            return super().invoke(ctx)
        except SweeperError as error:
            _fail(f"Error: {error}", error.exit_code, error)
        except BrokenPipeError:  # `sweeper export ... | head`: click ends without a word
            raise
        except OSError as error:
            where = "" if error.filename is None else f"{error.filename}: "
            _fail(f"Error: {where}{error.strerror or error}", 1, error)
        except KeyboardInterrupt as error:
            _fail("interrupted", 130, error)


def _fail(message: str, exit_code: int, cause: BaseException) -> NoReturn:
    click.echo(message, err=True)
    raise SystemExit(exit_code) from cause


def _workspace() -> "Workspace":
    from sweeper.workspace import Workspace, checked_server

    given = click.get_current_context().find_root().params
    root: Path = given["workspace"]
    server: str | None = given["answers"]
    return Workspace(root.absolute(), None if server is None else checked_server(server))


def _find(study: str) -> "StudyFolder":
    return _workspace().find(study)


@click.group(cls=Commands)
@click.version_option(package_name="sweeper")
@click.option(
    "--workspace",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    envvar="SWEEPER_HOME",
    help="Folder of sweeps/ and mlflow.db; also SWEEPER_HOME.  [default: the current folder]",
)
@click.option(
    "--answers",
    metavar="URL",
    envvar="SWEEPER_ANSWERS",
    help="PostgreSQL database of the readers' answers, for several hosts; also SWEEPER_ANSWERS.  "
    "[default: a file in the workspace]",
)
def cli(workspace: Path, answers: str | None) -> None:
    """Hyperparameter sweeps for post-training research."""


@cli.command()
@study_file
@click.option("--trials", type=click.IntRange(min=1), help="Overrides the study's total.")
@click.option("--force", is_flag=True, help="Go on although the evaluation sees no training.")
def run(study_path: Path, trials: int | None, force: bool) -> None:
    """Run the study in STUDY_FILE to its total of trials; run it again to resume."""
    from rich.console import Console

    from sweeper.display import open_display, print_summary
    from sweeper.provenance import code_tags
    from sweeper.session import run_study
    from sweeper.slots import open_launcher

    console = Console()
    with open_display(console) as display:
        summary = run_study(
            study_path,
            workspace=_workspace(),
            open_launcher=open_launcher,
            progress=display,
            trials=trials,
            force=force,
            tags=code_tags(study_path),
        )
    print_summary(summary, console)
    raise SystemExit(summary.exit_code)


@cli.command()
@click.argument("study")
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True)
@click.option(
    "--format", "form", type=click.Choice(["html", "md"]), help="Only this; else both files."
)
@by_shots
def report(study: str, lang: "Language", form: str | None, by: str | None) -> None:
    """Write what STUDY means: is the winner one, and why."""
    from sweeper.reporting import write_report

    forms = (form,) if form is not None else ("html", "md")
    folder, workspace = _find(study), _workspace()
    for line in write_report(folder, language=lang, forms=forms, workspace=workspace, by=by):
        click.echo(line)


@cli.command()
@click.argument("study")
@click.argument("first")
@click.argument("second")
@click.option(
    "--questions", type=click.IntRange(min=0), default=10, show_default=True, help="To list."
)
def compare(study: str, first: str, second: str, questions: int) -> None:
    """Put two rows of STUDY side by side: 7, 7@2, best, baseline, start."""
    from sweeper.comparison import compare as compared
    from sweeper.comparison import comparison_text
    from sweeper.evidence import gather

    evidence = gather(_find(study))
    found = compared(evidence, first, second)
    click.echo(comparison_text(found, goal=evidence.config.goal, shown_flips=questions))


@cli.command("next")
@click.argument("study")
@click.option("--output", type=click.Path(path_type=Path), help="A file instead of the terminal.")
def next_command(study: str, output: Path | None) -> None:
    """Write the study file that the findings of STUDY suggest."""
    from sweeper.reporting import suggested_study

    text = suggested_study(_find(study))
    if output is None:
        click.echo(text, nl=False)
        return
    if output.exists():
        raise UsageError(f"{output} exists; choose another name")
    output.write_text(text)
    click.echo(f"wrote {output}; next: sweeper validate {output}")


@cli.command("import")
@study_file
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--from",
    "source",
    type=click.Choice(["table", "lab"]),
    default="table",
    help="`lab`: metrics files (.json) and the checkpoints that they measured.",
)
@click.option(
    "--set", "given", multiple=True, metavar="COLUMN=VALUE", help="What rows do not tell."
)
@click.option(
    "--same-evaluation", is_flag=True, help="Measured as the study measures: its sampler learns."
)
def import_command(
    study_path: Path,
    files: tuple[Path, ...],
    source: "Source",
    given: tuple[str, ...],
    same_evaluation: bool,
) -> None:
    """Take results that were measured elsewhere, in FILES, into the study of STUDY_FILE."""
    from sweeper.importing.study import assignments, import_results

    told = import_results(
        study_path,
        files,
        _workspace(),
        source=source,
        given=assignments(given),
        same_evaluation=same_evaluation,
    )
    for warning in told.warnings:
        click.echo(f"warning: {warning}", err=True)
    for line in told.lines:
        click.echo(line)


@cli.command()
@study_file
def validate(study_path: Path) -> None:
    """Check the study file, its data and the device, without writing anything."""
    from sweeper.validate import validate_study

    click.echo(validate_study(study_path, _workspace()))


@cli.command()
@study_file
@click.option("--cost", type=click.FloatRange(min=0), default=0.0, help="Seconds a reader call.")
def plan(study_path: Path, cost: float) -> None:
    """Show what the study would run: proposals, stages, reader calls. Writes nothing."""
    from sweeper.config import load_study
    from sweeper.importing.study import imported_results
    from sweeper.plan import plan_text
    from sweeper.slots import planned_slots

    config = load_study(study_path)
    slots, warning = planned_slots(config)
    if warning:
        click.echo(f"warning: {warning}", err=True)
    known = imported_results(_workspace().study(config.name), config)
    click.echo(plan_text(config, slots=slots, seconds_a_call=cost, known=known))


@cli.command()
def schema() -> None:
    """Print the JSON Schema of a study file, for editors."""
    from sweeper.schema import study_schema

    click.echo(json.dumps(study_schema(), indent=2))


@cli.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path), default="study.yaml")
@click.option(
    "--from-wandb",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A W&B sweep file to convert.",
)
def init(path: Path, from_wandb: Path | None) -> None:
    """Write a commented study file to PATH."""
    from sweeper.templates import study_template
    from sweeper.wandb import convert

    if from_wandb is None:
        text = study_template(path.stem, str(path))
    else:
        text = convert(_utf8(from_wandb), from_wandb)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageError(f"{path} exists; choose another name") from error
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    click.echo(f"wrote {path}; try `sweeper validate {shlex.quote(str(path))}`")


def _utf8(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        byte = path.read_bytes()[error.start]
        raise UsageError(f"{path}: byte {byte:#04x} is not UTF-8; save it as UTF-8") from error


@cli.command()
def ls() -> None:
    """List the studies of the workspace."""
    from sweeper.status import list_studies

    click.echo(list_studies(_workspace()))


@cli.command()
@study_name
@click.option("--json", "as_json", is_flag=True, help="An object for other programs.")
def status(study: str, as_json: bool) -> None:
    """Say how STUDY stands, from what its driver last wrote."""
    from sweeper.status import status_json, status_text, study_state

    state = study_state(_find(study))
    click.echo(json.dumps(status_json(state), indent=2) if as_json else status_text(state))


@cli.command()
@study_name
@click.argument("trial", type=TrialName())
def show(study: str, trial: str) -> None:
    """Show all that is known of one trial."""
    from sweeper.reading import show_trial

    click.echo(show_trial(_find(study), trial))


@cli.command()
@study_name
@click.argument("trial", type=click.IntRange(min=0))
@click.option("-f", "--follow", is_flag=True, help="Go on until the trial or its driver ends.")
def logs(study: str, trial: int, follow: bool) -> None:
    """Print what a trial printed."""
    from sweeper.reading import log_lines

    with contextlib.suppress(KeyboardInterrupt):  # the usual way to leave what is followed
        for text in log_lines(_find(study), trial, follow=follow):
            click.echo(text, nl=False)


@cli.command()
@by_shots
@study_name
def best(study: str, by: str | None) -> None:
    """Print the best trial of STUDY in a line."""
    from sweeper.best import best_trial
    from sweeper.export import configuration
    from sweeper.ranking import params_text, score_text
    from sweeper.reading import read_study

    folder = _find(study)
    config, records = read_study(folder)
    found = best_trial(folder, config, records, by=by)
    chosen = configuration(config, records, found)
    if found is not None and found.reason:
        click.echo(found.reason, err=True)
    score = score_text(chosen.score, config.goal)
    click.echo(f"trial {chosen.trial}: {score}  {params_text(chosen.params)}")


@cli.command()
@study_name
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="Settings.")
def confirm(study: str, top: int) -> None:
    """Score the best of STUDY, its baseline and its start on questions that selected nothing."""
    from sweeper.confirming import confirm_study
    from sweeper.slots import open_launcher

    done = confirm_study(
        _find(study),
        workspace=_workspace(),
        top=top,
        open_launcher=open_launcher,
        say=lambda line: click.echo(line, err=True),
    )
    click.echo("\n".join(done.lines))
    raise SystemExit(done.exit_code)


@cli.command()
@study_name
@click.option("--trial", type=TrialName(), help="Another trial than the best.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="yaml", show_default=True)
@click.option("--checkpoint", type=click.Path(path_type=Path), help="Also copy its weights here.")
@click.option(
    "--checkpoint-format",
    "checkpoint_form",
    type=click.Choice(["stage", "lab"]),
    default="stage",
    show_default=True,
    help="`lab`: both files that the lab's programs load, read back and compared.",
)
@click.option("--verify-with", help="A command that loads the lab's {checkpoint} in its own way.")
@click.option("--trial-dir", type=click.Path(path_type=Path), help="Also write a folder to rerun.")
@by_shots
@click.option("--all", "everything", is_flag=True, help="A CSV of all trials instead.")
def export(
    study: str,
    trial: str | None,
    form: "Format",
    checkpoint: Path | None,
    checkpoint_form: "CheckpointFormat",
    verify_with: str | None,
    trial_dir: Path | None,
    by: str | None,
    everything: bool,
) -> None:
    """Print the best configuration of STUDY."""
    from sweeper.best import best_trial
    from sweeper.export import all_trials, configuration, write_checkpoint, write_trial_folder
    from sweeper.reading import read_study

    if everything and (trial, checkpoint, trial_dir, by) != (None, None, None, None):
        raise UsageError("--all lists every trial; leave out --trial, --by and folders to write")
    if trial is not None and by is not None:
        raise UsageError("--by chooses the trial, and --trial names one; leave one out")
    if checkpoint_form == "lab" and checkpoint is None:
        raise UsageError("--checkpoint-format says how to write; add --checkpoint FOLDER")
    if verify_with is not None and checkpoint_form != "lab":
        raise UsageError("--verify-with checks the lab's form; add --checkpoint-format lab")
    folder = _find(study)
    config, records = read_study(folder)
    if everything:
        click.echo(all_trials(config, records), nl=False)
        return
    named = trial is not None
    found = None if named else best_trial(folder, config, records, by=by, count_ties=True)
    chosen = configuration(config, records, found, trial=trial)
    for line in found.lines if found is not None else ():
        click.echo(line, err=True)
    if checkpoint is not None:
        told = write_checkpoint(
            chosen, folder.stages, checkpoint, form=checkpoint_form, verify_with=verify_with
        )
        click.echo(told, err=True)
    if trial_dir is not None:
        write_trial_folder(chosen, trial_dir)
        command = f"python -m trainer run {shlex.quote(str(trial_dir))}"
        click.echo(f"wrote {trial_dir}; run it with `{command}`", err=True)
    click.echo(chosen.render(form))


@cli.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go, and how much.")
def gc(dry_run: bool) -> None:
    """Remove stages and scores that no study of the workspace needs."""
    from sweeper.gc import collect

    click.echo(collect(_workspace(), dry_run=dry_run))


@cli.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def ui(port: int) -> None:
    """Serve MLflow's pages of this workspace on 127.0.0.1."""
    from sweeper.status import study_links
    from sweeper.ui import free_port, serve_ui

    workspace = _workspace()
    chosen = free_port(port=port)
    if chosen != port:
        click.echo(f"port {port} is taken; listening on {chosen}")
    serve_ui(
        workspace.root,
        port=chosen,
        announce=lambda base_url: click.echo(study_links(workspace, base_url)),
    )
