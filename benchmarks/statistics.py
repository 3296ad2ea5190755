"""Error rates, power and coverage of the statistics, from real answers: runs `error_rates.py`.

    python benchmarks/statistics.py [--workspace FOLDER] [--quick]

Python looks for modules beside the program first, so whatever runs in this folder and wants the
standard library's module of this name finds this file: it hands the library's on.
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))  # of the package `benchmarks`
    from benchmarks.error_rates import main

    main(sys.argv[1:])
elif __name__ == "statistics":
    own = Path(__file__).parent
    elsewhere = [entry for entry in sys.path if Path(entry).resolve() != own.resolve()]
    spec = PathFinder.find_spec(__name__, elsewhere)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[__name__] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[__name__])
