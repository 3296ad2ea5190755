"""The pointer selector's findings in English, by kind: a title, what was seen, what to do."""

TEXTS: dict[str, tuple[str, str, str]] = {
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
        "(the start: {start}).",
        "Sure as a measurement. A smaller lr or a larger kl_beta keeps them near; with "
        "`reference: run_start` the KL also counts what RCE has learnt.",
    ),
    "representation_damaged": (
        "The projections were damaged",
        "{trials} of {of} trials that moved the projections (by {drift} % of their norm, median) "
        "score less than the start: {worst} {score}, the start {start}.",
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
        "The {trials} longest trials, of {epochs} epochs, gain {gain}{points} with their last one "
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
    "calls_without_a_chance": (
        "Reader calls for settings that could not win",
        "{spent} of {total} calls went to {trials} trials that ended five points behind.",
        "Sure. `evaluate: {{every: last, race: true}}` stops asking for them.",
    ),
}
