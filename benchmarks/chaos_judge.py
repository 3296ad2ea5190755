"""The command that scores where the judge goes away: a checkpoint's scores are some of its hash.

python chaos_judge.py CHECKPOINT    fails while there is the file that CHAOS_DOWN names
"""

import hashlib
import json
import os
import sys
from pathlib import Path

if Path(os.environ["CHAOS_DOWN"]).exists():
    sys.exit("no answer")
digest = hashlib.sha256(Path(sys.argv[1]).read_bytes()).digest()
accuracy = {str(shots): digest[shots] / 255 for shots in (1, 2, 3, 4)}
print(json.dumps({"accuracy": accuracy, "questions": 255}))
