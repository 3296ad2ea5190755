import pytest
from fakes.evidence_rows import row

from sweeper.trainers.builtin.mildness import trained_tensors
from sweeper.trainers.builtin.training import BuiltinTraining


@pytest.mark.parametrize(
    ("what", "epochs", "tensors"),
    [
        ("projections", 3, 9 + 3 * 3),  # RCE's one epoch trains all nine
        ("backbone", 3, 9 + 3 * 6),
        ("head_then_all:2", 3, 9 + 2 * 6 + 9),
        ("head_then_all:2", 2, 9 + 2 * 6),  # never thawed: as mild as backbone
        ("none", 3, 9 + 3 * 9),
    ],
)
def test_tensors_are_those_that_each_epoch_trains(what: str, epochs: int, tensors: int) -> None:
    training = row(0, None, what=what, length=epochs).training
    assert isinstance(training, BuiltinTraining)
    assert trained_tensors(training.spec) == tensors
