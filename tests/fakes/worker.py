"""A worker that does what the list `do` in a folder's trial.json asks for, step by step."""

import json
import os
import signal
import sys
import time
from pathlib import Path


def say(**event: str) -> None:
    print(json.dumps(event), flush=True)


def daemonise() -> int:
    """Fork a process that leaves session, process group and parent; return its id."""
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        os.setsid()
        daemon = os.fork()
        if daemon == 0:
            signal.pause()
        os.write(write_end, str(daemon).encode())
        os._exit(0)
    return int(os.read(read_end, 20))


def work(folder: Path) -> str:
    for step, value in json.loads((folder / "trial.json").read_text())["do"]:
        if step == "epoch":
            say(event="epoch", folder=str(folder))
        elif step == "print":
            print(value, flush=True)
        elif step == "await":
            while not (folder / value).exists():
                time.sleep(0.002)
        elif step == "daemon":
            (folder / value).write_text(str(daemonise()))
        elif step == "environment":
            (folder / value).write_text(json.dumps({"pid": os.getpid(), **os.environ}))
        elif step == "read":
            (folder / value).write_text(sys.stdin.read())
        elif step == "kill":
            os.kill(os.getpid(), value)
        elif step == "exit":
            os._exit(value)
        elif step == "end":
            return str(value)
        else:
            raise ValueError(step)
    return "completed"


if __name__ == "__main__":
    if sys.argv[1:]:  # a process for one folder alone
        sys.exit(0 if work(Path(sys.argv[1])) in ("completed", "stopped") else 1)
    say(event="ready")
    for line in sys.stdin:
        folder = json.loads(line)
        say(event="ended", folder=folder, status=work(Path(folder)))
