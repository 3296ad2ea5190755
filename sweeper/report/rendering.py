"""A page as HTML, whole in one file, or as Markdown with its figures beside it.

What comes from outside is escaped.
"""

import re
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from sweeper.report.blocks import Block, Code, Heading, Page, Paragraph, Table
from sweeper.report.figures import Figure


def html(page: Page) -> str:
    """One page that opens offline and prints."""
    environment = Environment(
        loader=PackageLoader("sweeper.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    blocks = [(type(block).__name__, block) for block in page.blocks]
    return environment.get_template("report.html.jinja").render(page=page, blocks=blocks)


def markdown(page: Page) -> str:
    """The same in Markdown; its figures are in a folder beside it."""
    parts = [
        f"# {page.title}",
        page.subtitle,
        *(_markdown(block, page.figures) for block in page.blocks),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def figure_files(page: Page) -> dict[str, str]:
    """The figures as files that the Markdown form names."""
    pictures = [block for block in page.blocks if isinstance(block, Figure)]
    return {f"{page.figures}/{picture.name}.svg": picture.svg for picture in pictures}


def _markdown(block: Block, figures: str) -> str:
    match block:
        case Heading(text):
            return f"## {text}"
        case Paragraph(text, _, title):
            return f"**{title}** {text}" if title else text
        case Code(text):
            return f"```yaml\n{text.rstrip()}\n```"
        case Figure(name, caption, _):
            return f"![{_cell(caption)}]({quote(figures)}/{quote(name)}.svg)"
        case Table(header, rows):
            lines = [header, ["---"] * len(header), *rows]
            return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")
