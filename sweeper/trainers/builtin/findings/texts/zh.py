"""The pointer selector's findings in Chinese, by kind: a title, what was seen, what to do."""

TEXTS: dict[str, tuple[str, str, str]] = {
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
    "step_too_small": (
        "步长太小",
        "{of} 个试验中有 {trials} 个的张量相对漂移不超过 {drift} %（中位数），只有 {moved} % "
        "的问题改变了选择。被选示例与次选之间的 logit 差距中位数为 {margin}，而它只移动了 {moved_by}；"
        "要让十分之一的问题改变选择，步长需要放大约 {factor} 倍。",
        "测量确定，倍数仅按比例外推。在得出关于冻结或 kl_beta 的结论之前，请先增大步长。",
    ),
    "diverged": (
        "策略远离参考策略",
        "{trials} 个试验已远离参考策略，{worst} 的 KL 为 {kl} nats，得分 {score}（起点：{start}）。",
        "测量确定。减小 lr 或增大 kl_beta 可使其保持接近；若使用 `reference: run_start`，"
        "KL 还包含 RCE 已学到的部分。",
    ),
    "representation_damaged": (
        "投影层的表示被破坏",
        "{of} 个移动了投影层的试验（移动其范数的 {drift} %，中位数）中有 {trials} 个得分低于起点："
        "{worst} 为 {score}，起点为 {start}。",
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
        "{trials} 个最长的试验（{epochs} 个 epoch）在最后一个 epoch 仍提高 {gain}{points}（中位数）。",
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
    "calls_without_a_chance": (
        "读者模型调用浪费在不可能获胜的设置上",
        "{total} 次调用中有 {spent} 次用于 {trials} 个落后五个百分点的试验。",
        "确定。`evaluate: {{every: last, race: true}}` 可以提前停止它们。",
    ),
}
