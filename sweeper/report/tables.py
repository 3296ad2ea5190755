"""The tables of a report, from evidence and assessment."""

import platform
from collections.abc import Iterator, Mapping, Sequence

from sweeper.findings.rows import last_metrics, trained_epochs
from sweeper.report.blocks import Block, Heading, Paragraph, Table
from sweeper.report.numbers import difference, interval, label, p_value
from sweeper.results.assessment import Assessment, Weighed
from sweeper.results.choosing import choices
from sweeper.results.evidence import Evidence
from sweeper.scales import NATS, PER_CENT, Scale
from sweeper.words import SAVED_BY, params_text

SHOWN = 20  # settings in the table of results; the baseline on top
Words = Mapping[str, str]


def results(evidence: Evidence, assessment: Assessment, words: Words) -> Iterator[Block]:
    """Controls, then the best settings and the baseline, each with what its scores prove."""
    scale, tested = evidence.config.scale, evidence.config.can.by_question
    found = list(dict.fromkeys(s for entry in assessment.rows for s in entry.row.accuracy))
    parts = evidence.config.nouns.columns(found)
    shown = _shown(assessment)
    yield Table(
        [
            words["setting"],
            *((words["part_1"] if s == "1" else words["part"]).format(part=s) for s in parts),
            _mean(shown, words),
            words["against"],
            *(["p", words["tied"]] if tested else []),
        ],
        [
            [
                label(entry, evidence.config, words),
                *(_exact(entry.row.accuracy.get(s), scale) for s in parts),
                _with_interval(scale.exact(entry.row.score), entry.interval, scale),
                _with_interval(
                    difference(entry.difference, scale), entry.difference_interval, scale
                ),
                *([p_value(entry.p_max_t), _tied(entry, words)] if tested else []),
            ]
            for entry in shown
        ],
    )
    left_out = len(assessment.rows) - len(shown)
    if left_out:
        yield Paragraph(words["left_out"].format(count=left_out, study=evidence.config.name))
    yield Paragraph(words["space"].join(_legend(evidence, words)))
    count = sum(bool(entry.may_be_best) for entry in assessment.rows)
    if count:
        yield Paragraph(words["may_be"].format(count=count, settings=assessment.settings))
    if assessment.imported:
        yield from _elsewhere(evidence, assessment, words)


def _shown(assessment: Assessment) -> list[Weighed]:
    controls = [entry for entry in assessment.rows if entry.row.kind == "control"]
    trials = [entry for entry in assessment.rows if entry.row.kind != "control"]
    rest = trials[SHOWN:] if len(trials) > SHOWN + 1 else []
    anchor = [entry for entry in rest if entry is assessment.baseline]
    return [*controls, *(trials[:SHOWN] if rest else trials), *anchor]


def _legend(evidence: Evidence, words: Words) -> Iterator[str]:
    """In what scores stand, which end is the good one, and what intervals and tests are."""
    config = evidence.config
    if config.scale == NATS:
        yield words["legend_nats"]
    elif config.scale == PER_CENT and evidence.sign > 0:
        yield words["legend_per_cent"]
    else:
        which = "legend_more" if evidence.sign > 0 else "legend_less"
        yield words[which].format(measure=config.measure)
    if config.can.by_question:
        yield words["legend_tests"]


def _mean(entries: Sequence[Weighed], words: Words) -> str:
    """What the column of scores is called: means, where they are such."""
    return words["mean" if any(entry.row.accuracy for entry in entries) else "score"]


def _tied(entry: Weighed, words: Words) -> str:
    return words["yes"] if entry.may_be_best else ""


def _exact(score: float | None, scale: Scale) -> str:
    return "" if score is None else scale.exact(score)


def _with_interval(number: str, ends: tuple[float, float] | None, scale: Scale) -> str:
    return f"{number} {interval(ends, scale)}".strip()


def _elsewhere(evidence: Evidence, assessment: Assessment, words: Words) -> Iterator[Block]:
    """What is to be said of results that others measured, and perhaps rounded first."""
    sources = "; ".join(dict.fromkeys(entry.row.source for entry in assessment.rows))
    yield Paragraph(words["imported"].format(sources=sources or words["unknown_value"]))
    if assessment.apart:
        rows = ", ".join(f"{row.label} ({row.evaluation})" for row in assessment.apart)
        yield Paragraph(words["apart"].format(rows=rows))
    scores = sorted({round(entry.row.score, 9) for entry in assessment.rows}, reverse=True)
    if len(scores) < 2 or evidence.config.scale != PER_CENT:
        return
    first, second = scores[:2]
    rounded = round(100 * first, 1)  # as a table by hand has it
    told, read = 100 * (second - first), 100 * second - rounded
    if abs(read - told) > 1e-9:
        means = f"{rounded:.1f} / {PER_CENT.exact(second)}"
        yield Paragraph(
            words["rounding"].format(
                means=means, difference=f"{read:+.2f}", exact=f"{told:+.3f}".removesuffix("0")
            )
        )


