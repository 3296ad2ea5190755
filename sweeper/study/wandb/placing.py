"""A sweep's parameters in the fields of the built-in trainer that their names mean."""

from collections.abc import Iterable, Iterator, Mapping

from sweeper.space import Parameter, Space
from sweeper.study.trainer_section import trainer_complaints
from sweeper.study.wandb.carrying import Carried, carried
from sweeper.study.yaml_text import yaml_value
from sweeper.trainers import builtin_trainer

Field = tuple[str, str]  # section and field
Placed = Mapping[Field, Carried]


def placed(written: Mapping[str, object]) -> tuple[dict[Field, Carried], dict[str, str]]:
    """Split the sweep's parameters into those with a field and the others, each with the reason."""
    found: dict[Field, Carried] = {}
    lost = {}
    for name, raw in written.items():
        field = builtin_trainer().field_of(name)
        if field is None:
            lost[name] = "no field of the trainer has this name"
        elif field in found:
            lost[name] = f"is the same field as {found[field].name}"
        else:
            item = carried(name, raw)
            if not isinstance(item, str):
                item = _refused(field, item) or item
            if isinstance(item, str):
                lost[name] = item
            else:
                found[field] = item
    return found, lost


def _refused(field: Field, item: Carried) -> str | None:
    kind = builtin_trainer()
    complaints = trainer_complaints(
        kind, kind.section({field: item.name}), Space((item.parameter,))
    )
    return complaints[0].text if complaints else None


def most_epochs(items: Placed) -> int:
    """Epochs of the longest trial."""
    training = items.get(("grpo", "epochs"))
    return 1 if training is None else largest(training.parameter) or 1


def largest(parameter: Parameter) -> int | None:
    """The greatest whole number that a parameter can be; None where that is none."""
    values: Iterable[object] = parameter.choices or (parameter.fixed,)
    if parameter.high is not None:
        values = (parameter.high,)
    whole = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
    return max(whole, default=None)


def trainer_lines(items: Placed) -> Iterator[str]:
    """Yield the `trainer:` section and its metric."""
    kind = builtin_trainer()
    yield "trainer:"
    for key, value in kind.section({field: item.name for field, item in items.items()}).items():
        if not isinstance(value, list):
            yield f"  {key}: {yaml_value(value)}"
            continue
        yield f"  {key}:"
        for entry in value:
            [(name, settings)] = entry.items()
            yield f"    - {name}: {yaml_value(settings)}"
