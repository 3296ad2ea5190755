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
    "mislabelled": (
        "{row} is not what its label says",
        "{source}: the label says {parameter} {label}, the checkpoint's own field {checkpoint}.",
        "Certain as a reading: the parameter was not applied, or another file was scored"
        "{adaptation}. The table shows the checkpoint's value.",
    ),
    "small_pool": (
        "The pool leaves nothing to choose",
        "The smallest evaluation pool holds {pool} demonstrations, and up to {shots} are chosen.",
        "Certain. Only their order can differ. Evaluate with the pools that inference has.",
    ),
    "few_demonstrations": (
        "Nearly all questions get the same demonstrations",
        "{trial} uses {distinct} different demonstrations in {choices} choices.",
        "Certain as a count; whether it harms is open. The policy may have collapsed: look at "
        "its entropy, and raise kl_beta.",
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
        "{count} of {of} rows have the same mean for every number of shots ({means} %): "
        "{settings}.",
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
    "step_too_small": (
        "The step is too small",
        "In {trials} of {of} trials no tensor moved by more than {drift} % of its norm (median), "
        "and {moved} % of the questions got other demonstrations than before. The gap between a "
        "chosen demonstration and the runner-up is {margin} (median, in logits) and moved by "
        "{moved_by}; for a tenth of the questions to choose otherwise the step would have to be "
        "{factor} times as large.",
        "Sure as a measurement, the factor in proportion only. Larger steps before any "
        "conclusion about freezing or kl_beta.",
    ),
    "diverged": (
        "Policies far from their reference",
        "{trials} trials have lost their reference, {worst} by {kl} nats with a score of {score} "
        "% (the start: {start} %).",
        "Sure as a measurement. A smaller lr or a larger kl_beta keeps them near; with "
        "`reference: run_start` the KL also counts what RCE has learnt.",
    ),
    "representation_damaged": (
        "The projections were damaged",
        "{trials} of {of} trials that moved the projections (by {drift} % of their norm, median) "
        "score less than the start: {worst} {score} %, the start {start} %.",
        "Likely. What RCE had taught the projections is lost; smaller steps for them, or `freeze:"
        " backbone`.",
    ),
    "advantages_without_signal": (
        "Most groups teach nothing",
        "In {share} % of the groups (median of {trials} trials) all rollouts have one reward: "
        "{wrong} % all wrong, {alike} % all alike and not wrong.",
        "Sure. Larger groups or a finer reward would use those questions.",
    ),
    "advantages_cut_away": (
        "The curriculum cuts the signal away",
        "In the first epoch {share} % of the groups hold rollouts of one reward only ({wrong} % "
        "all wrong); of the groups as recorded it is {whole} %.",
        "Sure. The best few rollouts of a query are mostly equally good: their advantage is zero,"
        " and the epoch hardly learns. Use all rollouts.",
    ),
    "overfitting": (
        "Better before the last epoch",
        "{trials} of {of} trials of several epochs end more than a point below their best, which "
        "they had after epoch {peak} (median).",
        "Likely. Fewer epochs, or a smaller lr.",
    ),
    "undertrained": (
        "Still rising at the last epoch",
        "The {trials} longest trials, of {epochs} epochs, gain {gain} points with their last one "
        "(median).",
        "Likely. More epochs; until then the number of epochs decides more than the other "
        "parameters.",
    ),
    "validation_loss_misleads": (
        "The validation loss does not rank the trials",
        "Rank correlation of low loss with high accuracy: {agreement} over {trials} settings.",
        "Sure for these settings. Do not choose checkpoints by the validation loss.",
    ),
    "kl_beta_adapted": (
        "kl_beta was changed during training",
        "In {trials} trials kl_beta did not stay what it was: {example} was given {asked} and "
        "ended with {used}.",
        "Certain. The adaptation decides, not the search: the values compared are not those in "
        "the table. Switch `adaptive_kl` off, or do not search kl_beta.",
    ),
    "kl_is_noise": (
        "The KL measures dropout",
        "Training sees a KL of {seen} nats; without dropout it is {real} (medians of {trials} "
        "trials).",
        "Sure. The policy runs with dropout and its reference without, so the term punishes "
        "noise, the same for every kl_beta. Train GRPO without dropout.",
    ),
    "kl_whatever_kl_beta": (
        "The KL is the same whatever {parameter} is",
        "In {pairs} pairs of trials that differ in {parameter} alone ({values}) the KL ends "
        "between {low} and {high} nats.",
        "Sure within these values. Either the range is too narrow to matter, or the KL does not "
        "measure what the policy learns (look for dropout in it).",
    ),
    "kl_without_effect": (
        "The KL term pulls hardly at all",
        "Its gradient norm is {ratio} % of that of the PPO term (median of {trials} trials).",
        "Likely. kl_beta can be changed tenfold without anything following.",
    ),
    "kl_too_strong": (
        "The KL term pulls harder than the rewards",
        "Its gradient norm is {ratio} % of that of the PPO term (median of {trials} trials).",
        "Likely. The policy is held where it began; lower kl_beta.",
    ),
    "too_few_questions": (
        "Too few questions for the difference seen",
        "{seen} points on {questions} questions; with 80 % power they show {detectable} points.",
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
        "{epochs} none beats the baseline ({ahead} is {behind} points behind).",
        "Sure as a count. Compare at equal epochs before crediting the other parameters.",
    ),
    "unstable_seeds": (
        "Seeds differ as much as settings",
        "{trial} varies by {spread} points (standard deviation over {seeds} seeds); the best is "
        "{lead} points from the baseline.",
        "Sure as a measurement of few seeds. More seeds for the finalists.",
    ),
    "another_winner_by_shots": (
        "Another winner for other numbers of shots",
        "{best} is the best on average, but others are better than it for some numbers of shots: "
        "{winners} (paired tests, corrected for the numbers of shots).",
        "Likely. Say for which number of shots you tune: `--by shot_2` chooses by it.",
    ),
    "another_winner_untested": (
        "Another winner for other numbers of shots",
        "{best} is the best on average, but not by itself: {winners}.",
        "Mostly noise; without scores by question no test can tell.",
    ),
    "lost_trials": (
        "Trials were lost to failures",
        "{failed} of {of} failed: {classes}.",
        "Sure. What fails is not drawn at random: the ranking leaves out a part of the space.",
    ),
    "calls_without_a_chance": (
        "Reader calls for settings that could not win",
        "{spent} of {total} calls went to {trials} trials that ended five points behind.",
        "Sure. `evaluate: {{every: last, race: true}}` stops asking for them.",
    ),
}
