from sweeper.running.search_limits import SearchLimits
from sweeper.study.sections import Limits


def reached(limits: Limits, *, asked: int = 0, seconds: float = 0.0) -> str | None:
    return SearchLimits(limits=limits, begun=7.0, clock=lambda: 7.0 + seconds).reached(
        lambda: asked
    )


def test_a_search_without_limits_has_none() -> None:
    assert reached(Limits(), asked=10**9, seconds=1e9) is None


def test_a_search_ends_once_so_many_calls_were_asked() -> None:
    limits = Limits.model_validate({"reader_calls": 2000})
    assert reached(limits, asked=1999) is None
    told = "2,000 reader calls were asked, the study's limit is 2,000"
    assert reached(limits, asked=2000) == told


def test_a_search_ends_once_its_run_has_taken_so_long() -> None:
    limits = Limits.model_validate({"study_time": "1h30m"})
    assert reached(limits, seconds=5399.0) is None
    assert reached(limits, seconds=5400.0) == "it has taken 1h30m, the study's limit for one run"
