"""The report of a study: what its scores prove, what was found, how it was measured.

texts.py      every phrase, in English and Chinese
blocks.py     what a page is made of
page.py       evidence to a page: its order, and the verdict
tables.py     tables
figures.py    pictures, as SVG
numbers.py    how numbers are written
rendering.py  a page as HTML or Markdown
"""

__all__ = ["writing"]  # what other wings may import
