import pytest
from pydantic import ValidationError

from sweeper.study.sections import Limits
from sweeper.words import duration_text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90.0),
        ("20m", 1200.0),
        ("1h30m", 5400.0),
        ("2d 1h", 176400.0),  # 2 * 86400 + 3600
        ("0.5h", 1800.0),
        (45, 45.0),
        (0.25, 0.25),
    ],
)
def test_a_time_is_a_text_or_a_number_of_seconds(text: object, seconds: float) -> None:
    limits = Limits.model_validate({"trial_time": text})
    assert limits.trial_time == seconds
    assert Limits.model_validate(limits.model_dump(mode="json", by_alias=True)) == limits


@pytest.mark.parametrize(
    "text", ["", "2", "h", "30m1h", "2 weeks", "-1h", "1e3s", "0s", 0, -1.0, True]
)
def test_what_is_no_time_above_zero_is_refused(text: object) -> None:
    with pytest.raises(ValidationError, match=r"must be a|greater than 0"):
        Limits.model_validate({"stall": text})


@pytest.mark.parametrize("text", ["90s", "20m", "1h30m", "48h", "0.5s"])
def test_a_time_is_told_as_it_may_be_written(text: str) -> None:
    seconds = Limits.model_validate({"stall": text}).stall
    assert seconds is not None
    assert Limits.model_validate({"stall": duration_text(seconds)}).stall == seconds
