"""What the next trial tries, and whether a running one is worth finishing.

Proposal n depends on the search, its seed, n, and the results of trials 0 .. n-lag; later trials
count as running, whatever is known of them. Results that were known before trial 0 belong to the
search. So the number of slots, the order in which trials end and a killed driver change nothing.
Optuna's samplers and pruners see a study that is built afresh in memory for each question. No
clock, no files, no storage. Optuna is imported where it is used, because `sweeper --help` must not
wait for it.
"""

from sweeper.search.forms import distribution, frozen_trial, optuna_value
from sweeper.search.known import (
    answered_before,
    awaits_answer,
    best_before,
    prefixes_of,
    shared_prefixes,
)
from sweeper.search.progress import gains_no_more
from sweeper.search.pruning import should_prune
from sweeper.search.sampling import propose, ready
from sweeper.search.search import (
    Duplicates,
    Goal,
    Proposal,
    PrunerName,
    SamplerName,
    Search,
    lag_for,
    setting_key,
)

__all__ = [
    "Duplicates",
    "Goal",
    "Proposal",
    "PrunerName",
    "SamplerName",
    "Search",
    "answered_before",
    "awaits_answer",
    "best_before",
    "distribution",
    "frozen_trial",
    "gains_no_more",
    "lag_for",
    "of_study",
    "optuna_value",
    "plan",
    "prefixes_of",
    "propose",
    "ready",
    "setting_key",
    "shared_prefixes",
    "should_prune",
]
