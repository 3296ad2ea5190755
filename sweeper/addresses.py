"""Addresses of servers and databases: whether one holds a password, and how it may be shown. Pure.

A password in an address would end in messages, in databases and in what is uploaded to MLflow;
those who need one have other places for it.
"""

import re
from urllib.parse import unquote

HIDDEN = "***"
PLACES = (  # where passwords belong
    "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, hold it for "
    "a server; ~/.pgpass or PGPASSWORD for a PostgreSQL database"
)
_OF_USER = re.compile(r"""(://[^\s/?#:@"',]*):(?!\d{1,5}[/?#])[^\s"']*@""")
"""`user:password@`; a password may hold an @ or a slash itself, and a port is none."""
_IN_OPTIONS = re.compile(
    r"""([?&;][^\s=&;"']*(?:password|passwd|pwd|secret|token|api_?key)[^\s=&;"']*=)[^\s&;"']+""",
    re.IGNORECASE,
)
_ODBC = re.compile(r"""(odbc_connect=)[^\s&"']+""", re.IGNORECASE)  # options within an option


def has_password(address: str) -> bool:
    """Whether an address holds a password, before its host or among its options."""
    forms = (address, unquote(address))
    return any(pattern.search(form) for pattern in (_OF_USER, _IN_OPTIONS) for form in forms)


def masked(text: str) -> str:
    """The text with `***` in place of every password in its addresses."""
    text = _OF_USER.sub(rf"\1:{HIDDEN}@", text)
    for pattern in (_IN_OPTIONS, _ODBC):
        text = pattern.sub(rf"\1{HIDDEN}", text)
    return text
