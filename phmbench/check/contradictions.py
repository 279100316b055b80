"""Choices that contradict each other: each means something, and together one of them does nothing, or harm.

Lightning and torch take most of them without a word. What makes a run wrong is an error; what only makes a choice do
nothing is a warning, which stands on the screen and in the record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from phmbench.check.adapting import of_adaptation
from phmbench.check.episodes import of_episodes
from phmbench.check.findings import Finding, warning
from phmbench.check.slots import EVALUATE
from phmbench.check.trainer import number
from phmbench.errors import ConfigError
from phmbench.revolutions import of_envelope, of_view, samples
from phmbench.signatures import signature_of

OF_ENVELOPES = ("Envelope", "Orders", "FaultOrders", "Comb")
VIEWS = ("time", "angle", "envelope_angle")
AT_ITS_END = {"StepLR": "falls", "ConstantLR": "rises to the optimizer's"}
LARGEST_SEED = 2**32 - 1
LENGTHS = {
    "CosineAnnealingLR": "T_max",
    "CosineAnnealingWarmRestarts": "T_0",
    "OneCycleLR": "total_steps",
    "PolynomialLR": "total_iters",
    "LinearLR": "total_iters",
    "ConstantLR": "total_iters",
    "StepLR": "step_size",
}
"""Schedule → the parameter that says how many epochs it takes to do what it is for."""
FINDERS = {
    "BatchSizeFinder": "it changes data.batch_size behind the record; choose fit_memory=true",
    "LearningRateFinder": "it sets the rate a second time, behind task.optimizer.lr; set task.optimizer.lr",
}


def check_contradictions(config: Mapping[str, object]) -> list[Finding]:
    """Findings about two or more choices; nothing of a pipeline that does not train."""
    trainer, task = config.get("trainer"), config.get("task")
    if not isinstance(trainer, Mapping) or not isinstance(task, Mapping):
        return []  # reported with the root
    if found := [*_of_views(config.get("data")), *_of_envelopes(config)]:
        return found
    pipeline = config.get("pipeline")
    if isinstance(pipeline, Mapping) and pipeline.get("_target_") == EVALUATE:
        if config.get("fit_memory") is True:
            return [Finding("fit_memory", "nothing is trained by pipeline=evaluate; set data.batch_size for its test")]
        return []
    return [
        *_seeds(config),
        *_of_splits(config),
        *_of_selection(config, task),
        *_of_trainer(trainer),
        *_of_schedule(trainer, task),
        *_of_callbacks(config, trainer),
        *_of_algorithm(task),
        *of_episodes(config, task),
        *of_adaptation(config, task),
    ]


def _name(node: object) -> str:
    """The class or function that a node names, without its module; nothing where that cannot be read."""
    try:
        target = str(node["_target_"]) if isinstance(node, Mapping) else ""
        return signature_of(target).definition.dotted.rpartition(".")[2] if target else ""
    except (ConfigError, KeyError):
        return ""


def _seeds(config: Mapping[str, object]) -> Iterator[Finding]:
    last = number(config.get("seed")) + number(config.get("repeats")) - 1
    if last > LARGEST_SEED:
        yield Finding(
            "repeats", f"the last seed is too large; got {last:.0f}; expected at most {LARGEST_SEED}; lower seed"
        )


def _of_splits(config: Mapping[str, object]) -> Iterator[Finding]:
    if config.get("other_splits") and config.get("test") is False:
        what = "they are compared on their test sets; got some beside test=false; remove one of the two"
        yield Finding("other_splits", what)


def _of_selection(config: Mapping[str, object], task: Mapping[str, object]) -> Iterator[Finding]:
    """Looking at the test set in each epoch needs epochs, a test, and one network that validation would choose."""
    where = "selection" if config.get("selection") == "oracle" else "other_selections"
    if config.get("selection") != "oracle" and config.get("other_selections") is not True:
        return
    if config.get("estimator") is not None:
        yield Finding(where, "there are no epochs to choose from; got an estimator; leave it out")
    if config.get("test") is False:
        yield Finding(where, "it looks at the test set; got test=false; leave one of the two out")
    if _name(task.get("averaging")) == "SWAD":
        yield Finding(where, "chooses an epoch, and SWAD tests a mean over many; got both; choose task/averaging=ema")


def _of_views(data: object) -> Iterator[Finding]:
    """What the data would say when they are built: here it is said before, and by `phmbench check`."""
    if not isinstance(data, Mapping) or _name(data) != "VibrationData" or data.get("view") not in VIEWS:
        return  # somebody else's, or reported where types are checked
    per_revolution, rate, view = data.get("per_revolution"), data.get("sample_rate"), data["view"]
    try:
        number = of_view(view, per_revolution if isinstance(per_revolution, int) else None,
                         rate if isinstance(rate, int | float) else None)  # fmt: skip
        band, whiten = data.get("band"), data.get("whiten")
        numbers = isinstance(band, Sequence) and all(isinstance(edge, int | float) for edge in band)
        of_envelope(view, band if numbers else None, whiten if isinstance(whiten, bool) else None)
        for name in ("window", "hop"):
            if isinstance(length := data.get(name), str):
                samples(length, name=f"data.{name}", view=view, per_revolution=number)
    except ConfigError as error:
        where, _, what = str(error).partition(": ")
        yield Finding(where, what)


def _of_envelopes(config: Mapping[str, object]) -> Iterator[Finding]:
    """An envelope of recordings that are envelopes has no meaning, nor has a signal that is taken for one."""
    data, model, estimator = config.get("data"), config.get("model"), config.get("estimator")
    enveloped = isinstance(data, Mapping) and data.get("view") == "envelope_angle"
    front = model.get("front") if isinstance(model, Mapping) else None
    several = front.get("fronts") if isinstance(front, Mapping) else None
    for one in (front, *(several.values() if isinstance(several, Mapping) else ())):
        if _name(one) not in OF_ENVELOPES or not isinstance(one, Mapping):
            continue
        told = one.get("enveloped") is True
        if enveloped and not told:
            what = f"takes the envelope of what is one; got {_name(one)} and data.view=envelope_angle"
            yield Finding("model.front", f"{what}; set model.front.enveloped=true, or choose model/front=spectrum")
            return
        if told and not enveloped:
            yield Finding(
                "model.front.enveloped",
                "takes for an envelope what is none; got true; choose data.view=envelope_angle, or leave it out",
            )
            return
    if not enveloped:
        return
    features = estimator.get("features") if isinstance(estimator, Mapping) else None
    if isinstance(features, Mapping) and (features.get("band") is not None or features.get("whiten") is True):
        what = "takes the envelope of what is one; got a band or whitening and data.view=envelope_angle; expected none"
        yield Finding(
            "estimator.features.band", f"{what}; set estimator.features.band=null estimator.features.whiten=false"
        )


def _of_trainer(trainer: Mapping[str, object]) -> Iterator[Finding]:
    if trainer.get("benchmark") is True and trainer.get("deterministic") in (True, "warn"):
        what = "chooses the fastest convolution anew at each run; got true beside trainer.deterministic; remove one"
        yield Finding("trainer.benchmark", what)
    if trainer.get("accelerator") == "cpu" and str(trainer.get("precision")) in ("16-mixed", "16"):
        what = (
            "a CPU has no float16 of that kind, and Lightning would take bfloat16 instead; choose bf16-mixed or 32-true"
        )
        yield Finding("trainer.precision", what)
    if trainer.get("sync_batchnorm") is True and trainer.get("devices") == 1 and trainer.get("accelerator") != "cpu":
        yield warning("trainer.sync_batchnorm", "one process has nothing to synchronise with; remove it")
    if number(trainer.get("min_epochs")) > number(trainer.get("max_epochs")) > 0:
        what = f"more than trainer.max_epochs; got {trainer['min_epochs']}; expected at most {trainer['max_epochs']}"
        yield Finding("trainer.min_epochs", what)


def _of_algorithm(task: Mapping[str, object]) -> Iterator[Finding]:
    head = _name(task.get("head"))
    if _name(task.get("algorithm")) == "Fishr" and head not in ("Linear", ""):
        what = f"Fishr writes out the gradients of a linear head; got {head}; expected Linear"
        yield Finding("task.algorithm", f"{what}; choose task/head=linear, or another task/algorithm")


def _of_schedule(trainer: Mapping[str, object], task: Mapping[str, object]) -> Iterator[Finding]:
    """Schedules step once an epoch."""
    node, epochs = task.get("scheduler"), number(trainer.get("max_epochs"))
    name = _name(node)
    if name == "OneCycleLR" and isinstance(node, Mapping):
        yield from _rate_twice(node, task.get("optimizer"))
    parameter = LENGTHS.get(name)
    if not isinstance(node, Mapping) or parameter is None or parameter not in node:
        return
    length, where = number(node[parameter]), f"task.scheduler.{parameter}"
    if length <= 0:
        yield Finding(where, f"no length; got {length:.0f}; expected a number of epochs; set it, or trainer.max_epochs")
    elif epochs <= 0:
        return
    elif name in AT_ITS_END and length >= epochs:  # what it does comes after as many epochs, and there are no more
        size = "as long as" if length == epochs else "longer than"
        less = f"less, or more with trainer.max_epochs={length + 1:.0f}"
        yield warning(where, f"{size} the run; got {length:.0f}, and at most {epochs:.0f} epochs: the rate never "
                             f"{AT_ITS_END[name]}; set {less}")  # fmt: skip
    elif length > epochs:
        yield warning(where, f"longer than the run; got {length:.0f}, and at most {epochs:.0f} epochs: the rate never "
                             f"gets to where it leads; set {where}={epochs:.0f}")  # fmt: skip
    elif length < epochs and name == "OneCycleLR":
        yield Finding(where, f"shorter than the run; got {length:.0f}; expected {epochs:.0f} epochs; torch has no rate "
                             f"after the cycle and stops; set {where}={epochs:.0f}")  # fmt: skip
    elif length < epochs and name == "CosineAnnealingLR":
        yield warning(where, f"shorter than the run; got {length:.0f} of {epochs:.0f} epochs: then the rate rises; "
                             f"set {where}={epochs:.0f}, or trainer.max_epochs={length:.0f}")  # fmt: skip


def _rate_twice(node: Mapping[str, object], optimizer: object) -> Iterator[Finding]:
    """A cycle sets the rate itself: one that was scaled for several processes in the optimizer is scaled nowhere."""
    highest, rate = number(node.get("max_lr")), number(optimizer.get("lr") if isinstance(optimizer, Mapping) else None)
    if highest < rate or highest > rate:
        yield warning("task.scheduler.max_lr", f"the rate is given twice; got {highest:g}, and task.optimizer.lr="
                      f"{rate:g}, which the cycle puts aside; set the optimizer's alone")  # fmt: skip


def _of_callbacks(config: Mapping[str, object], trainer: Mapping[str, object]) -> Iterator[Finding]:
    callbacks = trainer.get("callbacks")
    named = {key: (_name(node), node) for key, node in callbacks.items()} if isinstance(callbacks, Mapping) else {}
    for key, (name, node) in named.items():
        where = f"trainer.callbacks.{key}"
        if name in FINDERS:
            yield Finding(where, f"{name} is not possible in a run; {FINDERS[name]}")
        if name in ("EarlyStopping", "ModelCheckpoint") and isinstance(node, Mapping):
            yield from _mode(where, node, config)
        if name == "EarlyStopping" and isinstance(node, Mapping):
            yield from _patience(f"{where}.patience", node, trainer)
        if name == "ModelCheckpoint" and isinstance(node, Mapping):
            yield from _never_kept(where, node, trainer)
    names = {name for name, _ in named.values()}
    ends = (number(trainer.get("max_steps")) > 0, trainer.get("max_time") is not None, "EarlyStopping" in names)
    if number(trainer.get("max_epochs")) == -1 and not any(ends):
        yield Finding(
            "trainer.max_epochs", "the run would never end; got -1 without early stopping; set a number of epochs"
        )


def _mode(where: str, node: Mapping[str, object], config: Mapping[str, object]) -> Iterator[Finding]:
    from phmbench.resolvers import metric_mode

    monitor, mode = node.get("monitor"), node.get("mode")
    if isinstance(monitor, str) and mode in ("min", "max") and mode != metric_mode(monitor):
        yield Finding(
            f"{where}.mode", f"the wrong way round for {monitor}; got {mode}; expected {metric_mode(monitor)}"
        )


def _patience(where: str, node: Mapping[str, object], trainer: Mapping[str, object]) -> Iterator[Finding]:
    """It counts validations."""
    default = signature_of(str(node["_target_"])).by_name.get("patience")
    patience: Any = node.get("patience", default.literal if default else None)
    if number(patience) < 0:
        yield Finding(where, f"less than none; got {patience}; expected at least 0, by which the first validation that "
                             "is not better ends the run; set a number of validations")  # fmt: skip
    epochs, every = number(trainer.get("max_epochs")), number(trainer.get("check_val_every_n_epoch"))
    inner = trainer.get("val_check_interval")
    often = 1 / inner if isinstance(inner, float) and 0 < inner < 1 else 1.0
    if type(inner) is int:
        return  # every so many batches: how often that is, the data say
    validations = epochs / (every if every >= 1 else 1) * often
    if epochs > 0 and number(patience) >= validations:
        yield warning(where, f"early stopping never acts; got a patience of {patience} and at most {validations:.0f} "
                             f"validations; lower it, or set {where.rpartition('.')[0]}=null")  # fmt: skip


def _never_kept(where: str, node: Mapping[str, object], trainer: Mapping[str, object]) -> Iterator[Finding]:
    if node.get("save_top_k") == 0:
        yield Finding(f"{where}.save_top_k", "keeps no checkpoint, so there is none to test; got 0; expected 1 or more")
    epochs, every = number(trainer.get("max_epochs")), number(node.get("every_n_epochs"))
    if 0 < epochs < every:
        what = f"no checkpoint is kept before the run ends; got {every:.0f}; expected at most {epochs:.0f}"
        yield Finding(f"{where}.every_n_epochs", what)
    if node.get("save_last") in (False, None):
        yield warning(f"{where}.save_last", "a run that is cut off begins anew: resume goes on from last.ckpt; "
                      "set it to true")  # fmt: skip
