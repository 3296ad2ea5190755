from typing import Any

from sweeper.space import Parameter, Space
from sweeper.study.trainer_section import resolved, trainer_complaints
from sweeper.trainers import builtin_trainer, command_trainer

LR = Parameter(name="lr", low=1e-5, high=1e-2, log=True)
MODE = Parameter(name="mode", choices=("backbone", "none"))


def grpo(**fields: Any) -> dict[str, Any]:
    return {"phases": [{"grpo": fields}]}


def texts(trainer: dict[str, Any], *parameters: Parameter, **options: Any) -> list[tuple[str, str]]:
    found = trainer_complaints(builtin_trainer(), trainer, Space(parameters), **options)
    return [(".".join(map(str, item.where)), item.text) for item in found]


def test_a_good_section_has_no_complaints() -> None:
    assert texts(grpo(lr="${lr}", freeze="${mode}"), LR, MODE) == []


def test_a_refused_value_is_told_where_the_parameter_has_it() -> None:
    modes = Parameter(name="mode", choices=("none", "backbon", "al"))
    epochs = Parameter(name="epochs", low=-1, high=3, integer=True)
    assert texts(grpo(freeze="${mode}", epochs="${epochs}"), modes, epochs) == [
        ("parameters.epochs.min", "-1 does not fit trainer.phases[0].grpo.epochs: must be >= 0"),
        (
            "parameters.mode.values.1",
            "'backbon' does not fit trainer.phases[0].grpo.freeze: must be backbone, none, "
            "projections or head_then_all: N with N >= 1 epochs; did you mean 'backbone'?",
        ),
        (
            "parameters.mode.values.2",
            "'al' does not fit trainer.phases[0].grpo.freeze: must be backbone, none, projections "
            "or head_then_all: N with N >= 1 epochs",
        ),
    ]


def test_a_value_beyond_another_field_is_told_at_the_parameter() -> None:
    stop = Parameter(name="stop", low=1, high=6, integer=True)
    trainer = {"phases": [{"rce": {"epochs": 5, "stop_after": "${stop}"}}]}
    assert texts(trainer, stop) == [
        (
            "parameters.stop.max",
            "6 does not fit trainer.phases[0].rce: stop_after 6 lies beyond epochs 5",
        )
    ]


def test_a_float_range_does_not_fit_a_count() -> None:
    [low, *_] = texts(grpo(epochs="${lr}"), LR)
    assert low == (
        "parameters.lr.min",
        "1e-05 does not fit trainer.phases[0].grpo.epochs: must be a whole number",
    )


def test_values_of_conditional_parameters_and_otherwise_are_tried_too() -> None:
    lr = Parameter(name="lr", low=0.0, high=1.0, when={"mode": ("none",)}, otherwise=-1.0)
    assert texts(grpo(lr="${lr}", freeze="${mode}"), MODE, lr) == [
        ("parameters.lr.otherwise", "-1.0 does not fit trainer.phases[0].grpo.lr: must be > 0"),
        ("parameters.lr.min", "0.0 does not fit trainer.phases[0].grpo.lr: must be > 0"),
    ]


def test_otherwise_is_tried_where_the_first_setting_does_not_use_it() -> None:
    lr = Parameter(name="lr", low=0.1, high=1.0, when={"mode": ("backbone",)}, otherwise=-1.0)
    assert texts(grpo(lr="${lr}", freeze="${mode}"), MODE, lr) == [
        ("parameters.lr.otherwise", "-1.0 does not fit trainer.phases[0].grpo.lr: must be > 0")
    ]


def test_otherwise_of_a_constant_is_tried_too() -> None:
    lr = Parameter(name="lr", fixed=0.1, when={"mode": ("backbone",)}, otherwise=-1.0)
    assert texts(grpo(lr="${lr}", freeze="${mode}"), MODE, lr) == [
        ("parameters.lr.otherwise", "-1.0 does not fit trainer.phases[0].grpo.lr: must be > 0")
    ]


