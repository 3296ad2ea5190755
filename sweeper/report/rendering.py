"""A page as HTML, whole in one file, or as Markdown. What comes from outside is escaped."""

import base64
import re

from jinja2 import Environment, PackageLoader, StrictUndefined

from sweeper.report.figures import Figure
from sweeper.report.page import Block, Code, Heading, Page, Paragraph, Table


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
    """The same in Markdown, its pictures within."""
    parts = [f"# {page.title}", page.subtitle, *(_markdown(block) for block in page.blocks)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {text}"
        case Paragraph(text, _, title):
            return f"**{title}** {text}" if title else text
        case Code(text):
            return f"```yaml\n{text.rstrip()}\n```"
        case Figure(caption, svg):
            data = base64.b64encode(svg.encode()).decode()
            return f"![{_cell(caption)}](data:image/svg+xml;base64,{data})"
        case Table(header, rows):
            lines = [header, ["---"] * len(header), *rows]
            return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")
