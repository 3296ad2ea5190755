"""The search space: parameters, which of them are active, and finite spaces point by point.

Pure values; no Optuna, no files. A *setting* maps the names of the active parameters to values;
the *values* of a trial are its setting completed by fixed parameters and, for inactive ones,
`otherwise`. A parameter that is inactive itself satisfies nobody's `when`.
"""

import difflib
import math
from bisect import bisect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import accumulate, islice

Value = str | int | float | bool
Setting = Mapping[str, Value]

_STEP_TOLERANCE = 1e-8  # in steps: 0.1 + 0.2 is a multiple of 0.1; the tolerance of Optuna


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """What the sampler may choose for one name."""

    name: str
    low: float | int | None = None  # of a float or int parameter; a value, also when log
    high: float | int | None = None
    log: bool = False
    step: float | int | None = None
    integer: bool = False
    choices: tuple[Value, ...] = ()  # of a categorical parameter
    probabilities: tuple[float, ...] = ()  # of the choices where they are drawn; none: all alike
    fixed: Value | None = None  # a constant that only gives a name to a value
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)  # all must hold
    otherwise: Value | None = None  # the value used while `when` does not hold
    fidelity: bool = False  # a training budget: a longer training contains the shorter ones

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest value that can be chosen; a range that no step ends on is cut."""
        assert self.low is not None, f"{self.name} has no range"
        assert self.high is not None, f"{self.name} has no range"
        if self.step is None:
            return self.low, self.high
        first, step = _decimal(self.low), _decimal(self.step)
        last = first + (_decimal(self.high) - first) // step * step
        return self.low, int(last) if self.integer else float(last)


@dataclass(frozen=True, slots=True)
class Space:
    """All parameters, every one after those that its `when` names."""

    parameters: tuple[Parameter, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all parameters, the fixed ones included."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def searched(self) -> tuple[Parameter, ...]:
        """The parameters that a sampler chooses: all but the fixed ones."""
        return tuple(parameter for parameter in self.parameters if parameter.fixed is None)

    def active(self, setting: Setting) -> tuple[Parameter, ...]:
        """Return the searched parameters whose conditions hold in ``setting``, in order.

        A condition on a parameter that has no value in ``setting`` does not hold.
        """
        known = _walk(self, lambda parameter: setting.get(parameter.name))
        return tuple(parameter for parameter in self.searched if _holds(parameter, known))


def compose(space: Space, choose: Callable[[Parameter], Value]) -> dict[str, Value]:
    """Build a setting: ask ``choose`` for every parameter that turns out active, in order."""
    known = _walk(space, choose)
    return {
        parameter.name: known[parameter.name]
        for parameter in space.searched
        if parameter.name in known
    }


def complete_values(space: Space, setting: Setting) -> dict[str, Value]:
    """Return the value of every parameter: chosen, fixed, or `otherwise` of an inactive one.

    An inactive parameter without `otherwise` is left out. Raises KeyError where ``setting`` lacks
    an active parameter.
    """
    known = _walk(space, lambda parameter: setting[parameter.name])
    values = {
        parameter.name: known.get(parameter.name, parameter.otherwise)
        for parameter in space.parameters
    }
    return {name: value for name, value in values.items() if value is not None}


def canonical(space: Space, setting: Setting) -> dict[str, Value]:
    """Write a valid setting the one way in which it is stored and compared.

    Choices as declared, whole numbers as int, floats as float, stepped floats as the decimal
    multiple that is meant (0.3, not 0.30000000000000004).
    """
    return compose(space, lambda parameter: _canonical_value(parameter, setting[parameter.name]))


def check_setting(space: Space, setting: Setting) -> list[str]:
    """List everything wrong with a setting that a user wrote; empty if it lies in the space."""
    problems = []
    active = {parameter.name: parameter for parameter in space.active(setting)}
    fixed = {parameter.name: parameter.fixed for parameter in space.parameters}
    for name, value in setting.items():
        if name in active:
            problem = _value_problem(active[name], value)
            if problem is not None:
                problems.append(problem)
        elif name not in fixed:
            near = difflib.get_close_matches(name, space.names, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(space.names)}"
            problems.append(f"`{name}` is not a parameter; {hint}")
        elif fixed[name] is not None:
            problems.append(f"`{name}` is fixed to {fixed[name]!r}; leave it out")
        else:
            problems.append(
                f"`{name}` is not active in this setting (see its `when`); leave it out"
            )
    missing = [name for name in active if name not in setting]
    return problems + [f"`{name}` is missing; give it a value" for name in missing]


def is_finite(space: Space) -> bool:
    """Whether the space has finitely many settings."""
    return all(_count(parameter) is not None for parameter in space.searched)


def size(space: Space) -> int:
    """Count the settings of a finite space. Raises ValueError if it is not finite."""
    return sum(block.size for block in _blocks(space))


def settings(space: Space) -> Iterator[dict[str, Value]]:
    """Go through a finite space in a fixed order, each setting once; later parameters vary faster.

    Raises:
        ValueError: if the space is not finite.
    """
    for block in _blocks(space):
        for index in range(block.size):
            yield block.setting(index)


def setting_number(space: Space, index: int) -> dict[str, Value]:
    """Return what `settings` gives at place ``index``, without going through those before.

    Raises:
        ValueError: if the space is not finite.
        IndexError: if ``index`` is not below its size.
    """
    rest = index
    for block in _blocks(space):
        if rest < block.size:
            return block.setting(rest)
        rest -= block.size
    raise IndexError(f"the space has {size(space)} settings, but number {index} was asked for")


def setting_at(space: Space, point: Sequence[float]) -> dict[str, Value]:
    """Map a point of the unit cube to a setting, uniformly (in the logarithm where `log`).

    Args:
        space: Any space.
        point: One coordinate in [0, 1] for every searched parameter, inactive ones included.
    """
    coordinates = dict(zip((parameter.name for parameter in space.searched), point, strict=True))
    return compose(space, lambda parameter: _value_at(parameter, coordinates[parameter.name]))


@dataclass(frozen=True, slots=True)
class _Block:
    """Settings that agree on every parameter that a `when` names; the free ones vary."""

    space: Space
    gates: Setting
    free: tuple[tuple[Parameter, int], ...]  # with the number of their values

    @property
    def size(self) -> int:
        return math.prod(count for _, count in self.free)

    def setting(self, index: int) -> dict[str, Value]:
        chosen = dict(self.gates)
        for parameter, count in reversed(self.free):
            index, place = divmod(index, count)
            chosen[parameter.name] = _value_number(parameter, place)
        return compose(self.space, lambda parameter: chosen[parameter.name])


def _blocks(space: Space) -> Iterator[_Block]:
    """Split a finite space into blocks, so that settings can be counted without listing them."""
    counts = {parameter.name: _count(parameter) for parameter in space.searched}
    endless = [name for name, count in counts.items() if count is None]
    if endless:
        raise ValueError(f"not a finite space: {', '.join(endless)} have no step")
    gate_names = {name for parameter in space.parameters for name in parameter.when}

    def split(
        place: int, known: Setting, free: tuple[tuple[Parameter, int], ...]
    ) -> Iterator[_Block]:
        for parameter in islice(space.parameters, place, None):
            place += 1
            if not _holds(parameter, known):
                continue
            if parameter.fixed is not None:
                known = {**known, parameter.name: parameter.fixed}
                continue
            count = counts[parameter.name]
            assert count is not None
            if parameter.name in gate_names:
                for number in range(count):
                    value = _value_number(parameter, number)
                    yield from split(place, {**known, parameter.name: value}, free)
                return
            free = (*free, (parameter, count))
        yield _Block(space, known, free)

    return split(0, {}, ())


def _walk(space: Space, choose: Callable[[Parameter], Value | None]) -> dict[str, Value]:
    """Collect the values of the active parameters, fixed ones included, each after its gates."""
    known: dict[str, Value] = {}
    for parameter in space.parameters:
        if _holds(parameter, known):
            value = choose(parameter) if parameter.fixed is None else parameter.fixed
            if value is not None:
                known[parameter.name] = value
    return known


def _holds(parameter: Parameter, known: Setting) -> bool:
    """Whether all of `when` holds, given the values of the active parameters before it."""
    return all(
        name in known and any(_same(known[name], value) for value in allowed)
        for name, allowed in parameter.when.items()
    )


def _same(a: Value, b: Value) -> bool:
    """Equality under which 1 is 1.0 but not True."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def _count(parameter: Parameter) -> int | None:
    """Number of values of a searched parameter; None if it is continuous."""
    if parameter.choices:
        return len(parameter.choices)
    low, high = parameter.bounds
    if low == high:
        return 1
    step = _step(parameter)
    return None if step is None else int((_decimal(high) - _decimal(low)) / step) + 1


