"""The report of a study: what its scores prove, what was found, how it was measured.

texts.py      every phrase, in English and Chinese
page.py       evidence to a page: headings, sentences, tables, figures
figures.py    pictures, as SVG
rendering.py  a page as HTML or Markdown
"""
