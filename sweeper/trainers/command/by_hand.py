"""The programs of one trial as a person calls them: arguments, variables, and lines for a shell.

`${trial.dir}` is the folder `out`, where the program runs. A variable of the driver's environment
(`${env:TOKEN}`) stays a reference: what it holds is nobody's to print.
"""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sweeper.errors import UsageError
from sweeper.trainers.command.configs import ConfigFile, ConfigFileError, written
from sweeper.trainers.command.macros import ENVIRONMENT, MacroError, Macros
from sweeper.trainers.command.spec import CommandSpec
from sweeper.trainers.command.told import PARAMS, macros_of
from sweeper.trainers.command.training import CommandTraining
from sweeper.trainers.protocol import ByHand

OUT = Path("out")  # in place of the trial's folder
END = "END_OF_CONFIG"
_REFERENCE = re.compile(r"\$\{env:(\w+)\}")


def by_hand(training: CommandTraining, *, study: str, trial: str, device: str) -> ByHand:
    """What runs the training once more outside of the study.

    Args:
        training: With its values.
        study: Its name, for `${study.name}`.
        trial: Its name, for `${trial.id}`.
        device: Kind that trained it; a GPU is taken to be number 0.

    Raises:
        UsageError: where a macro stands for nothing, or a config file's base is gone.
    """
    spec = training.spec
    job = {"device": device, "below": str(training.below.absolute())}
    macros = macros_of(spec, job, OUT)
    named = {"study.name": study, "trial.id": trial, "interpreter": "python"}
    macros = replace(macros, own={**macros.own, **named}, environment=_References())
    cwd = training.below.absolute() / macros.text(spec.cwd)
    told = {"SWEEPER_PARAMS": str(OUT / PARAMS), "SWEEPER_SEED": str(spec.seed)}
    try:
        steps = [
            {
                "step": step.name,
                "cwd": str(cwd),
                "env": {name: macros.text(v) for name, v in {**spec.env, **step.env}.items()}
                | told,
                "argv": macros.arguments(step.command),
            }
            for step in spec.all_steps
        ]
        lines = [
            f"cd {shlex.quote(str(cwd))}",
            f"mkdir -p {OUT}",
            f"echo {shlex.quote(json.dumps(dict(spec.params)))} > {OUT / PARAMS}",
            *_config_lines(spec, macros, cwd),
        ]
    except (MacroError, ConfigFileError) as error:
        raise UsageError(f"trial {trial} cannot be called by hand: {error}") from error
    if spec.env_file is not None:
        lines += ["set -a", f". {_quoted(macros.text(spec.env_file))}", "set +a"]
    for step in steps:
        env, argv = step["env"], step["argv"]
        assert isinstance(env, dict), "as made above"
        assert isinstance(argv, list), "as made above"
        words = [f"{name}={_quoted(value)}" for name, value in env.items()]
        lines.append(" ".join([*words, *map(_quoted, argv)]))
    return ByHand(steps, "\n".join(lines))


def _config_lines(spec: CommandSpec, macros: Macros, cwd: Path) -> Iterator[str]:
    for config in spec.configs:
        filled = ConfigFile.model_validate(macros.value(config.model_dump(by_alias=True)))
        text = written(filled, below=cwd)
        yield f"mkdir -p {shlex.quote(str(Path(filled.to).parent))}"
        yield f"cat > {shlex.quote(filled.to)} <<'{END}'\n{text.rstrip()}\n{END}"


def _quoted(text: str) -> str:
    """A word of a shell that is this text, where references are the shell's own."""
    found = _REFERENCE.split(text)
    words = (
        f'"${{{part}}}"' if number % 2 else shlex.quote(part)
        for number, part in enumerate(found)
        if part
    )
    return "".join(words) or "''"


class _References(dict[str, str]):
    """An environment in which every variable is there, and holds the reference to itself."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return f"${{{ENVIRONMENT}{name}}}"