def _step(parameter: Parameter) -> Decimal | None:
    if parameter.step is not None:
        return _decimal(parameter.step)
    return Decimal(1) if parameter.integer else None


def _decimal(value: float) -> Decimal:
    return Decimal(str(value))  # the number that was written, not its nearest binary fraction


def _value_number(parameter: Parameter, number: int) -> Value:
    """Return one value of a parameter that has finitely many, in order."""
    if parameter.choices:
        return parameter.choices[number]
    value = _decimal(parameter.bounds[0]) + number * (_step(parameter) or 0)
    return int(value) if parameter.integer else float(value)


def _value_at(parameter: Parameter, coordinate: float) -> Value:
    """Map [0, 1] to the values of a parameter."""
    if parameter.probabilities:
        sums = list(accumulate(parameter.probabilities))
        return parameter.choices[bisect(sums, coordinate * sums[-1], hi=len(sums) - 1)]
    count = _count(parameter)
    if count is not None and not parameter.log:
        return _value_number(parameter, min(int(coordinate * count), count - 1))
    low, high = parameter.bounds
    margin = 0.5 if parameter.integer else 0.0  # every whole number gets its share of the logarithm
    first, last = low - margin, high + margin
    value = (
        first * (last / first) ** coordinate if parameter.log else low + coordinate * (high - low)
    )
    value = min(max(value, low), high)
    return min(max(round(value), int(low)), int(high)) if parameter.integer else float(value)


