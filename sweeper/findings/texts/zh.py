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
    "mislabelled": (
        "{row} 与其标签不符",
        "{source}：标签写的是 {parameter} {label}，checkpoint 自身字段为 {checkpoint}。",
        "读取结果确定：参数没有生效，或评估了另一个文件{adaptation}。表中采用 checkpoint 的值。",
    ),
    "small_pool": (
        "候选池没有选择余地",
        "最小的评估候选池只有 {pool} 个示例，而最多要选 {shots} 个。",
        "确定。只有顺序可能不同。请使用与推理时相同的候选池进行评估。",
    ),
    "few_demonstrations": (
        "几乎所有问题都得到相同的示例",
        "{trial} 在 {choices} 次选择中只用了 {distinct} 个不同示例。",
        "计数确定，是否有害尚不清楚。策略可能已坍缩：请查看熵，并提高 kl_beta。",
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
        "{of} 行中有 {count} 行在每个 shot 数上的均值都相同（{means} %）：{settings}。",
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
    "step_too_small": (
        "步长太小",
        "{of} 个试验中有 {trials} 个的张量相对漂移不超过 {drift} %（中位数），只有 {moved} % "
        "的问题改变了选择。被选示例与次选之间的 logit 差距中位数为 {margin}，而它只移动了 {moved_by}；"
        "要让十分之一的问题改变选择，步长需要放大约 {factor} 倍。",
        "测量确定，倍数仅按比例外推。在得出关于冻结或 kl_beta 的结论之前，请先增大步长。",
    ),
    "diverged": (
        "策略远离参考策略",
        "{trials} 个试验已远离参考策略，{worst} 的 KL 为 {kl} nats，得分 {score} %（起点：{start} %）。",
        "测量确定。减小 lr 或增大 kl_beta 可使其保持接近；若使用 `reference: run_start`，"
        "KL 还包含 RCE 已学到的部分。",
    ),
    "representation_damaged": (
        "投影层的表示被破坏",
        "{of} 个移动了投影层的试验（移动其范数的 {drift} %，中位数）中有 {trials} 个得分低于起点："
        "{worst} 为 {score} %，起点为 {start} %。",
        "很可能。RCE 在投影层学到的表示已丢失；请减小步长，或使用 `freeze: backbone`。",
    ),
    "advantages_without_signal": (
        "大多数组没有学习信号",
        "{share} % 的组（{trials} 个试验的中位数）中所有 rollout 的奖励相同：{wrong} % "
        "全错，{alike} % 全部相同但并非全错。",
        "确定。更大的组或更细的奖励可以利用这些问题。",
    ),
    "advantages_cut_away": (
        "课程截断去掉了学习信号",
        "第一个 epoch 中 {share} % 的组只含同一奖励的 rollout（{wrong} % 全错）；未截断时为 "
        "{whole} %。",
        "确定。每个问题最好的几个 rollout 大多同样好：优势为零，该 epoch 几乎学不到东西。请使用全部 "
        "rollout。",
    ),
    "overfitting": (
        "最后一个 epoch 之前更好",
        "{of} 个多 epoch 试验中有 {trials} 个的最终分数比其最好分数低一个百分点以上，最好分数出现在第 "
        "{peak} 个 epoch（中位数）。",
        "很可能。请减少 epoch 或减小 lr。",
    ),
    "undertrained": (
        "最后一个 epoch 仍在上升",
        "{trials} 个最长的试验（{epochs} 个 epoch）在最后一个 epoch 仍提高 {gain} 个百分点（中位数）。",
        "很可能。请增加 epoch；在此之前，epoch 数比其他参数更起决定作用。",
    ),
    "validation_loss_misleads": (
        "验证损失不能给试验排名",
        "低损失与高准确率的秩相关为 {agreement}（{trials} 个设置）。",
        "对这些设置可以肯定。请勿用验证损失挑选 checkpoint。",
    ),
    "kl_beta_adapted": (
        "kl_beta 在训练中被改变",
        "{trials} 个试验的 kl_beta 没有保持原值：{example} 设为 {asked}，结束时为 {used}。",
        "确定。起作用的是自适应而不是搜索：表中比较的并不是实际取值。请关闭 `adaptive_kl`，或不要搜索 "
        "kl_beta。",
    ),
    "kl_is_noise": (
        "KL 测到的是 dropout",
        "训练中看到的 KL 为 {seen} nats；去掉 dropout 后为 {real}（{trials} 个试验的中位数）。",
        "确定。策略带 dropout 运行而参考策略不带，该项惩罚的是噪声，与 kl_beta 无关。GRPO 请不要使用 "
        "dropout。",
    ),
    "kl_whatever_kl_beta": (
        "无论 {parameter} 取何值，KL 都相同",
        "在 {pairs} 对仅 {parameter} 不同（{values}）的试验中，KL 最终都在 {low} 到 "
        "{high} nats 之间。",
        "在这些取值内可以肯定。要么范围太窄，要么 KL 测到的并非策略所学（请检查是否含有 dropout）。",
    ),
    "kl_without_effect": (
        "KL 项几乎不起作用",
        "其梯度范数仅为 PPO 项的 {ratio} %（{trials} 个试验的中位数）。",
        "很可能。kl_beta 即使改变十倍也几乎没有影响。",
    ),
    "kl_too_strong": (
        "KL 项比奖励更强",
        "其梯度范数为 PPO 项的 {ratio} %（{trials} 个试验的中位数）。",
        "很可能。策略被束缚在起点；请降低 kl_beta。",
    ),
    "too_few_questions": (
        "问题数量不足以判断所见差异",
        "{questions} 个问题上相差 {seen} 个百分点；80 % 功效下只能检出 {detectable} 个百分点。",
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
        "epoch 的设置中没有一个优于基准（{ahead} 落后 {behind} 个百分点）。",
        "计数确定。在归功于其他参数之前，请在相同 epoch 数下比较。",
    ),
    "unstable_seeds": (
        "种子之间的差异与设置之间一样大",
        "{trial} 在 {seeds} 个种子间的标准差为 {spread} 个百分点；最好者与基准相差 {lead} "
        "个百分点。",
        "基于少数种子的测量。请为决赛设置增加种子。",
    ),
    "another_winner_by_shots": (
        "不同 shot 数的最佳设置不同",
        "{best} 平均最好，但在某些 shot 数上有更好的设置：{winners}（配对检验，对 shot 数校正）。",
        "很可能。请明确针对哪个 shot 数调参：`--by shot_2` 按其选择。",
    ),
    "another_winner_untested": (
        "不同 shot 数的最佳设置不同",
        "{best} 平均最好，但并非处处最好：{winners}。",
        "多半是噪声；没有逐题分数，无法检验。",
    ),
    "lost_trials": (
        "部分试验失败",
        "{of} 个中有 {failed} 个失败：{classes}。",
        "确定。失败并非随机：排名遗漏了搜索空间的一部分。",
    ),
    "calls_without_a_chance": (
        "读者模型调用浪费在不可能获胜的设置上",
        "{total} 次调用中有 {spent} 次用于 {trials} 个落后五个百分点的试验。",
        "确定。`evaluate: {{every: last, race: true}}` 可以提前停止它们。",
    ),
}
