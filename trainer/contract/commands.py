"""The arguments of a command in a study file: which of them are files beside it, and which lack."""

import shutil
from collections.abc import Sequence
from pathlib import Path

SCRIPTS = (".bash", ".jl", ".js", ".pl", ".py", ".r", ".rb", ".sh")  # what ends so must be there


def placed_arguments(command: Sequence[str], folder: Path) -> list[str]:
    """The arguments, each that is a file below ``folder`` with its whole path; a program that is on
    the PATH is none.
    """
    folder = folder.absolute()
    on_path = {name for name in command[:1] if "/" not in name and shutil.which(name)}
    return [
        str(folder / argument)
        if _is_file(folder / argument) and not (index == 0 and argument in on_path)
        else argument
        for index, argument in enumerate(command)
    ]


def missing_files(command: Sequence[str], folder: Path) -> list[str]:
    """What is wrong with the program and the scripts that a command names; nothing where all is
    there.
    """
    program, *arguments = placed_arguments(command, folder)
    here = f"in {folder.absolute()}"
    problems = []
    if shutil.which(program) is None or ("/" in program and not Path(program).is_absolute()):
        problems.append(f"{program!r} is no program on the PATH, and no executable file {here}")
    problems += [
        f"{argument!r} is no file {here}"
        for argument in arguments
        if _is_script(argument) and not (Path(argument).is_absolute() and _is_file(Path(argument)))
    ]
    return problems


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long for a name, or with a null byte
        return False


def _is_script(argument: str) -> bool:
    named = argument.startswith("-") or "{" in argument
    return not named and argument.lower().endswith(SCRIPTS)
