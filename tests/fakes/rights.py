"""Being somebody who may not write everywhere."""

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def without_rights() -> Iterator[None]:
    """Give up root's rights, if they are there, for as long as the block lasts."""
    own = os.geteuid()
    if own == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(own)
