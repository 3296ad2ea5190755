"""Commands about what a study has found."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sweeper.cli.group import TrialName, by_part, cli, find_study, open_workspace, study_name
from sweeper.errors import UsageError

if TYPE_CHECKING:
    from sweeper.findings.texts import Language
    from sweeper.results.export import CheckpointFormat, Format

FORMATS = ("yaml", "json", "env", "args", "shell")


@cli.command()
@by_part
@study_name
def best(study: str, by: str | None) -> None:
    """Print the best trial of STUDY in a line."""
    from sweeper.results.best import best_trial
    from sweeper.results.export import configuration
    from sweeper.store.reading import read_study
    from sweeper.words import params_text

    folder = find_study(study)
    config, records = read_study(folder)
    found = best_trial(folder, config, records, by=by)
    chosen = configuration(config, records, found)
    if found is not None and found.reason:
        click.echo(found.reason, err=True)
    score = config.scale.text(chosen.score)
    click.echo(f"trial {chosen.trial}: {score}  {params_text(chosen.params)}")


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
@by_part
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
    from sweeper.results.best import best_trial
    from sweeper.results.export import (
        all_trials,
        configuration,
        write_checkpoint,
        write_trial_folder,
    )
    from sweeper.store.reading import read_study

    if everything and (trial, checkpoint, trial_dir, by) != (None, None, None, None):
        raise UsageError("--all lists every trial; leave out --trial, --by and folders to write")
    if trial is not None and by is not None:
        raise UsageError("--by chooses the trial, and --trial names one; leave one out")
    if checkpoint_form == "lab" and checkpoint is None:
        raise UsageError("--checkpoint-format says how to write; add --checkpoint FOLDER")
    if verify_with is not None and checkpoint_form != "lab":
        raise UsageError("--verify-with checks the lab's form; add --checkpoint-format lab")
    folder = find_study(study)
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
        _, *words = chosen.training.command().argv
        command = shlex.join(["python", *words, str(trial_dir)])
        click.echo(f"wrote {trial_dir}; run it with `{command}`", err=True)
    click.echo(chosen.render(form))


@cli.command()
@study_name
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="Settings.")
def confirm(study: str, top: int) -> None:
    """Score the best of STUDY, its baseline and its start on questions that selected nothing."""
    from sweeper.running.confirming import confirm_study
    from sweeper.running.slots import open_launcher

    done = confirm_study(
        find_study(study),
        workspace=open_workspace(),
        top=top,
        open_launcher=open_launcher,
        say=lambda line: click.echo(line, err=True),
    )
    click.echo("\n".join(done.lines))
    raise SystemExit(done.exit_code)


@cli.command()
@study_name
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True)
@click.option(
    "--format", "form", type=click.Choice(["html", "md"]), help="Only this; else both files."
)
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), help="A folder for the files."
)
@by_part
def report(
    study: str, lang: "Language", form: str | None, output: Path | None, by: str | None
) -> None:
    """Write what STUDY means: is the winner one, and why."""
    from sweeper.report.writing import write_report

    forms = (form,) if form is not None else ("html", "md")
    folder, workspace = find_study(study), open_workspace()
    told = write_report(
        folder, language=lang, forms=forms, workspace=workspace, by=by, place=output
    )
    click.echo("\n".join(told))


@cli.command()
@study_name
@click.argument("first")
@click.argument("second")
@click.option(
    "--questions", type=click.IntRange(min=0), default=10, show_default=True, help="To list."
)
def compare(study: str, first: str, second: str, questions: int) -> None:
    """Put two rows of STUDY side by side: 7, 7@2, best, highest, baseline, start."""
    from sweeper.results.comparison import compare as compared
    from sweeper.results.comparison import comparison_text
    from sweeper.results.evidence import gather

    evidence = gather(find_study(study))
    found = compared(evidence, first, second)
    click.echo(comparison_text(found, evidence.config, shown_flips=questions))


@cli.command("next")
@study_name
@click.option("--output", type=click.Path(path_type=Path), help="A file instead of the terminal.")
def next_command(study: str, output: Path | None) -> None:
    """Write the study file that the findings of STUDY suggest."""
    from sweeper.report.writing import suggested_study

    text = suggested_study(find_study(study))
    if output is None:
        click.echo(text, nl=False)
        return
    if output.exists():
        raise UsageError(f"{output} exists; choose another name")
    output.write_text(text)
    click.echo(f"wrote {output}; next: sweeper validate {output}")
