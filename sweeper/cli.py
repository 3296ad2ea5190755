"""The `sweeper` command: parse, call one function, print, exit code.

Exit codes: 0 all well, 1 some trials failed or the study cannot go on, 2 bad input, 130
interrupted. Imports of what takes time stand inside the commands: `sweeper --help` answers at once.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sweeper.errors import SweeperError

if TYPE_CHECKING:
    from sweeper.workspace import StudyFolder, Workspace

FORMATS = ("yaml", "json", "env", "args")

study_file = click.argument(
    "study_path",
    metavar="STUDY_FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
study_name = click.argument("study")


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Show SweeperError as one message; let every other exception keep its traceback."""
    try:
        yield
    except SweeperError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(error.exit_code) from error


def _workspace() -> "Workspace":
    from sweeper.workspace import Workspace

    return Workspace(click.get_current_context().find_root().params["workspace"])


def _find(study: str) -> "StudyFolder":
    return _workspace().find(study)


@click.group()
@click.version_option(package_name="sweeper")
@click.option(
    "--workspace",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    envvar="SWEEPER_HOME",
    help="Folder of sweeps/ and mlflow.db.  [default: the current folder]",
)
def cli(workspace: Path) -> None:
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
    with user_errors():
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
@study_file
def validate(study_path: Path) -> None:
    """Check the study file, its data and the device, without writing anything."""
    from sweeper.validate import validate_study

    with user_errors():
        click.echo(validate_study(study_path, _workspace()))


@cli.command()
@study_file
@click.option("--cost", type=click.FloatRange(min=0), default=0.0, help="Seconds a reader call.")
def plan(study_path: Path, cost: float) -> None:
    """Show what the study would run: proposals, stages, reader calls. Writes nothing."""
    from sweeper.plan import plan_text
    from sweeper.slots import slots_of

    with user_errors():
        from sweeper.config import load_study

        config = load_study(study_path)
        click.echo(plan_text(config, slots=slots_of(config), seconds_a_call=cost))


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
    from sweeper.errors import UsageError
    from sweeper.templates import study_template
    from sweeper.wandb import convert

    with user_errors():
        if path.exists():
            raise UsageError(f"{path} exists; choose another name")
        if from_wandb is None:
            text = study_template(path.stem, str(path))
        else:
            text = convert(from_wandb.read_text(), from_wandb)
        try:
            path.write_text(text)
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from error
    click.echo(f"wrote {path}; try `sweeper validate {path}`")


@cli.command()
def ls() -> None:
    """List the studies of the workspace."""
    from sweeper.status import list_studies

    with user_errors():
        click.echo(list_studies(_workspace()))


@cli.command()
@study_name
@click.option("--json", "as_json", is_flag=True, help="An object for other programs.")
def status(study: str, as_json: bool) -> None:
    """Say how STUDY stands, from what its driver last wrote."""
    from sweeper.status import status_json, status_text, study_state

    with user_errors():
        state = study_state(_find(study))
        click.echo(json.dumps(status_json(state), indent=2) if as_json else status_text(state))


@cli.command()
@study_name
@click.argument("trial", type=click.IntRange(min=0))
def show(study: str, trial: int) -> None:
    """Show all that is known of one trial."""
    from sweeper.reading import show_trial

    with user_errors():
        click.echo(show_trial(_find(study), trial))


@cli.command()
@study_name
@click.argument("trial", type=click.IntRange(min=0))
@click.option("-f", "--follow", is_flag=True, help="Go on as long as the driver works.")
def logs(study: str, trial: int, follow: bool) -> None:
    """Print what a trial printed."""
    from sweeper.reading import log_lines

    with user_errors(), contextlib.suppress(KeyboardInterrupt):
        for text in log_lines(_find(study), trial, follow=follow):
            click.echo(text, nl=False)


@cli.command()
@study_name
def best(study: str) -> None:
    """Print the best trial of STUDY in a line."""
    from sweeper.export import configuration
    from sweeper.ranking import params_text, per_cent
    from sweeper.reading import read_study

    with user_errors():
        chosen = configuration(*read_study(_find(study)))
    score = per_cent(chosen.score)
    click.echo(f"trial {chosen.trial}: {score} %  {params_text(chosen.params)}")


@cli.command()
@study_name
@click.option("--trial", type=click.IntRange(min=0), help="Another trial than the best.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="yaml", show_default=True)
@click.option("--checkpoint", type=click.Path(path_type=Path), help="Also copy its weights here.")
@click.option("--trial-dir", type=click.Path(path_type=Path), help="Also write a folder to rerun.")
@click.option("--all", "everything", is_flag=True, help="A CSV of all trials instead.")
def export(
    study: str,
    trial: int | None,
    form: str,
    checkpoint: Path | None,
    trial_dir: Path | None,
    everything: bool,
) -> None:
    """Print the best configuration of STUDY."""
    from sweeper.export import (
        Format,
        all_trials,
        configuration,
        write_checkpoint,
        write_trial_folder,
    )
    from sweeper.reading import read_study

    with user_errors():
        folder = _find(study)
        config, records = read_study(folder)
        if everything:
            click.echo(all_trials(config, records), nl=False)
            return
        chosen = configuration(config, records, trial=trial)
        if checkpoint is not None:
            write_checkpoint(chosen, folder.stages, checkpoint)
        if trial_dir is not None:
            write_trial_folder(chosen, trial_dir)
    forms: dict[str, Format] = {"yaml": "yaml", "json": "json", "env": "env", "args": "args"}
    click.echo(chosen.render(forms[form]))


@cli.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def ui(port: int) -> None:
    """Serve MLflow's pages of this workspace on 127.0.0.1."""
    from sweeper.status import study_links
    from sweeper.ui import free_port, serve_ui

    with user_errors():
        chosen = free_port(port=port)
        if chosen != port:
            click.echo(f"port {port} is taken; listening on {chosen}")
        serve_ui(
            _workspace().root,
            port=chosen,
            announce=lambda base_url: click.echo(study_links(_workspace(), base_url)),
        )
