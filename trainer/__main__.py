"""The trainer's commands: `python -m trainer run | serve | check | evaluate | ...`.

run DIR              work through a trial folder, on any machine
serve                a warm worker: one folder a line on stdin, one event a line on stdout
check SPEC           can this spec be trained here? prints what determines its stages
evaluate STAGE       score a finished stage on other questions
export-checkpoint    write a stage in the lab's forms, and prove that it is the same policy
describe-checkpoint  say what checkpoints are, as JSON
check-reference FILE compare the mathematics with numbers that the lab's code computed
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from trainer.errors import InputError, TrainerError
from trainer.evaluation_batch import LAID_OUT, SMALLEST, set_evaluation_batch


class Commands(click.Group):
    """Commands that say what they can foresee in one message; what they cannot is a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command and turn its error into a message."""
        try:
            return super().invoke(ctx)
        except TrainerError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Commands, help=__doc__.splitlines()[0] if __doc__ else None)
def main() -> None:
    """Set what must be set before torch is imported."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # for deterministic algorithms


def _evaluates_at_a_time(
    context: click.Context, parameter: click.Parameter, questions: int
) -> None:
    set_evaluation_batch(questions)


sparing = click.option(
    "--evaluation-batch", type=click.IntRange(SMALLEST, LAID_OUT), default=LAID_OUT,
    show_default=True, expose_value=False, callback=_evaluates_at_a_time,
    help="Questions that are evaluated at a time; fewer take less memory and give the same scores.",
)  # fmt: skip


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@sparing
def run(folder: Path) -> None:
    """Work through the trial folder FOLDER; its trial.json holds the job."""
    from trainer.contract import RESULT, STOP, WAITING
    from trainer.jobs.run import InputCache, run_folder

    status = run_folder(folder.resolve(), InputCache())
    if status in ("failed", "broken"):  # and has said why
        raise SystemExit(1)
    if status == "stopped":
        click.echo(f"stopped after an epoch because {folder / STOP} exists; without it, it goes on")
        return
    if status == "waiting":
        stage = json.loads((folder / WAITING).read_text())["stage"]
        click.echo(f"another job is making stage {stage} of this one; run again when it is done")
        raise SystemExit(1)
    click.echo(_summary(json.loads((folder / RESULT).read_text())))


@main.command()
@sparing
def serve() -> None:
    """Read one folder a line on stdin, say one event a line on stdout."""
    from trainer.jobs.serve import serve as serve_stdin

    serve_stdin(sys.stdin)


@main.command()
@click.argument("spec", type=click.File())
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
def check(spec: Any, device: str) -> None:
    """Check that the spec in the JSON file SPEC (- for stdin) can be trained on this machine."""
    from trainer.jobs.check import check_spec

    try:
        payload = json.load(spec)
    except ValueError as error:
        raise InputError(f"{spec.name} is not JSON: {error}") from error
    report = check_spec(payload, device=device)
    click.echo(json.dumps(report, indent=2, sort_keys=True))
    if report["problems"]:
        raise SystemExit(1)


@main.command()
@click.argument("stage", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--trial", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True,
    help="A trial folder whose trial.json names task and policy.",
)  # fmt: skip
@click.option("--split", type=click.Choice(["select", "holdout"]), default="holdout")
@click.option("--questions", type=click.IntRange(1, 800), default=800, show_default=True)
def evaluate(stage: Path, trial: Path, split: str, questions: int) -> None:
    """Score the finished stage in the folder STAGE on other questions."""
    from trainer.jobs.check import evaluate_finished

    click.echo(json.dumps(evaluate_finished(stage, trial, split=split, questions=questions)))


@main.command("export-checkpoint")
@click.argument("stage", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--verify-with", help="The lab's own loader; {checkpoint} is the file to load.")
def export_checkpoint(stage: Path, out: Path, verify_with: str | None) -> None:
    """Write the finished stage in the folder STAGE into the folder OUT, in the lab's forms."""
    from trainer.lab.export import export_stage

    for path, difference in export_stage(stage, out, verify_with=verify_with).items():
        click.echo(f"{path}: nothing missing or unexpected, logits {difference:.1e} apart at most")


@main.command("describe-checkpoint")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def describe_checkpoint(files: tuple[Path, ...]) -> None:
    """Say what the checkpoints in FILES are: phase, epoch, kl_beta, variant, sizes; as JSON."""
    from trainer.lab.description import describe_checkpoints

    told = describe_checkpoints(files)
    click.echo(json.dumps(told, indent=2, allow_nan=False))
    if any("problem" in entry for entry in told):
        raise SystemExit(1)


@main.command("check-reference")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check_reference(file: Path) -> None:
    """Compare policy, losses, schedules and rewards with the numbers in FILE."""
    from trainer.lab.reference import check_reference as deviations_of
    from trainer.lab.reference import deviation_table, within_tolerance

    deviations = deviations_of(file)
    click.echo(deviation_table(deviations))
    if not within_tolerance(deviations):
        raise SystemExit(1)


def _summary(result: dict[str, Any]) -> str:
    if "controls" in result:
        rows = [f"{name:8} {entry['score']:.4f}" for name, entry in result["controls"].items()]
        return "\n".join([*rows, f"alive    {result['liveness']['alive']}"])
    shots = ", ".join(f"{s}: {100 * a:.1f}" for s, a in result["accuracy"].items())
    return f"score {result['score']!r} (per cent by shots {shots})"


if __name__ == "__main__":
    main()
