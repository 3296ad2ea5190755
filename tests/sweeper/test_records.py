from fakes.epochs import epoch_of

from sweeper.records import Notes, told_parts
from sweeper.running.derived import from_record


def test_parts_of_an_epoch_are_its_accuracies_or_metrics_of_their_names() -> None:
    shots = epoch_of(1, **{"score": 0.5, "accuracy/shot_1": 0.4, "accuracy/shot_2": 0.6, "1": 9.0})
    assert told_parts(shots, ["1", "2"]) == {"1": 0.4, "2": 0.6}
    named = epoch_of(1, score=-18.0, gsm8k=-36.0, math=0.9, loss=1.0)
    assert told_parts(named, ["math", "gsm8k", "bleu"]) == {"math": 0.9, "gsm8k": -36.0}


def test_a_trial_that_another_answers_has_the_parts_of_its_own_last_epoch() -> None:
    epochs = [epoch_of(1, score=1.0, math=1.0), epoch_of(2, score=2.0, math=2.0)]
    whole = Notes(accuracy={"math": 3.0})
    assert from_record(whole, 7, epochs, parts=["math"]).accuracy == {"math": 2.0}
    assert from_record(whole, 7, [], parts=["math"]).accuracy == {"math": 3.0}
