"""A trial folder worked through, from `trial.json` to `result.json`."""
