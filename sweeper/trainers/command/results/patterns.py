"""Regular expressions for lines of output, and what is worked out from one before any line comes.

An empty group, `loss=(?P<loss>)`, takes any number: with a sign, an exponent, nan, inf. Knows no
streams.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

NUMBER = r"[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|(?i:nan|inf(?:inity)?))"
NUMERIC = re.compile(r"[+-]?(?:\.?\d|nan\b|inf)", re.IGNORECASE)  # how a number begins
SHORT = 400  # characters of a line that may be a miss: looking for one takes the square in time
GROUP = re.compile(r"\(\?P<(\w+)>")
TOKEN = re.compile(
    r"\\(?:x..|u.{4}|U.{8}|N\{[^}]*\}|\d+|.)"  # what a backslash begins
    r"|\[\^?\]?(?:\\.|[^\]\\])*\]"  # a class of characters
    r"|\(\?P<\w+>|\{\d*,?\d*\}|.",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class LinePattern:
    """One pattern, ready for many lines."""

    text: str  # as the study file has it
    exact: re.Pattern[str]
    alike: re.Pattern[str] | None  # the same with groups that take any word
    literal: str  # every line that matches has it; empty where that is not known

    def texts(self, line: str) -> dict[str, str] | None:
        """What stands in its groups, by their names; None where the line does not match."""
        found = self.exact.search(line)
        if found is None:
            return None
        return {name: text for name, text in found.groupdict().items() if text}

    def misses(self, line: str) -> bool:
        """Whether a line that does not match has numbers in all places where groups are.

        A negative number that `[0-9.]+` cannot take is such a miss; a line of column names, or one
        without any of the pattern's text, is none.
        """
        if self.alike is None or len(line) > SHORT:
            return False
        found = self.alike.search(line)
        return found is not None and all(map(NUMERIC.match, found.groupdict(default="").values()))


def line_pattern(text: str) -> LinePattern:
    """Work out a pattern that has no problem."""
    expanded = _expanded(text)
    try:
        alike = re.compile(_loosened(expanded))
    except re.error:  # it refers to a group that is gone
        alike = None
    return LinePattern(text, re.compile(expanded), alike, _literal(expanded))


def pattern_problem(text: str) -> str | None:
    """What is wrong with a pattern; None where nothing is."""
    try:
        re.compile(_expanded(text))
    except re.error as error:
        return f"must be a regular expression: {error}"
    return None


def pattern_names(text: str) -> tuple[str, ...]:
    """Names of its groups, each once."""
    return tuple(dict.fromkeys(GROUP.findall(text)))


def _expanded(text: str) -> str:
    return re.sub(r"\(\?P<(\w+)>\)", lambda found: f"{found[0][:-1]}{NUMBER})", text)


def _loosened(text: str) -> str:
    """The pattern with `\\S+` in each named group."""
    out: list[str] = []
    skipped = 0  # depth within a named group
    for token in TOKEN.findall(text):
        opens = token.startswith("(")
        if skipped:
            skipped += opens - (token == ")")
            out += [] if skipped else [r"\S+)"]
        else:
            skipped = 1 if GROUP.match(token) else 0
            out.append(token)
    return "".join(out)


def _literal(text: str) -> str:
    """The longest text that every match has, as far as the top level of the pattern says."""
    flags = re.match(r"\(\?([a-zA-Z]+)\)", text)
    if flags is not None and set("ixIX") & set(flags[1]):
        return ""
    runs = list(_runs(text))
    return "" if None in runs else max((run for run in runs if run), key=len, default="")


def _runs(text: str) -> Iterator[str | None]:
    """Texts that stand outside of groups; None where they are alternatives."""
    run, depth = "", 0
    for token in TOKEN.findall(text):
        if depth or token.startswith("("):
            yield run
            run = ""
            depth += token.startswith("(") - (token == ")")
        elif token == "|":
            yield None
        elif token in ("*", "?") or (token.startswith("{") and len(token) > 1):
            yield run[:-1]  # what it repeats may be missing
            run = ""
        elif token in ("+", ".", "^", "$") or token.startswith("[") or token[1:].isalnum():
            yield run
            run = ""
        else:
            run += token.removeprefix("\\")
    yield run
