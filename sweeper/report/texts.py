"""Phrases of the report. Both languages have the same keys and the same fields."""

from collections.abc import Mapping

from sweeper.findings.texts import Language
from sweeper.records import CALLS
from sweeper.study.config import StudyConfig

TEXTS: dict[Language, dict[str, str]] = {
    "en": {
        "title": "Study {study}",
        "space": " ",  # between two sentences
        "verdict": "Verdict",
        "alarmed": "Alarm: {alarms}. Nothing below can be trusted before this is settled.",
        "nothing": "No trial is complete yet: nothing can be said.",
        "alone": "{best} leads {settings} settings with {score}: no setting beats the baseline.",
        "alone_untested": "{best} leads {settings} settings with {score}, {lead}{points} ahead "
        "of the next; on {questions} questions without scores by question that cannot be told from "
        "nothing.",
        "alone_without": "{best} leads {settings} settings with {score}; the study names no "
        "baseline to compare it with.",
        "identical": "{best} scores {score}, exactly as the baseline does: there is no difference.",
        "untold": "{best} leads {settings} settings with {score}, {difference}{points} from the "
        "baseline, and cannot be told from it (p {p} after correction for all settings).",
        "better": "{best} is better than the baseline: {score}, {difference}{points} more ({interval}; "
        "p {p} after correction for {settings} settings).",
        "better_less": "{best} is better than the baseline: {score}, {difference}{points} from it "
        "({interval}; p {p} after correction for {settings} settings).",
        "unknown": "{best} leads {settings} settings with {score}, {difference}{points} from the "
        "baseline; without scores by question no test can tell whether that is anything.",
        "untested": "{best} leads {settings} settings with {score}, {difference}{points} from the "
        "baseline; with one number a setting no test can tell whether that is anything.",
        "expected": "As the highest of many it flatters itself: {expected} is what to expect of "
        "it on other questions (bootstrap bias correction; about {pessimism}{points} too low).",
        "expected_least": "As the lowest of many it flatters itself: {expected} is what to expect of "
        "it on other questions (bootstrap bias correction; about {pessimism}{points} too high).",
        "taken": "By its rule `{rule}` the study takes {chosen}.",
        "unchosen": "What it would score on questions that did not choose it cannot be known from "
        "these numbers.",
        "held_out": "On the held-out questions, which chose nothing: {scores}.",
        "held_out_test": "On the held-out questions, which chose nothing: {scores}; {best} is "
        "{difference}{points} from the baseline ({interval}, p {p}).",
        "apart": "Rows of other evaluations are ranked with nothing here: {rows}.",
        "rules": "What each rule would take",
        "rule": "rule",
        "among": "settings to choose among",
        "rules_legend": "* is the study's own rule (`best: {{rule: ...}}`). The other rules take the "
        "mildest of settings that are as good{mildness}.",
        "data_warning": "Data",
        "not_held_out": "It was not confirmed on held-out questions.",
        "may_be": "{count} of {settings} settings cannot be told from the best.",
        "results": "Results",
        "setting": "setting",
        "labelled_baseline": "{label} (baseline)",
        "mean": "mean",
        "score": "score",
        "against": "from the baseline",
        "tied": "cannot be told from the best",
        "yes": "=",
        "legend_per_cent": "Per cent.",
        "legend_nats": "Nats: less is better.",
        "legend_more": "{measure}: more is better.",
        "legend_less": "{measure}: less is better.",
        "legend_tests": "Intervals hold 95 % (BCa bootstrap over questions); = marks settings that "
        "may be the best. Differences are those of the exact means; p values are of the paired "
        "sign-flip test, corrected by max-T over all settings.",
        "rounding": "Differences are taken before rounding: {exact}. Rounded first, the means are "
        "{means}, and the difference would read {difference}.",
        "left_out": "{count} further settings are not shown; `sweeper export {study} --all` has them.",
        "imported": "These rows were measured elsewhere ({sources}). They are not ranked with trials "
        "of this workspace.",
        "winners": "Best by {parts}",
        "equal_epochs": "Best at equal epochs",
        "epochs": "epochs",
        "of": "of settings",
        "findings": "Findings",
        "no_findings": "None of the rules found anything.",
        "alarm": "Alarm",
        "warning": "Warning",
        "note": "Note",
        "figures": "Figures",
        "figure_parts": "Score by {parts}",
        "figure_epochs": "Score by epoch",
        "figure_parameter": "Score by parameter",
        "figure_parallel": "Settings and their scores (the best six in colour)",
        "figure_importance": "What decides whether a setting is among the best tenth (PED-ANOVA; "
        "bars hold 90 % of resamples of the trials)",
        "figure_cost": f"Best score so far by {CALLS} asked",
        "figure_choices": "Share of questions with other choices",
        "figure_drift": "Relative drift by tensor",
        "figure_kl": "KL to the reference by kl_beta",
        "figure_calls": f"{CALLS.capitalize()}, asked and saved",
        "drift": "What moved in {best}",
        "tensor": "tensor",
        "mean_before": "mean before",
        "mean_now": "mean now",
        "mean_abs": "mean |Δ|",
        "max_abs": "max |Δ|",
        "relative": "relative, %",
        "next": "The next study",
        "next_intro": "`sweeper next {study}` writes it:",
        "measured": "How it was measured",
        "trials": "trials",
        "questions": "questions",
        "calls": CALLS,
        "calls_text": "{asked} asked of {needed} needed; saved by {causes}",
        "evaluation": "evaluation",
        "time": "time on slots",
        "sampler": "sampler",
        "seed": "training seed",
        "lost": "scores by question that could not be read",
        "unknown_value": "not told",
    },
    "zh": {
        "title": "研究 {study}",
        "space": "",
        "verdict": "结论",
        "alarmed": "警报：{alarms}。在解决此问题之前，以下内容均不可信。",
        "nothing": "还没有完成的试验：尚无结论。",
        "alone": "{best} 在 {settings} 个设置中领先，得分 {score}：没有设置优于基准。",
        "alone_untested": "{best} 在 {settings} 个设置中领先，得分 {score}，比次好者高 {lead}{points}；"
        "只有 {questions} 个问题且没有逐题分数，该差异无法与零区分。",
        "alone_without": "{best} 在 {settings} 个设置中领先，得分 {score}；本研究没有指定基准。",
        "identical": "{best} 得分 {score}，与基准完全相同：没有差异。",
        "untold": "{best} 在 {settings} 个设置中领先，得分 {score}，与基准相差 {difference}{points}，"
        "但无法与基准区分（对所有设置校正后 p {p}）。",
        "better": "{best} 优于基准：得分 {score}，高 {difference}{points}（{interval}；对 {settings} "
        "个设置校正后 p {p}）。",
        "better_less": "{best} 优于基准：得分 {score}，相差 {difference}{points}（{interval}；对 {settings} "
        "个设置校正后 p {p}）。",
        "unknown": "{best} 在 {settings} 个设置中领先，得分 {score}，与基准相差 {difference}{points}；"
        "没有逐题分数，无法检验该差异是否真实。",
        "untested": "{best} 在 {settings} 个设置中领先，得分 {score}，与基准相差 {difference}{points}；"
        "每个设置只有一个数值，无法检验该差异是否真实。",
        "expected": "它是众多设置中得分最高者，分数偏高：在其他问题上预期为 {expected}"
        "（bootstrap 偏差校正，约偏低 {pessimism}{points}）。",
        "expected_least": "它是众多设置中得分最低者，分数偏低：在其他问题上预期为 {expected}"
        "（bootstrap 偏差校正，约偏高 {pessimism}{points}）。",
        "taken": "按规则 `{rule}`，本研究采用 {chosen}。",
        "unchosen": "仅凭这些数字，无法知道它在未参与选择的问题上会得多少分。",
        "held_out": "在未参与选择的保留问题上：{scores}。",
        "held_out_test": "在未参与选择的保留问题上：{scores}；{best} 与基准相差 {difference}{points}（{interval}，p {p}）。",
        "apart": "其他评估集的行不参与此处排名：{rows}。",
        "rules": "各规则会选择的设置",
        "rule": "规则",
        "among": "可选设置数",
        "rules_legend": "* 为本研究采用的规则（`best: {{rule: ...}}`）。其他规则在同样好的设置中选择最保守者{mildness}。",
        "data_warning": "数据",
        "not_held_out": "尚未在保留问题上确认。",
        "may_be": "{settings} 个设置中有 {count} 个无法与最好者区分。",
        "results": "结果对比",
        "setting": "配置",
        "labelled_baseline": "{label}（基准）",
        "mean": "平均",
        "score": "分数",
        "against": "vs 基准",
        "tied": "无法与最好者区分",
        "yes": "=",
        "legend_per_cent": "单位为百分比。",
        "legend_nats": "单位为 nats，越小越好。",
        "legend_more": "{measure}：越大越好。",
        "legend_less": "{measure}：越小越好。",
        "legend_tests": "区间为 95 %（对问题做 BCa bootstrap）；= 表示可能是最好的设置。差值由未舍入的均值"
        "计算；p 值来自配对符号翻转检验，并以 max-T 对所有设置校正。",
        "rounding": "差值在舍入之前计算：{exact}。若先舍入，均值为 {means}，差值会变成 {difference}。",
        "left_out": "另有 {count} 个设置未显示；`sweeper export {study} --all` 可列出全部。",
        "imported": "这些行是在别处测量的（{sources}），不与本工作区的试验一起排名。",
        "winners": "各{parts}的最佳设置",
        "equal_epochs": "相同 epoch 数下的最佳设置",
        "epochs": "epoch 数",
        "of": "设置数",
        "findings": "关键发现",
        "no_findings": "没有规则触发。",
        "alarm": "警报",
        "warning": "警告",
        "note": "提示",
        "figures": "图",
        "figure_parts": "各{parts}的分数",
        "figure_epochs": "各 epoch 的分数",
        "figure_parameter": "各参数取值的分数",
        "figure_parallel": "各设置及其分数（最好的六个着色）",
        "figure_importance": "哪些参数决定设置能否进入前十分之一（PED-ANOVA；误差线为对试验重采样的 90 %）",
        "figure_cost": "迄今最好分数与读者模型调用数",
        "figure_choices": "选择不同的问题比例",
        "figure_drift": "各张量的相对漂移",
        "figure_kl": "KL 与 kl_beta",
        "figure_calls": "读者模型调用：实际与节省",
        "drift": "{best} 的参数变化",
        "tensor": "参数",
        "mean_before": "训练前 mean",
        "mean_now": "训练后 mean",
        "mean_abs": "平均差异",
        "max_abs": "最大差异",
        "relative": "相对变化，%",
        "next": "下一个研究",
        "next_intro": "`sweeper next {study}` 会写出它：",
        "measured": "测量方法",
        "trials": "试验",
        "questions": "问题数",
        "calls": "读者模型调用",
        "calls_text": "需要 {needed} 次，实际 {asked} 次；节省：{causes}",
        "evaluation": "评估",
        "time": "槽位时间",
        "sampler": "采样器",
        "seed": "训练种子",
        "lost": "无法读取的逐题分数",
        "unknown_value": "未知",
    },
}


def phrases(language: Language, config: StudyConfig) -> Mapping[str, str]:
    """The phrases for one study, with the words of its trainer; `list` heads a column of parts."""
    words, own = TEXTS[language], config.nouns.sentences[language]
    filled = {
        key: words[key].format(parts=own["parts"], mildness=own["mildness"])
        for key in ("winners", "figure_parts", "rules_legend")
    }
    return {**words, **own, **filled, "points": config.scale.apart(language)}
