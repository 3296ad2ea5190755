"""The group of all commands: its options, and how an error becomes a message and an exit code."""

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from sweeper.errors import SweeperError
from sweeper.words import plain

if TYPE_CHECKING:
    from sweeper.store.study_folder import StudyFolder
    from sweeper.store.workspace import Workspace

study_file = click.argument(
    "study_path",
    metavar="STUDY_FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
study_name = click.argument("study")
by_part = click.option(
    "--by", metavar="PART", help="By one part of the score alone, named as in `export --all`."
)


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
        except Exception as error:
            from sweeper.outcomes import FormatError  # pydantic; `--help` must not wait for it

            if isinstance(error, FormatError):
                _fail(f"Error: {error}", 1, error)
            raise


def _fail(message: str, exit_code: int, cause: BaseException) -> NoReturn:
    with contextlib.suppress(OSError):  # its terminal may be closed
        click.echo(plain(message), err=True)
    raise SystemExit(exit_code) from cause


def open_workspace() -> "Workspace":
    """The workspace that the options before the command name."""
    from sweeper.store.workspace import Workspace, checked_server

    given = click.get_current_context().find_root().params
    root: Path = given["workspace"]
    server: str | None = given["answers"]
    return Workspace(root.absolute(), None if server is None else checked_server(server))


def find_study(study: str) -> "StudyFolder":
    """The folder of a study of that workspace; an error says which studies there are."""
    return open_workspace().find(study)


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
    help="PostgreSQL database of the answers, for several hosts; also SWEEPER_ANSWERS.  "
    "[default: a file in the workspace]",
)
def cli(workspace: Path, answers: str | None) -> None:
    """Hyperparameter sweeps for post-training research."""