def _canonical_value(parameter: Parameter, value: Value) -> Value:
    if parameter.choices:
        return next(choice for choice in parameter.choices if _same(choice, value))
    number = float(value)
    count, step = _count(parameter), _step(parameter)
    if count is None or step is None:
        return number
    return _value_number(parameter, round((number - parameter.bounds[0]) / float(step)))


def _value_problem(parameter: Parameter, value: Value) -> str | None:
    """Say why ``value`` is none of the parameter's values; None if it is one."""
    name = parameter.name
    if parameter.choices:
        if any(_same(choice, value) for choice in parameter.choices):
            return None
        return f"`{name}` must be one of {list(parameter.choices)}, but got {value!r}"
    kind = "a whole number" if parameter.integer else "a number"
    low, high = parameter.bounds
    wanted = f"`{name}` must be {kind} from {low} to {high}"
    if isinstance(value, bool | str) or not low <= value <= high:  # NaN breaks the chain too
        return f"{wanted}, but got {value!r}"
    step = _step(parameter)
    if step is None:
        return None
    steps = (value - low) / float(step)
    if abs(steps - round(steps)) < _STEP_TOLERANCE:
        return None
    grid = "" if parameter.step is None else f" in steps of {parameter.step}"
    return f"{wanted}{grid}, but got {value!r}"
