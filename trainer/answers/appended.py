"""The answers of a workspace on a network file system, where SQLite may have one writer at most.

    answers.db                merged answers; never changed, only replaced by a longer one
    answers.db.<name>.added   what one process has added since, a line an answer

A process appends to a file of its own, which it keeps locked, and reads those of all others. Who
opens the store merges the files of processes that have ended, under a lock: no one has to be asked
to. A line that is torn or damaged is no answer. Of two processes that are asked the same thing at
the same moment each keeps what it was told, until the merge takes the file first by name.
"""

import contextlib
import errno
import fcntl
import json
import math
import os
import secrets
import shutil
import socket
import zlib
from collections.abc import Iterator, Mapping, Sequence
from io import FileIO
from pathlib import Path

import filelock
import numpy as np

from trainer.answers.file import LOCKED_SECONDS, AnswerFile
from trainer.answers.store import Answer, Prompts
from trainer.contract import sync_folder
from trainer.errors import AnswersError

ADDED = ".added"
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)

Rows = dict[tuple[str, tuple[int, ...]], Answer]  # by reader and prompt


class AppendedAnswers:
    """An `AnswerStore` of files beside ``path``, which holds what is merged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own: FileIO | None = None
        self._own_path = _own_path(path)
        self._read: dict[str, int] = {}  # bytes of each file that were read
        self._rows: Rows = {}  # all that was added since this process has the store open
        self._merged: AnswerFile | None = None
        self._identity: tuple[int, ...] | None = None  # of the merged file that is open
        with self._told():
            path.parent.stat()  # a lock would make the folder
            _merge_ended(path)
            self._catch_up()

    def close(self) -> None:
        """Let go of the files; see `AnswerStore`."""
        if self._own is not None:
            self._own.close()
        if self._merged is not None:
            self._merged.close()

    def look_up(self, reader: str, prompts: Prompts) -> list[Answer | None]:
        """The answers that are known; see `AnswerStore`."""
        found = self._known(reader, prompts)
        if None not in found:
            return found
        with self._told():
            self._catch_up()
        return self._known(reader, prompts)

    def add(self, reader: str, prompts: Prompts, answers: Sequence[Answer]) -> None:
        """Keep answers; see `AnswerStore`."""
        with self._told():
            self._catch_up()
            known = self._known(reader, prompts)
            rows: Rows = {}
            for prompt, former, answer in zip(prompts.tolist(), known, answers, strict=True):
                if former is None:
                    rows.setdefault((reader, tuple(prompt)), _rounded(answer))
            if rows:
                self._append(rows)
                self._rows |= rows

    def __len__(self) -> int:
        """How many answers there are."""
        with self._told():
            self._catch_up()
        if self._merged is None:
            return len(self._rows)
        further = (
            self._merged.look_up(reader, prompts).count(None)
            for reader, prompts, _ in _by_shape(self._rows)
        )
        return len(self._merged) + sum(further)

    def _known(self, reader: str, prompts: Prompts) -> list[Answer | None]:
        return [
            self._rows.get((reader, tuple(prompt))) if answer is None else answer
            for prompt, answer in zip(
                prompts.tolist(), self._known_merged(reader, prompts), strict=True
            )
        ]

    def _known_merged(self, reader: str, prompts: Prompts) -> list[Answer | None]:
        if self._merged is None:
            return [None] * len(prompts)
        try:
            return self._merged.look_up(reader, prompts)
        except AnswersError:  # another host has replaced the file, and it is gone from the server
            self._identity = None
            self._catch_up()
            return self._merged.look_up(reader, prompts)

    def _catch_up(self) -> None:
        """Read what others have added; then the merged file, where it is another.

        In this order: a file that vanished meanwhile is in the merged one.
        """
        for path in _added(self._path):
            if path != self._own_path:
                with contextlib.suppress(FileNotFoundError):
                    self._read_on(path)
        identity = _identity(self._path)
        if identity not in (None, self._identity):
            fresh = _open_merged(self._path)
            if self._merged is not None:
                self._merged.close()
            self._merged, self._identity = fresh, identity

    def _read_on(self, path: Path) -> None:
        with path.open("rb") as file:  # opened anew: else a network file system shows old content
            file.seek(self._read.get(path.name, 0))
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._read[path.name] = self._read.get(path.name, 0) + len(whole)
        for key, answer in rows_of(whole).items():
            self._rows.setdefault(key, answer)

    def _append(self, rows: Rows) -> None:
        if self._own is None:
            self._own = _locked_file(self._own_path)
        lines = [_line(reader, prompt, answer) for (reader, prompt), answer in rows.items()]
        content = memoryview(b"\n" + b"".join(lines))  # a line that a full disk tore ends here
        while content:
            content = content[self._own.write(content) :]
        os.fsync(self._own.fileno())

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn the system's refusals into one message that says what to do."""
        try:
            yield
        except filelock.Timeout as error:
            raise AnswersError(
                f"{self._path}: the answer store: another program has mended it for "
                f"{LOCKED_SECONDS:.0f} s; see that it goes on, and run again"
            ) from error
        except OSError as error:
            advice = _ADVICE.get(error.errno or 0, "make sure that the file system can be used")
            raise AnswersError(f"{self._path}: the answer store: {error}; {advice}") from error


