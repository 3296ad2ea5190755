"""Findings in words: a title, what was seen, and what it can mean and asks for."""

from typing import Literal

from sweeper.findings.finding import Finding

Language = Literal["en", "zh"]

_TEXTS: dict[str, dict[Language, tuple[str, str, str]]] = {
    "dead_evaluation": {
        "en": (
            "The evaluation cannot see what is trained",
            "The probe perturbed {groups} on {questions} questions, and no answer followed.",
            "Certain. No score of this study says anything about training. Check that the trained "
            "weights reach the evaluation (a conversion may drop them) before anything else.",
        ),
        "zh": (
            "评估看不到训练的内容",
            "探针在 {questions} 个问题上扰动了 {groups},没有任何答案随之改变。",
            "确定。本研究的分数与训练无关。请先检查训练后的权重是否真正进入评估(转换时可能被丢弃)。",
        ),
    },
    "choices_of_the_start": {
        "en": (
            "Trials choose exactly what the start chose",
            "{same} of {trials} trials, {example} among them, choose the same demonstrations as the "
            "untrained start for every question.",
            "Certain. Either the training changed nothing that matters, or the evaluation loads the "
            "start. Compare the drift, then look at the read-back of the weights.",
        ),
        "zh": (
            "试验的选择与起点完全相同",
            "{trials} 个试验中有 {same} 个(如 {example})对每个问题都选择了与起点相同的示例。",
            "确定。要么训练没有改变任何关键内容,要么评估加载的是起点权重。请先看参数漂移,再检查权重回读。",
        ),
    },
    "small_pool": {
        "en": (
            "The pool leaves nothing to choose",
            "The smallest evaluation pool holds {pool} demonstrations, and up to {shots} are chosen.",
            "Certain. Only their order can differ. Evaluate with the pools that inference has.",
        ),
        "zh": (
            "候选池没有选择余地",
            "最小的评估候选池只有 {pool} 个示例,而最多要选 {shots} 个。",
            "确定。只有顺序可能不同。请使用与推理时相同的候选池进行评估。",
        ),
    },
    "few_demonstrations": {
        "en": (
            "Nearly all questions get the same demonstrations",
            "{trial} uses {distinct} different demonstrations in {choices} choices.",
            "Certain as a count; whether it harms is open. The policy may have collapsed: look at "
            "its entropy, and raise kl_beta.",
        ),
        "zh": (
            "几乎所有问题都得到相同的示例",
            "{trial} 在 {choices} 次选择中只用了 {distinct} 个不同示例。",
            "计数确定,是否有害尚不清楚。策略可能已坍缩:请查看熵,并提高 kl_beta。",
        ),
    },
    "identical_answers": {
        "en": (
            "Different settings, identical answers",
            "{count} of {of} settings give the same score on every question: {settings}.",
            "Certain. They are one setting under several names: the parameters between them do not "
            "reach the answers. Do not read differences into them.",
        ),
        "zh": (
            "设置不同,答案完全相同",
            "{of} 个设置中有 {count} 个在每个问题上得分相同:{settings}。",
            "确定。它们实际上是同一个设置:它们之间不同的参数没有影响答案。请勿解读其间差异。",
        ),
    },
    "identical_means": {
        "en": (
            "Different settings, identical means",
            "{count} of {of} rows have the same mean for every number of shots ({means} %): "
            "{settings}.",
            "Very likely the same answers to every question, which takes scores by question to know. "
            "It can mean that the step was too small to change a choice, that the parameter was not "
            "applied, or that the evaluation did not load what was trained. The test that would "
            "tell: score random, start and nearest beside them and perturb the weights; where "
            "nothing moves, the evaluation is blind.",
        ),
        "zh": (
            "设置不同,均值完全相同",
            "{of} 行中有 {count} 行在每个 shot 数上的均值都相同({means} %):{settings}。",
            "很可能每个问题的答案都相同,但需要逐题分数才能确认。可能的原因:步长太小没有改变任何选择;参数没有生效;"
            "或评估没有加载训练后的权重。判别方法:同时评估 random、start、nearest 三个对照,并扰动权重;"
            "如果什么都不变,则评估是盲的。",
        ),
    },
    "dead_parameter": {
        "en": (
            "{parameter} changes no selection",
            "In {pairs} pairs of trials that differ in {parameter} alone ({values}), every question "
            "got the same demonstrations.",
            "Sure within these values. Fix it, or search a range in which it matters.",
        ),
        "zh": (
            "{parameter} 不改变任何选择",
            "在 {pairs} 对仅 {parameter} 不同({values})的试验中,每个问题都选择了相同的示例。",
            "在这些取值内可以肯定。请固定该参数,或扩大搜索范围。",
        ),
    },
    "best_at_the_edge": {
        "en": (
            "The best {parameter} lies at the edge of its range",
            "{value}, searched between {low} and {high}.",
            "A hint. A better value may lie beyond; the next study looks there.",
        ),
        "zh": (
            "最佳 {parameter} 位于搜索范围边缘",
            "取值 {value},搜索范围 {low} 到 {high}。",
            "提示。更好的值可能在范围之外;下一个研究会扩大范围。",
        ),
    },
    "step_too_small": {
        "en": (
            "The step is too small",
            "In {trials} of {of} trials no tensor moved by more than {drift} % of its norm (median), "
            "and {moved} % of the questions got other demonstrations than before.",
            "Sure as a measurement. Larger steps, or more epochs, before any conclusion about freezing.",
        ),
        "zh": (
            "步长太小",
            "{of} 个试验中有 {trials} 个的张量相对漂移不超过 {drift} %(中位数),只有 {moved} % 的问题改变了选择。",
            "测量确定。在得出关于冻结的结论之前,请增大学习率或增加 epoch。",
        ),
    },
    "kl_without_effect": {
        "en": (
            "The KL term pulls hardly at all",
            "Its gradient norm is {ratio} % of that of the PPO term (median of {trials} trials).",
            "Likely. kl_beta can be changed tenfold without anything following.",
        ),
        "zh": (
            "KL 项几乎不起作用",
            "其梯度范数仅为 PPO 项的 {ratio} %({trials} 个试验的中位数)。",
            "很可能。kl_beta 即使改变十倍也几乎没有影响。",
        ),
    },
    "kl_too_strong": {
        "en": (
            "The KL term pulls harder than the rewards",
            "Its gradient norm is {ratio} % of that of the PPO term (median of {trials} trials).",
            "Likely. The policy is held where it began; lower kl_beta.",
        ),
        "zh": (
            "KL 项比奖励更强",
            "其梯度范数为 PPO 项的 {ratio} %({trials} 个试验的中位数)。",
            "很可能。策略被束缚在起点;请降低 kl_beta。",
        ),
    },
    "diverged": {
        "en": (
            "Policies far from their reference",
            "{trials} trials end more than 5 nats away, {worst} {kl}.",
            "Sure as a measurement. Their scores may rest on a collapsed policy; a larger kl_beta or "
            "a smaller lr keeps them near.",
        ),
        "zh": (
            "策略远离参考策略",
            "{trials} 个试验的 KL 超过 5 nats,{worst} 为 {kl}。",
            "测量确定。其分数可能来自坍缩的策略;增大 kl_beta 或减小 lr。",
        ),
    },
    "advantages_without_signal": {
        "en": (
            "Most groups teach nothing",
            "In {share} % of the groups (median of {trials} trials) all rollouts have one reward.",
            "Sure. Larger groups or a finer reward would use those questions.",
        ),
        "zh": (
            "大多数组没有学习信号",
            "{share} % 的组({trials} 个试验的中位数)中所有 rollout 的奖励相同。",
            "确定。更大的组或更细的奖励可以利用这些问题。",
        ),
    },
    "overfitting": {
        "en": (
            "Better before the last epoch",
            "{trials} of {of} trials of several epochs end more than a point below their best.",
            "Likely. Fewer epochs, or a smaller lr.",
        ),
        "zh": (
            "最后一个 epoch 之前更好",
            "{of} 个多 epoch 试验中有 {trials} 个的最终分数比其最好分数低一个百分点以上。",
            "很可能。请减少 epoch 或减小 lr。",
        ),
    },
    "too_few_questions": {
        "en": (
            "Too few questions for the difference seen",
            "{seen} points on {questions} questions; with 80 % power they show {detectable} points.",
            "Sure. About {needed} questions would settle a difference of this size.",
        ),
        "zh": (
            "问题数量不足以判断所见差异",
            "{questions} 个问题上相差 {seen} 个百分点;80 % 功效下只能检出 {detectable} 个百分点。",
            "确定。要确认这样大小的差异,大约需要 {needed} 个问题。",
        ),
    },
    "unknown_power": {
        "en": (
            "The difference cannot be told from nothing",
            "There are means over {questions} questions and no scores by question, so no paired test.",
            "To settle it would take between {fewest} questions (if every answer that changed went one "
            "way) and {most} (if settings answer independently).",
        ),
        "zh": (
            "该差异与零无法区分",
            "只有 {questions} 个问题上的均值,没有逐题分数,因此无法做配对检验。",
            "要确认该差异,需要 {fewest} 个(若所有改变的答案都朝同一方向)到 {most} 个(若各设置独立作答)问题。",
        ),
    },
    "another_winner_by_shots": {
        "en": (
            "Another winner for other numbers of shots",
            "{best} is the best on average, but not by itself: {winners}.",
            "Mostly noise unless the intervals are apart. Say for which number of shots you tune.",
        ),
        "zh": (
            "不同 shot 数的最佳设置不同",
            "{best} 平均最好,但并非处处最好:{winners}。",
            "除非区间不重叠,多半是噪声。请明确针对哪个 shot 数调参。",
        ),
    },
    "lost_trials": {
        "en": (
            "Trials were lost to failures",
            "{failed} of {of} failed: {classes}.",
            "Sure. What fails is not drawn at random: the ranking leaves out a part of the space.",
        ),
        "zh": (
            "部分试验失败",
            "{of} 个中有 {failed} 个失败:{classes}。",
            "确定。失败并非随机:排名遗漏了搜索空间的一部分。",
        ),
    },
    "calls_without_a_chance": {
        "en": (
            "Reader calls for settings that could not win",
            "{spent} of {total} calls went to {trials} trials that ended five points behind.",
            "Sure. `evaluate: {{every: last, race: true}}` stops asking for them.",
        ),
        "zh": (
            "读者模型调用浪费在不可能获胜的设置上",
            "{total} 次调用中有 {spent} 次用于 {trials} 个落后五个百分点的试验。",
            "确定。`evaluate: {{every: last, race: true}}` 可以提前停止它们。",
        ),
    },
}


def texts(finding: Finding, language: Language) -> tuple[str, str, str]:
    """Title, what was seen, and what it can mean and asks for."""
    title, seen, advice = _TEXTS[finding.kind][language]
    facts = finding.facts
    return title.format(**facts), seen.format(**facts), advice.format(**facts)


def kinds() -> dict[str, dict[Language, tuple[str, str, str]]]:
    """All templates, by kind and language."""
    return _TEXTS
