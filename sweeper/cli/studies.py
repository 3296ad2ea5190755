"""Commands that begin with a study file."""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sweeper.cli.group import cli, open_workspace, study_file
from sweeper.errors import UsageError

if TYPE_CHECKING:
    from sweeper.importing.study import Source


class _WithProgram(click.Command):
    """A command whose `--command` takes all that stands behind `--`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--command" in args:
            place = args.index("--") if "--" in args else len(args)
            ctx.obj = tuple(args[place + 1 :])
            args = args[:place]
        return super().parse_args(ctx, args)


@cli.command(cls=_WithProgram)
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path), default="study.yaml")
@click.option(
    "--from-wandb",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A W&B sweep file to convert.",
)
@click.option(
    "--command",
    "of_program",
    is_flag=True,
    help="For the call of a program behind `--`: its options are searched.",
)
@click.pass_obj
def init(
    program: tuple[str, ...] | None, path: Path, from_wandb: Path | None, of_program: bool
) -> None:
    """Write a commented study file to PATH.

    \b
    sweeper init my_lr.yaml --command -- python train.py --lr 1e-4 --epochs 3
    """
    from sweeper.study.from_command import study_of_command
    from sweeper.study.template import study_template
    from sweeper.study.wandb import convert

    warnings: tuple[str, ...] = ()
    if from_wandb is not None and of_program:
        raise UsageError("`--from-wandb` and `--command` exclude each other; leave one out")
    if from_wandb is not None:
        text, warnings = convert(_utf8(from_wandb), from_wandb)
    elif of_program:
        here = os.path.relpath(Path.cwd(), path.parent.absolute())
        text = study_of_command(program or (), name=path.stem, cwd=here)
    else:
        text = study_template(path.stem, str(path))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageError(f"{path} exists; choose another name") from error
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"wrote {path}; try `sweeper validate {shlex.quote(str(path))}`")


def _utf8(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        byte = path.read_bytes()[error.start]
        raise UsageError(f"{path}: byte {byte:#04x} is not UTF-8; save it as UTF-8") from error


@cli.command()
def schema() -> None:
    """Print the JSON Schema of a study file, for editors."""
    from sweeper.study.schema import study_schema

    click.echo(json.dumps(study_schema(), indent=2))


@cli.command()
@study_file
def validate(study_path: Path) -> None:
    """Check the study file, its data and the device, without writing anything."""
    from sweeper.running.preflight import validate_study

    click.echo(validate_study(study_path, open_workspace()))


@cli.command()
@study_file
@click.option(
    "--cost",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Seconds that each call takes.",
)
def plan(study_path: Path, cost: float) -> None:
    """Show what the study would run: proposals, stages, calls. Writes nothing."""
    from sweeper.importing.study import imported_results
    from sweeper.running.slots import planned_slots
    from sweeper.search.plan import plan_text
    from sweeper.study.config import load_study

    config = load_study(study_path)
    slots, warning = planned_slots(config)
    if warning:
        click.echo(f"warning: {warning}", err=True)
    known = imported_results(open_workspace().study(config.name), config)
    click.echo(plan_text(config, slots=slots, seconds_a_call=cost, known=known))


@cli.command()
@study_file
@click.option("--trials", type=click.IntRange(min=1), help="Overrides the study's total.")
@click.option("--force", is_flag=True, help="Go on although the evaluation sees no training.")
def run(study_path: Path, trials: int | None, force: bool) -> None:
    """Run the study in STUDY_FILE to its total of trials; run it again to resume."""
    from sweeper.cli.display import open_console, open_display, print_summary
    from sweeper.running.interrupts import ignore_further_signals
    from sweeper.running.session import run_study
    from sweeper.running.slots import open_launcher
    from sweeper.store.provenance import code_tags

    console = open_console(sys.stdout)
    with open_display(console) as display:
        summary = run_study(
            study_path,
            workspace=open_workspace(),
            open_launcher=open_launcher,
            progress=display,
            trials=trials,
            force=force,
            tags=code_tags(study_path),
        )
    if summary.interrupted:
        ignore_further_signals()
    print_summary(summary, console)
    raise SystemExit(summary.exit_code)


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
        open_workspace(),
        source=source,
        given=assignments(given),
        same_evaluation=same_evaluation,
    )
    for warning in told.warnings:
        click.echo(f"warning: {warning}", err=True)
    for line in told.lines:
        click.echo(line)
