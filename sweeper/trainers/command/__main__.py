"""Works through trial folders of a command study, one by one: `run FOLDER`, or `serve`.

serve   takes folders on stdin, each a JSON string in a line, and says on stdout how they end:
        {"event": "ready"}, {"event": "epoch", "folder": ...},
        {"event": "ended", "folder": ..., "status": "completed", "failed" or "stopped"}
"""

import json
import os
import sys
from pathlib import Path

from sweeper.trainers.command.work import work_through


def serve() -> None:
    """Work through folders until stdin ends."""
    with os.fdopen(os.dup(1), "w") as events:
        os.dup2(2, 1)  # what is printed by mistake must not be taken for an event

        def say(**event: str) -> None:
            events.write(json.dumps(event) + "\n")
            events.flush()

        say(event="ready")
        for line in sys.stdin:
            folder = json.loads(line)
            status = work_through(
                Path(folder),
                on_epoch=lambda f=folder: say(event="epoch", folder=f),  # type: ignore[misc]
            )
            say(event="ended", folder=folder, status=status)


def main(arguments: list[str]) -> int:
    """Run what is asked for; return the exit code."""
    if arguments == ["serve"]:
        serve()
        return 0
    if len(arguments) == 2 and arguments[0] == "run":
        return 0 if work_through(Path(arguments[1])) in ("completed", "stopped") else 1
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
