"""How many questions this process evaluates at a time: bounds memory, never what comes of them.

A property of the process, as torch's number of threads is: a job whose evaluation ran out of memory
is done again by one that takes fewer (`python -m trainer run --evaluation-batch 32`). It stands in
no spec, so that stages and scores keep their keys. What a batch of training holds is the setting's;
the prompts of one pass of a reader are part of who it is, of its digest.
"""

LAID_OUT = 256  # questions whose pools are padded to one width; the largest batch
SMALLEST = 8  # halved, as a rest may be, it still gives the bits of the largest
_questions = LAID_OUT


def evaluation_batch() -> int:
    """Questions at a time, at most."""
    return _questions


def set_evaluation_batch(questions: int) -> None:
    """Evaluate so many at a time from now on.

    Raises:
        ValueError: where it is not in [SMALLEST, LAID_OUT].
    """
    if not SMALLEST <= questions <= LAID_OUT:
        raise ValueError(f"`questions` must be in [{SMALLEST}, {LAID_OUT}], but got {questions}")
    global _questions
    _questions = questions