def test_of_two_parameters_the_one_that_is_varied_is_told() -> None:
    heads = Parameter(name="heads", choices=(1, 5))
    width = Parameter(name="width", choices=(48, 32))
    trainer = grpo() | {"policy": {"num_heads": "${heads}", "hidden_dim": "${width}"}}
    assert texts(trainer, heads, width) == [
        (
            "parameters.heads.values.1",
            "5 does not fit trainer.policy: hidden_dim 48 must be a multiple of num_heads 5",
        )
    ]


def test_a_conditional_parameter_without_otherwise_cannot_be_referred_to() -> None:
    lr = Parameter(name="lr", low=0.1, high=1.0, when={"mode": ("none",)})
    assert texts(grpo(lr="${lr}", freeze="${mode}"), MODE, lr) == [
        (
            "parameters.lr",
            "needs `otherwise`, a value for trainer.phases[0].grpo.lr while `when` does not hold",
        )
    ]


def test_unknown_unused_and_unfinished_references_are_told_once_each() -> None:
    assert texts(grpo(lr="${lrr}", freeze="${mode"), LR, MODE) == [
        (
            "trainer.phases.0.grpo.lr",
            "unknown reference '${lrr}'; parameters: lr, mode; did you mean 'lr'?",
        ),
        ("trainer.phases.0.grpo.freeze", 'a reference lacks its closing brace; write "${name}"'),
        ("parameters.lr", 'is not used; write "${lr}" in the trainer section, or remove it'),
        ("parameters.mode", 'is not used; write "${mode}" in the trainer section, or remove it'),
    ]


def test_a_parameter_that_only_gates_others_is_used() -> None:
    assert texts(grpo(lr="${lr}"), LR, MODE, gates={"mode"}) == []


def test_a_reference_to_a_broken_parameter_is_not_judged() -> None:
    assert texts(grpo(lr="${lr}", epochs="${broken}"), LR, broken=["broken"]) == []


def test_mistakes_of_the_section_itself_are_told_although_references_are_open() -> None:
    found = texts(grpo(lr="${broken}", kl=1, epochs="many"), broken=["broken"])
    assert [where for where, _ in found] == [
        "trainer.phases.0.grpo.epochs",
        "trainer.phases.0.grpo.kl",
    ]


def test_settings_are_tried_whole() -> None:
    heads = Parameter(name="heads", choices=(1, 3))
    width = Parameter(name="width", choices=(48, 32))
    trainer = grpo() | {"policy": {"num_heads": "${heads}", "hidden_dim": "${width}"}}
    settings = {("baseline",): {"heads": 3, "width": 32}, ("enqueue", 0): {"heads": 3, "width": 48}}
    assert texts(trainer, heads, width, settings=settings) == [
        (
            "baseline",
            "does not fit trainer.policy: hidden_dim 32 must be a multiple of num_heads 3",
        )
    ]


def test_a_resolved_section_has_every_default_and_keeps_its_references() -> None:
    trainer = grpo(lr="${lr}", freeze={"head_then_all": "${n}"}, curriculum=["${n}", 5])
    space = Space((LR, Parameter(name="n", low=2, high=3, integer=True)))
    found = resolved(builtin_trainer(), {**trainer, "task": "easy_vqa"}, space)
    assert found["phases"][0]["grpo"]["lr"] == "${lr}"
    assert found["phases"][0]["grpo"]["freeze"] == {"head_then_all": "${n}"}
    assert found["phases"][0]["grpo"]["curriculum"] == ["${n}", 5]
    assert found["phases"][0]["grpo"]["kl_beta"] == 0.15
    assert found["evaluate"]["questions"] == 800
    assert resolved(builtin_trainer(), found, space) == found


def test_a_reference_within_a_short_form_keeps_that_form() -> None:
    """One source of results in place of a list of them, as the file has it."""
    results = {"file": "${trial.dir}/out.json", "metrics": {"score": "/score"}}
    section = {
        "command": ["python", "x.py", "${lr}"],
        "results": results,
        "params": {"lr": "${lr}"},
    }
    assert resolved(command_trainer(), section, Space((LR,)))["results"] == results
