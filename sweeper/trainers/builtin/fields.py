"""Which field of the section a parameter of another tool means, by its name. Pure."""

from collections.abc import Mapping

from trainer.contract import GrpoSpec, PolicySpec, RceSpec

Field = tuple[str, str]  # section and field

# Where a parameter belongs, as (section, field). Later entries win.
FIELDS = {
    **{f"rce_{name}": ("rce", name) for name in RceSpec.model_fields},
    **{name: ("rce", name) for name in RceSpec.model_fields},
    **{f"grpo_{name}": ("grpo", name) for name in GrpoSpec.model_fields},
    **{name: ("policy", name) for name in PolicySpec.model_fields},
    **{name: ("grpo", name) for name in GrpoSpec.model_fields},
    "seed": ("", "seed"),
    "random_seed": ("", "seed"),
}
_OTHER_NAMES = {
    "learning_rate": "lr",
    "learn_rate": "lr",
    "beta": "kl_beta",
    "kl_coef": "kl_beta",
    "kl_coeff": "kl_beta",
    "kl_weight": "kl_beta",
    "init_kl_coef": "kl_beta",
    "n_epochs": "epochs",
    "num_epochs": "epochs",
    "num_train_epochs": "epochs",
    "freeze_mode": "freeze",
    "train_batch_size": "batch_size",
    "per_device_train_batch_size": "batch_size",
    "wd": "weight_decay",
    "epsilon": "clip_epsilon",
    "clip_eps": "clip_epsilon",
    "clip_range": "clip_epsilon",
    "cliprange": "clip_epsilon",
    "grad_clip": "max_grad_norm",
    "gradient_clip_val": "max_grad_norm",
    "num_generations": "group_size",
    "reward_mode": "reward",
    "hidden_size": "hidden_dim",
}
_PHASES = {"rce": "rce", "grpo": "grpo", "actor": "grpo"}
_OPTIMIZERS = ("optimizer", "optim", "opt")
_OPTIMIZED = ("lr", "weight_decay", "max_grad_norm")  # another `epsilon` there is Adam's
_NEUTRAL = {  # groups that name no phase
    *("train", "training", "trainer", "training_args", "args", "config", "hparams", "params"),
    *("model", "policy", "algorithm", "algo", *_OPTIMIZERS),
}
SEARCHED = tuple(sorted({*GrpoSpec.model_fields, "seed"}))  # what people mostly search


def field_of(name: str) -> Field | None:
    """The field that a name means, however it is written; None where nobody can tell.

    A prefix decides the place: `rce.lr` and `rce_lr` are RCE's, `critic.lr` is nobody's.
    """
    *above, plain = name.lower().replace("-", "_").replace("/", ".").split(".")
    phase = ""
    for part in above:
        if part in _PHASES:
            phase = _PHASES[part]
        elif part not in _NEUTRAL:
            return None
    first, _, rest = plain.partition("_")
    if first in _PHASES and rest:
        phase, plain = _PHASES[first], rest
    plain = _OTHER_NAMES.get(plain, plain)
    if plain not in _OPTIMIZED and any(part in _OPTIMIZERS for part in above):
        return None
    return FIELDS.get(f"{phase}_{plain}" if phase else plain)


def section_with(names: Mapping[Field, str]) -> dict[str, object]:
    """A section that refers to each parameter in its field.

    Args:
        names: Of parameters, by the field that each belongs to.
    """
    parts: dict[str, dict[str, object]] = {"": {}, "policy": {}, "rce": {"epochs": 5, "lr": 1e-3}}
    parts["grpo"] = {}
    for (part, field), name in names.items():
        parts[part][field] = f"${{{name}}}"
    section = {"task": "easy_vqa", **parts[""]}
    if parts["policy"]:
        section["policy"] = parts["policy"]
    return section | {"phases": [{"rce": parts["rce"]}, {"grpo": parts["grpo"]}]}
