from sweeper.nouns import METRICS, Nouns


def test_a_single_metric_needs_no_column_beside_the_score_and_several_do() -> None:
    assert METRICS.columns(["accuracy"]) == []
    assert METRICS.columns(["gsm8k", "math"]) == ["gsm8k", "math"]
    assert Nouns(prefix="shot_", counts=True).columns(["1"]) == ["1"]