_ADVICE: Mapping[int, str] = {
    errno.ENOSPC: "free some space on the disk",
    errno.EDQUOT: "free some space: the quota is used up",
    errno.ENOENT: "make sure that its folder exists",
    **dict.fromkeys(_READ_ONLY, "make its folder writable"),
}


def _added(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.*{ADDED}"))


def _identity(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _own_path(path: Path) -> Path:
    process = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    return path.with_name(f"{path.name}.{process}{ADDED}")


def _locked_file(path: Path) -> FileIO:
    """Make a file, locked before it has the name under which a merge finds it."""
    part = path.with_name(f"{path.name}.part")
    file = FileIO(part, "a")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    part.rename(path)
    return file


def _line(reader: str, prompt: tuple[int, ...], answer: Answer) -> bytes:
    score, gt_prob = (None if math.isnan(value) else value for value in answer[:2])
    content = json.dumps([reader, prompt, score, gt_prob, answer.text], separators=(",", ":"))
    return b"%08x %s\n" % (zlib.crc32(content.encode()), content.encode())


def rows_of(content: bytes) -> Rows:
    """Read whole lines; what does not match its checksum is left out."""
    rows: Rows = {}
    for line in content.split(b"\n"):
        checksum, _, text = line.partition(b" ")
        if checksum == b"%08x" % zlib.crc32(text) and text:
            reader, prompt, score, gt_prob, said = json.loads(text)
            answer = Answer(_number(score), _number(gt_prob), said)
            rows.setdefault((reader, tuple(prompt)), answer)
    return rows


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _rounded(answer: Answer) -> Answer:
    """To the precision in which answers are kept."""
    score, gt_prob = np.array(answer[:2], dtype=np.float32).tolist()
    return Answer(score, gt_prob, answer.text)


def _by_shape(rows: Rows) -> Iterator[tuple[str, Prompts, list[Answer]]]:
    """Rows as tables: those of one reader and one number of shots together."""
    tables: dict[tuple[str, int], Rows] = {}
    for (reader, prompt), answer in rows.items():
        tables.setdefault((reader, len(prompt)), {})[reader, prompt] = answer
    for (reader, _), table in tables.items():
        yield reader, np.array([prompt for _, prompt in table]), list(table.values())


def _open_merged(path: Path) -> AnswerFile:
    try:
        return AnswerFile(path, frozen=True)
    except AnswersError:  # damaged, or never finished: one process mends it
        with filelock.FileLock(f"{path}.merge", timeout=LOCKED_SECONDS):
            AnswerFile(path).close()
        return AnswerFile(path, frozen=True)


def _merge_ended(path: Path) -> None:
    """Merge what processes that have ended left; nothing where another is at it.

    The merged file is written aside and then put in place, so that nobody ever reads it half.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(filelock.FileLock(f"{path}.merge", timeout=0))
        except filelock.Timeout:
            return
        except OSError as error:
            if error.errno in _READ_ONLY:  # who may only read finds the answers as they are
                return
            raise
        if _journal(path).exists():  # a writer of the file, when it was on one host, was killed
            AnswerFile(path).close()
        ended = [file for file in _added(path) if _has_ended(file, stack)]
        if not ended:
            return
        part = path.with_name(f"{path.name}.part")
        for former in (part, _journal(part)):
            former.unlink(missing_ok=True)
        if path.exists():
            AnswerFile(path).close()  # mends it where it is damaged
            shutil.copyfile(path, part)
        merged = AnswerFile(part)
        for file in ended:
            for reader, prompts, answers in _by_shape(rows_of(file.read_bytes())):
                merged.add(reader, prompts, answers)
        merged.close()
        _sync(part)  # the copied pages, too: what they hold of ended files goes below
        part.replace(path)
        sync_folder(path.parent)
        for file in ended:
            file.unlink()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _journal(path: Path) -> Path:
    return path.with_name(f"{path.name}-journal")


def _has_ended(path: Path, stack: contextlib.ExitStack) -> bool:
    """Whether the process that wrote the file is gone; then ``stack`` keeps it locked."""
    try:
        file = stack.enter_context(path.open("r+b"))
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # locked, or not ours to remove
        return False
    return True
