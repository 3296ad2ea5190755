"""What a report is made of, whatever it is rendered as."""

from collections.abc import Sequence
from dataclasses import dataclass

from sweeper.findings.texts import Language
from sweeper.report.figures import Figure


@dataclass(frozen=True, slots=True)
class Heading:
    """Of a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    text: str
    level: str = ""  # of a finding: alarm, warning, note
    title: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells below a header: first labels, then numbers."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    labels: int = 1  # columns of them


@dataclass(frozen=True, slots=True)
class Code:
    """Text that is shown as it is."""

    text: str


Block = Heading | Paragraph | Table | Code | Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A report, whatever it is rendered as."""

    language: Language
    title: str
    subtitle: str
    blocks: Sequence[Block]
    figures: str = "figures"  # folder of the pictures, beside the Markdown form