def rules(evidence: Evidence, assessment: Assessment, words: Words) -> Iterator[Block]:
    """What each rule of `best:` would take."""
    taken = choices(evidence, assessment)
    if not taken or assessment.imported or not evidence.config.can.by_question:
        return
    scale = evidence.config.scale
    entries = {entry.row.label: entry for entry in assessment.rows}
    yield Heading(words["rules"])
    yield Table(
        [words["rule"], words["setting"], words["mean"], words["among"]],
        [
            [
                f"{rule} *" if rule == evidence.config.best.rule else rule,
                label(entries[choice.row.label], evidence.config, words),
                scale.exact(choice.row.score),
                "" if choice.among is None else str(choice.among),
            ]
            for rule, choice in taken.items()
        ],
        labels=2,
    )
    yield Paragraph(words["rules_legend"])


def by_part(evidence: Evidence, assessment: Assessment, words: Words) -> Iterator[Block]:
    """The best by each part of the score, with the same corrections."""
    if len(assessment.winners) < 2:
        return
    scale, tested = evidence.config.scale, evidence.config.can.by_question
    yield Heading(words["winners"])
    yield Table(
        [words["list"], words["setting"], words["mean"], words["against"], *["p"] * tested],
        [
            [
                parts,
                label(winner.entry, evidence.config, words),
                scale.exact(winner.entry.row.accuracy[parts]),
                difference(winner.difference, scale),
                *[p_value(winner.p)] * tested,
            ]
            for parts, winner in assessment.winners.items()
        ],
        labels=2,
    )


def by_epochs(evidence: Evidence, assessment: Assessment, words: Words) -> Iterator[Block]:
    """The best at every number of epochs: settings compared with their equals."""
    trials = [entry for entry in assessment.rows if entry.row.training is not None]
    numbers = sorted({trained_epochs(entry.row) for entry in trials})
    if len(numbers) < 2:
        return
    scale = evidence.config.scale
    best = [
        next(entry for entry in trials if trained_epochs(entry.row) == number) for number in numbers
    ]
    yield Heading(words["equal_epochs"])
    yield Table(
        [words["epochs"], words["setting"], _mean(trials, words), words["against"], words["of"]],
        [
            [
                str(number),
                label(entry, evidence.config, words),
                _with_interval(scale.exact(entry.row.score), entry.interval, scale),
                difference(entry.difference, scale),
                str(sum(trained_epochs(other.row) == number for other in trials)),
            ]
            for number, entry in zip(numbers, best, strict=True)
        ],
        labels=2,
    )


def drift(evidence: Evidence, assessment: Assessment, words: Words) -> Iterator[Block]:
    """How far each tensor of the best has moved since the start of its phase."""
    best = assessment.leader
    metrics = {} if best is None else last_metrics(best.row)
    tensors = dict.fromkeys(key.split("/")[1] for key in metrics if key.startswith("drift/"))
    if best is None or not tensors:
        return
    yield Heading(words["drift"].format(best=label(best, evidence.config, words)))
    keys = ("tensor", "mean_before", "mean_now", "mean_abs", "max_abs", "relative")
    yield Table(
        [words[key] for key in keys],
        [
            [
                name,
                *(f"{mean:.6f}" for mean in evidence.tensor_means.get(name, ())),
                *([""] * (0 if name in evidence.tensor_means else 2)),
                *(f"{metrics[f'drift/{name}/{kind}']:.6f}" for kind in ("mean_abs", "max_abs")),
                _relative(metrics[f"drift/{name}/relative_norm"]),
            ]
            for name in tensors
        ],
    )


def _relative(share: float | None) -> str:
    return "∞" if share is None else f"{100 * share:.3f}"  # none: it was all zeros


def measured(evidence: Evidence, assessment: Assessment, words: Words) -> Iterator[list[str]]:
    """Digests, versions, seeds, cost."""
    config = evidence.config
    yield [words["trials"], ", ".join(f"{n} {state}" for state, n in evidence.states.items() if n)]
    if assessment.questions and config.can.has_questions:
        yield [words["questions"], str(assessment.questions)]
    if isinstance(evaluate := config.trainer.get("evaluate"), Mapping):
        told = {key: value for key, value in evaluate.items() if value is not None}
        yield [words["evaluation"], params_text(told)]
    if evidence.calls.needed:
        counts = {name: f"{getattr(evidence.calls, name):,}" for name in ("asked", "needed")}
        causes = ", ".join(f"{getattr(evidence.calls, cause):,} {name}" for cause, name in SAVED_BY)
        yield [words["calls"], words["calls_text"].format(**counts, causes=causes)]
    seconds = sum(row.seconds or 0.0 for row in evidence.trials if "@" not in row.label)
    if seconds:
        yield [words["time"], f"{seconds / 3600:.2f} h"]
    yield [words["sampler"], f"{config.sampler.name}, seed {config.sampler.seed}"]
    yield [words["seed"], str(config.can.seed)]
    for name, value in evidence.environment.items():
        if value:
            yield [name, value]
    yield ["python", platform.python_version()]
    if evidence.lost:
        yield [words["lost"], ", ".join(evidence.lost)]
