"""Commands that look at a workspace and its studies, running or not, and tidy up."""

import contextlib
import json

import click

from sweeper.cli.group import TrialName, cli, find_study, open_workspace, study_name


@cli.command()
def ls() -> None:
    """List the studies of the workspace."""
    from sweeper.store.status import list_studies

    click.echo(list_studies(open_workspace()))


@cli.command()
@study_name
@click.option("--json", "as_json", is_flag=True, help="An object for other programs.")
def status(study: str, as_json: bool) -> None:
    """Say how STUDY stands, from what its driver last wrote."""
    from sweeper.store.status import status_json, status_text, study_state

    state = study_state(find_study(study))
    click.echo(json.dumps(status_json(state), indent=2) if as_json else status_text(state))


@cli.command()
@study_name
def stop(study: str) -> None:
    """Let the driver of STUDY finish the epochs in hand and leave, as Ctrl-C does; wait for it."""
    from sweeper.running.stopping import stop_driver

    with contextlib.suppress(KeyboardInterrupt):  # it was asked, and leaves unwatched as well
        stop_driver(find_study(study), say=click.echo)


@cli.command()
@study_name
@click.option("--drain", type=click.IntRange(min=1), help="Give so many back, with their jobs.")
@click.option("--add", type=click.IntRange(min=1), help="Take so many more.")
def slots(study: str, drain: int | None, add: int | None) -> None:
    """Say what the slots of STUDY do; give some back after the jobs in hand, or take more."""
    from sweeper.running.slot_changes import ask_driver
    from sweeper.store.slot_requests import SlotRequest

    request = SlotRequest(drain=drain or 0, add=add or 0)
    click.echo(ask_driver(find_study(study), request))


@cli.command()
@study_name
@click.argument("trials", nargs=-1, required=True, type=click.IntRange(min=0))
def cancel(study: str, trials: tuple[int, ...]) -> None:
    """End TRIALS of STUDY as they are: after the epoch in hand, for good; wait for it."""
    from sweeper.running.cancelling import cancel_trials

    with contextlib.suppress(KeyboardInterrupt):  # they were asked, and leave unwatched as well
        cancel_trials(find_study(study), trials, say=click.echo)


@cli.command()
@study_name
@click.argument("trials", nargs=-1, type=click.IntRange(min=0))
@click.option("--failed", "every_failed", is_flag=True, help="All that failed.")
@click.option("--class", "kind", metavar="CLASS", help="All that failed so, like `not_finite`.")
def retry(study: str, trials: tuple[int, ...], every_failed: bool, kind: str | None) -> None:
    """Let the next run of STUDY take on TRIALS that have failed, from their stages."""
    from sweeper.running.retrying import retry_trials

    opened = retry_trials(find_study(study), trials, every_failed=every_failed, kind=kind)
    names = ", ".join(map(str, opened))
    click.echo(f"`sweeper run` takes on: trials {names}" if opened else "no trial failed so")


@cli.command()
@study_name
@click.argument("trial", type=TrialName())
def show(study: str, trial: str) -> None:
    """Show all that is known of one trial."""
    from sweeper.store.reading import show_trial

    click.echo(show_trial(find_study(study), trial))


@cli.command()
@study_name
@click.argument("trial", type=click.IntRange(min=0))
@click.option("-f", "--follow", is_flag=True, help="Go on until the trial or its driver ends.")
def logs(study: str, trial: int, follow: bool) -> None:
    """Print what a trial printed."""
    from sweeper.store.reading import log_lines

    with contextlib.suppress(KeyboardInterrupt):  # the usual way to leave what is followed
        for text in log_lines(find_study(study), trial, follow=follow):
            click.echo(text, nl=False)


@cli.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def ui(port: int) -> None:
    """Serve MLflow's pages of this workspace on 127.0.0.1."""
    from sweeper.cli.ui import free_port, serve_ui
    from sweeper.store.status import study_links

    workspace = open_workspace()
    chosen = free_port(port=port)
    if chosen != port:
        click.echo(f"port {port} is taken; listening on {chosen}")
    serve_ui(
        workspace.root,
        port=chosen,
        announce=lambda base_url: click.echo(study_links(workspace, base_url)),
    )


@cli.command()
@study_name
def repair(study: str) -> None:
    """Rebuild what STUDY has lost of study.db and MLflow. Runs no trial."""
    from sweeper.running.repairing import repair_study

    repair_study(find_study(study), workspace=open_workspace(), say=click.echo)


@cli.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go, and how much.")
def gc(dry_run: bool) -> None:
    """Remove stages and scores that no study of the workspace needs."""
    from sweeper.store.gc import collect

    click.echo(collect(open_workspace(), dry_run=dry_run))
