"""How a database writes a prompt and its answer, as bytes: a key and a value.

A key is the reader's number, the query and its shots in their order, as they are and not hashed:
two prompts never share a row. A value carries a checksum of the key and of itself, so that a
flipped bit is asked again and never scored.
"""

import struct
import zlib

import numpy as np

from trainer.answers.store import Answer, Prompts

_VALUE = struct.Struct("<Iff")  # checksum of the key and all that follows, score, gt_prob


def row_keys(reader: int, prompts: Prompts) -> list[bytes]:
    """Four bytes each for reader, query and shots, so that a query's answers lie together."""
    parts = np.empty((len(prompts), prompts.shape[1] + 1), dtype=">u4")
    parts[:, 0] = reader
    parts[:, 1:] = prompts
    keys: list[bytes] = parts.view(f"V{4 * parts.shape[1]}").ravel().tolist()
    return keys


def row_value(key: bytes, answer: Answer) -> bytes:
    """The answer to the prompt of ``key``."""
    text = b"" if answer.text is None else b"\0" + answer.text.encode()
    content = _VALUE.pack(0, answer.score, answer.gt_prob)[4:] + text
    return zlib.crc32(key + content).to_bytes(4, "little") + content


def read_value(key: bytes, value: bytes) -> Answer | None:
    """Read a value; None where it is not what was written."""
    if len(value) < _VALUE.size:
        return None
    checksum, score, gt_prob = _VALUE.unpack_from(value)
    if zlib.crc32(key + value[4:]) != checksum:
        return None
    text = value[_VALUE.size + 1 :].decode() if len(value) > _VALUE.size else None
    return Answer(score, gt_prob, text)
