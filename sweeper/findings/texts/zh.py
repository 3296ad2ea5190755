"""Findings in Chinese, by kind: a title, what was seen, what it can mean and asks for."""

TEXTS: dict[str, tuple[str, str, str]] = {
    "dead_evaluation": (
        "评估看不到训练的内容",
        "探针在 {questions} 个问题上扰动了 {groups}，没有任何答案随之改变。",
        "确定。本研究的分数与训练无关。请先检查训练后的权重是否真正进入评估（转换时可能被丢弃）。",
    ),
    "choices_of_a_control": (
        "试验的选择与 {control} 完全相同",
        "{trials} 个试验中有 {same} 个（如 {example}）对每个问题都选择了与 {control} 相同的示例。",
        "确定。要么训练没有改变任何关键内容，要么评估没有加载训练后的权重。请先看参数漂移，再检查权重如何进入评估。",
    ),
    "parameter_not_applied": (
        "{parameter} 没有生效",
        "{pairs} 对仅 {parameter} 不同（{values}）的试验是完全相同的训练，每一位都相同。",
        "确定。按当前研究文件，训练与该参数无关。请将其移出搜索，或启用使其生效的选项。",
    ),
    "identical_answers": (
        "设置不同，答案完全相同",
        "{of} 个设置中有 {count} 个在每个问题上得分相同：{settings}。",
        "确定。它们实际上是同一个设置：它们之间不同的参数没有影响答案。请勿解读其间差异。",
    ),
    "identical_means": (
        "设置不同，均值完全相同",
        "{of} 行中有 {count} 行在每个{parts}上的均值都相同（{means}）：{settings}。",
        "很可能每个问题的答案都相同，但需要逐题分数才能确认。可能的原因：步长太小没有改变任何选择；参数没有生效；"
        "或评估没有加载训练后的权重。判别方法：同时评估 random、start、nearest 三个对照，并扰动权重；"
        "如果什么都不变，则评估是盲的。",
    ),
    "dead_parameter": (
        "{parameter} 不改变任何选择",
        "在 {pairs} 对仅 {parameter} 不同（{values}）的试验中，每个问题都选择了相同的示例。",
        "在这些取值内可以肯定。请固定该参数，或扩大搜索范围。",
    ),
    "best_at_the_edge": (
        "最佳 {parameter} 位于搜索范围边缘",
        "取值 {value}，搜索范围 {low} 到 {high}；所有 {leading} 个可能最佳的设置都在该边缘。",
        "提示。更好的值可能在范围之外；下一个研究会扩大范围。",
    ),
    "leader_at_the_edge": (
        "最佳 {parameter} 位于搜索范围边缘",
        "取值 {value}，搜索范围 {low} 到 {high}。",
        "仅来自一个设置的提示。更好的值可能在范围之外；下一个研究会扩大范围。",
    ),
    "too_few_questions": (
        "问题数量不足以判断所见差异",
        "{questions} 个问题上相差 {seen}{points}；80 % 功效下只能检出 {detectable}{points}。",
        "确定。要确认这样大小的差异，大约需要 {needed} 个问题。",
    ),
    "unknown_power": (
        "该差异与零无法区分",
        "只有 {questions} 个问题上的均值，没有逐题分数，因此无法做配对检验。",
        "要确认该差异，需要 {fewest} 个（若所有改变的答案都朝同一方向）到 {most} 个（若各设置独立作答）问题。",
    ),
    "lead_of_epochs": (
        "领先来自 epoch 数",
        "{best} 训练了 {longer} 个 epoch，基准为 {epochs} 个；在 {epochs} 个 "
        "epoch 的设置中没有一个优于基准（{ahead} 落后 {behind}{points}）。",
        "计数确定。在归功于其他参数之前，请在相同 epoch 数下比较。",
    ),
    "unstable_seeds": (
        "种子之间的差异与设置之间一样大",
        "{trial} 在 {seeds} 个种子间的标准差为 {spread}{points}；最好者与基准相差 {lead}{points}。",
        "基于少数种子的测量。请为决赛设置增加种子。",
    ),
    "another_winner_by_part": (
        "不同{parts}的最佳设置不同",
        "{best} 平均最好，但在某些{parts}上有更好的设置：{winners}（配对检验，对{parts}校正）。",
        "很可能。请明确针对哪个{parts}调参：`--by {key}` 按其选择。",
    ),
    "another_winner_untested": (
        "不同{parts}的最佳设置不同",
        "{best} 平均最好，但并非处处最好：{winners}。",
        "多半是噪声；没有逐题分数，无法检验。",
    ),
    "lost_trials": (
        "部分试验失败",
        "{of} 个中有 {failed} 个失败：{classes}。",
        "确定。失败并非随机：排名遗漏了搜索空间的一部分。",
    ),
}
