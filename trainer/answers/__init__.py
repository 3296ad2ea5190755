"""Every answer that a reader has ever given: looked up before anyone is asked, kept afterwards.

    store.py      what every store offers
    rows.py       how a prompt and its answer are written
    file.py       one SQLite file: the processes of one host
    appended.py   files that only grow, merged now and then: many hosts, one network file system
    server.py     a PostgreSQL server: many hosts

Knows no reader, no task and no torch.
"""

from trainer.answers.opening import open_answers
from trainer.answers.store import Answer, AnswerStore, Prompts

__all__ = ["Answer", "AnswerStore", "Prompts", "open_answers"]
