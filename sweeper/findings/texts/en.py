"""Findings in English, by kind: a title, what was seen, what it can mean and asks for."""

TEXTS: dict[str, tuple[str, str, str]] = {
    "dead_evaluation": (
        "The evaluation cannot see what is trained",
        "The probe perturbed {groups} on {questions} questions, and no answer followed.",
        "Certain. No score of this study says anything about training. Check that the trained "
        "weights reach the evaluation (a conversion may drop them) before anything else.",
    ),
    "choices_of_a_control": (
        "Trials choose exactly what {control} chose",
        "{same} of {trials} trials, {example} among them, choose the same demonstrations as "
        "{control} for every question.",
        "Certain. Either the training changed nothing that matters, or the evaluation does not "
        "load what was trained. Compare the drift, then look at how the weights reach the "
        "evaluation.",
    ),
    "parameter_not_applied": (
        "{parameter} was not applied",
        "{pairs} pairs of trials that differ in {parameter} alone ({values}) are one and the "
        "same training, to the last bit.",
        "Certain. Nothing in the training depends on it as the study file stands. Remove it from "
        "the search, or switch on what makes it count.",
    ),
    "identical_answers": (
        "Different settings, identical answers",
        "{count} of {of} settings give the same score on every question: {settings}.",
        "Certain. They are one setting under several names: the parameters between them do not "
        "reach the answers. Do not read differences into them.",
    ),
    "identical_means": (
        "Different settings, identical means",
        "{count} of {of} rows have the same mean for each {parts} ({means}): {settings}.",
        "Very likely the same answers to every question, which takes scores by question to know. "
        "It can mean that the step was too small to change a choice, that the parameter was not "
        "applied, or that the evaluation did not load what was trained. The test that would tell:"
        " score random, start and nearest beside them and perturb the weights; where nothing "
        "moves, the evaluation is blind.",
    ),
    "dead_parameter": (
        "{parameter} changes no selection",
        "In {pairs} pairs of trials that differ in {parameter} alone ({values}), every question "
        "got the same demonstrations.",
        "Sure within these values. Fix it, or search a range in which it matters.",
    ),
    "best_at_the_edge": (
        "The best {parameter} lies at the edge of its range",
        "{value}, searched between {low} and {high}; so do all {leading} "
        "settings that may be the best.",
        "A hint. A better value may lie beyond; the next study looks there.",
    ),
    "leader_at_the_edge": (
        "The best {parameter} lies at the edge of its range",
        "{value}, searched between {low} and {high}.",
        "A hint from one setting. A better value may lie beyond; the next study looks there.",
    ),
    "too_few_questions": (
        "Too few questions for the difference seen",
        "{seen}{points} on {questions} questions; with 80 % power they show {detectable}{points}.",
        "Sure. About {needed} questions would settle a difference of this size.",
    ),
    "unknown_power": (
        "The difference cannot be told from nothing",
        "There are means over {questions} questions and no scores by question, so no paired test.",
        "To settle it would take between {fewest} questions (if every answer that changed went "
        "one way) and {most} (if settings answer independently).",
    ),
    "lead_of_epochs": (
        "The lead is one of epochs",
        "{best} was trained for {longer} epochs, the baseline for {epochs}; of the settings with "
        "{epochs} none beats the baseline ({ahead} is {behind}{points} behind).",
        "Sure as a count. Compare at equal epochs before crediting the other parameters.",
    ),
    "unstable_seeds": (
        "Seeds differ as much as settings",
        "{trial} varies by {spread}{points} (standard deviation over {seeds} seeds); the best is "
        "{lead}{points} from the baseline.",
        "Sure as a measurement of few seeds. More seeds for the finalists.",
    ),
    "another_winner_by_part": (
        "Another winner by {parts}",
        "{best} is the best on average, but not by each {parts}: {winners} (paired tests, "
        "corrected for all of them).",
        "Likely. Say for which {parts} you tune: `--by {key}` chooses by it.",
    ),
    "another_winner_untested": (
        "Another winner by {parts}",
        "{best} is the best on average, but not by itself: {winners}.",
        "Mostly noise; without scores by question no test can tell.",
    ),
    "lost_trials": (
        "Trials were lost to failures",
        "{failed} of {of} failed: {classes}.",
        "Sure. What fails is not drawn at random: the ranking leaves out a part of the space.",
    ),
}
