"""The public checks: what is right passes, and each fault is told by its name."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from phmbench.algorithms.erm import ERM
from phmbench.heads import Linear
from phmbench.network import Network
from phmbench.testing import check_algorithm, check_model, check_source, check_split, check_task, example_table
from phmbench.testing.examples import batch_of
from phmbench.types import Assignment, Windows

# models


class Means(nn.Module):
    """Energies of 32 filters; right in every point, and the base of those that are not."""

    def __init__(self, *, channels: int, window: int, width: int = 32) -> None:
        super().__init__()
        if window < 64:
            raise ValueError(f"window: got {window}; expected 64 or more")
        self.filters = nn.Conv1d(channels, width, 33, padding=16)
        self.n_features = width

    def forward(self, signal):
        return self.filters(signal).relu().mean(-1)


class TakesAnything(Means):
    """Accepts misspelt arguments."""

    def __init__(self, *, channels: int, window: int, **rest: int) -> None:
        super().__init__(channels=channels, window=window)


class ByPosition(Means):
    """Takes its facts by position."""

    def __init__(self, channels: int, window: int) -> None:
        super().__init__(channels=channels, window=window)


class NoDocstring(Means):
    __doc__ = None


class NoFeatures(Means):
    """Does not say how many features it gives."""

    def __init__(self, *, channels: int, window: int) -> None:
        super().__init__(channels=channels, window=window)
        del self.n_features


class WrongShape(Means):
    """Keeps the time axis."""

    def forward(self, signal):
        return self.filters(signal)


class OneChannel(Means):
    """Looks at the first channel alone, and says nothing."""

    def __init__(self, *, channels: int, window: int) -> None:
        super().__init__(channels=1, window=window)


class InPlace(Means):
    """Standardises the caller's tensor."""

    def forward(self, signal):
        signal -= signal.mean()
        return super().forward(signal)


class DividesBySilence(Means):
    """Normalises without a guard."""

    def forward(self, signal):
        return super().forward(signal / signal.std(-1, keepdim=True))


class WrongSequence(Means):
    """Gives time before features."""

    def sequence(self, signal):
        return self.filters(signal).transpose(1, 2)


class DiesOfShortWindows(Means):
    """Leaves the complaint to PyTorch."""

    def __init__(self, *, channels: int, window: int) -> None:
        super().__init__(channels=channels, window=max(window, 64))
        self.filters = nn.Conv1d(channels, 32, 33)


class NamesNothing(Means):
    """Refuses without saying what."""

    def __init__(self, *, channels: int, window: int) -> None:
        if window < 64:
            raise ValueError("too short")
        super().__init__(channels=channels, window=window)


class Loud(Means):
    """Starts far from a guess."""

    def forward(self, signal):
        return 1000 * super().forward(signal)


class Unused(Means):
    """Has a layer that nothing passes."""

    def __init__(self, *, channels: int, window: int) -> None:
        super().__init__(channels=channels, window=window)
        self.spare = nn.Linear(2, 2)


class Detached(Means):
    """Cuts the gradient."""

    def forward(self, signal):
        return super().forward(signal).detach() + 0 * sum(each.sum() for each in self.parameters())


class Constant(Means):
    """Sees nothing of the signal."""

    def forward(self, signal):
        return super().forward(torch.ones_like(signal))


class AlwaysDrops(Means):
    """Drops values in evaluation, too."""

    def forward(self, signal):
        return nn.functional.dropout(super().forward(signal), 0.1, training=True)


class SeesTheBatch(Means):
    """Normalises by the batch in evaluation, too."""

    def forward(self, signal):
        feature = super().forward(signal)
        return feature - feature.mean(0)


class Counts(Means):
    """Changes its state in evaluation."""

    def __init__(self, *, channels: int, window: int) -> None:
        super().__init__(channels=channels, window=window)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, signal):
        self.seen += 1
        return super().forward(signal)


class Forgets(Means):
    """Draws a matrix at random and does not keep it."""

    def __init__(self, *, channels: int, window: int) -> None:
        super().__init__(channels=channels, window=window)
        self.mix = torch.randn(32, 32) / 6

    def forward(self, signal):
        return super().forward(signal) @ self.mix.to(signal)


class SinglePrecision(Means):
    """Multiplies with a tensor whose type is fixed."""

    def forward(self, signal):
        return super().forward(signal) @ torch.eye(32)


def check(cls, **arguments):
    check_model(cls, windows=(256, 301), **arguments)


def test_a_model_that_keeps_the_contract_passes():
    check(Means)
    check(Means, width=16)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (TakesAnything, r"takes \*rest; expected every argument by its name"),
        (ByPosition, "takes channels by position; expected keyword-only"),
        (NoDocstring, "has no docstring"),
        (NoFeatures, "n_features is None; expected an int"),
        (WrongShape, r"1 channels and 256 samples gave the shape \(2, 32, 256\); expected \(2, 32\)"),
        (InPlace, "changed the signal that it was given; work on a copy"),
        (DividesBySilence, "features of silence are not finite; expected numbers; guard divisions"),
        (WrongSequence, r"sequence gave the shape \(2, 256, 32\); expected \(2, 32, time\)"),
        (DiesOfShortWindows, "a window of one sample ends in RuntimeError"),
        (NamesNothing, "refuses a window of one sample with 'too short'; expected a message that names window"),
        (Loud, r"the first loss is .*; expected about ln 4 = 1.386"),
        (Unused, "spare.weight, spare.bias never got a gradient"),
        (Detached, "filters.weight, filters.bias never got a gradient"),
        (Constant, "were not learnt in 60 steps"),
        (AlwaysDrops, "not deterministic in evaluation; obey model.eval"),
        (SeesTheBatch, "depend on the rest of the batch in evaluation"),
        (Counts, "evaluation changed seen; expected the state to stay"),
        (Forgets, "a new object with the same state dict gives other features"),
        (SinglePrecision, "does not run in bfloat16 .*; expected it to"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_fault_of_a_model_is_told(model, message):
    with pytest.raises(AssertionError, match=f"{model.__name__}: .*{message}|{model.__name__}: {message}"):
        check(model)


def test_a_model_of_one_channel_fails_on_two():
    with pytest.raises(RuntimeError, match="channels"):
        check(OneChannel)


def test_our_own_models_must_name_their_paper():
    with pytest.raises(AssertionError, match="Means: no line 'Paper: …' in the docstring; name its source"):
        check(Means, paper=True)


def test_the_random_state_is_left_as_it_was():
    before = torch.get_rng_state()
    check(Means)
    check_algorithm(ERM)
    assert torch.equal(before, torch.get_rng_state())


# algorithms


class Base(nn.Module):
    """Cross-entropy; the base of algorithms with a fault."""

    def forward(self, network, batch):
        return {"loss": cross_entropy(network(batch.signal, batch.context), batch.label)}


class NotADict(Base):
    """Gives the loss alone."""

    def forward(self, network, batch):
        return super().forward(network, batch)["loss"]


class NoLoss(Base):
    """Calls it risk."""

    def forward(self, network, batch):
        return {"risk": super().forward(network, batch)["loss"]}


class PerWindow(Base):
    """Forgets the mean."""

    def forward(self, network, batch):
        return {"loss": cross_entropy(network(batch.signal, batch.context), batch.label, reduction="none")}


class AsNumber(Base):
    """Waits for the device."""

    def forward(self, network, batch):
        loss = super().forward(network, batch)["loss"]
        return {"loss": loss, "risk": loss.item()}


class NotFinite(Base):
    """Takes the logarithm of zero."""

    def forward(self, network, batch):
        loss = super().forward(network, batch)["loss"]
        return {"loss": loss, "penalty": (loss * 0).log()}


class NoGradient(Base):
    """Detaches the loss."""

    def forward(self, network, batch):
        return {"loss": super().forward(network, batch)["loss"].detach()}


class ChangesLabels(Base):
    """Shifts the labels of the caller's batch."""

    def forward(self, network, batch):
        out = super().forward(network, batch)
        batch.label.add_(1).remainder_(3)
        return out


class HeadOnly(Base):
    """Does not train the backbone."""

    def forward(self, network, batch):
        feature = network.features(batch.signal, batch.context).detach()
        return {"loss": cross_entropy(network.parts[-1](feature), batch.label)}


class WrongSign(Base):
    """Climbs."""

    def forward(self, network, batch):
        return {"loss": -super().forward(network, batch)["loss"]}


def test_an_algorithm_gets_the_facts_that_it_names():
    class Domains(Base):
        """Counts the windows of each domain."""

        def __init__(self, *, domains: int) -> None:
            super().__init__()
            self.domains = domains

        def forward(self, network, batch):
            counts = torch.bincount(batch.domain, minlength=self.domains)
            assert len(counts) == self.domains == 3
            assert (counts > 0).all()
            return super().forward(network, batch)

    check_algorithm(Domains, domains=3)


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        (NotADict, "gave Tensor; expected a dict with 'loss'"),
        (NoLoss, r"gave \['risk'\]; expected 'loss' among them"),
        (PerWindow, r"loss has the shape \(72,\); expected a scalar; take the mean"),
        (AsNumber, "risk is float; expected a tensor"),
        (NotFinite, "penalty is -inf; expected a finite number"),
        (NoGradient, "the loss has no gradient; expected one"),
        (ChangesLabels, "changed the batch that it was given"),
        (HeadOnly, "the loss does not reach the network's parts.0.1.weight"),
        (WrongSign, "of its training windows are right after 100 steps; expected more than 90 %"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_fault_of_an_algorithm_is_told(algorithm, message):
    with pytest.raises(AssertionError, match=f"{algorithm.__name__}: .*{message}|{algorithm.__name__}: {message}"):
        check_algorithm(algorithm)


# sources


class TwoTones:
    """Two recordings of two channels; what is given replaces what is right."""

    def __init__(self, *, change=lambda table: table, signal=None, print_of=None, channels=("x",)):
        self.change, self.given, self.print_of, self.default_channels = change, signal, print_of, channels

    def fingerprint(self):
        return {"name": "two"} if self.print_of is None else self.print_of()

    def table(self):
        known = {"dataset": "two", "rig": "two", "condition": "30 Hz", "fs": 1000.0, "n_samples": 64}
        rows = [
            known | {"recording": f"two/{i}", "unit": f"two/{i}", "channels": ("x", "y"), "fault_type": kind}
            for i, kind in enumerate(("normal", None))
        ]
        return self.change(pd.DataFrame(rows))

    def signal(self, row, channels):
        tone = np.sin(np.arange(64) / 5)
        return np.stack([tone] * len(channels)) if self.given is None else self.given(tone, channels)


def test_a_source_that_keeps_the_contract_passes():
    check_source(TwoTones())
    check_source(TwoTones(channels=None))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"print_of": lambda: {"path": np.int64(3)}}, "the fingerprint is not plain JSON"),
        ({"print_of": lambda: {"now": np.random.default_rng().random()}}, "the fingerprint differs from call to call"),
        ({"change": lambda table: table.drop(columns="unit")}, "the table has no column unit"),
        ({"change": lambda table: table.iloc[:0]}, "the table is empty"),
        ({"change": lambda table: table.assign(fs=[1000.0, np.nan])}, "fs is missing in some rows"),
        ({"change": lambda table: table.assign(recording="two/0")}, r"recording \['two/0'\] is there twice"),
        ({"change": lambda table: table.assign(recording=["a", "b"])}, "recording 'a'; expected 'two/' before it"),
        ({"change": lambda table: table.assign(channels="xy")}, "channels are 'xy'; expected a tuple"),
        ({"change": lambda table: table.assign(channels=[(), ()])}, "has no channels"),
        (
            {"change": lambda table: table.assign(fault_type="unknown")},
            r"fault_type holds \['unknown'\]; expected a miss",
        ),
        ({"change": lambda table: table.assign(fs=0.0)}, "fs is not positive"),
        ({"change": lambda table: table.assign(n_samples=0)}, "n_samples is not positive"),
        ({"change": lambda table: table.assign(unit="A", rig=["two", "three"])}, r"unit \['A'\] is on several rigs"),
        ({"channels": ("z",)}, r"two/0 lacks the default channel \['z'\]"),
        ({"signal": lambda tone, channels: tone.tolist()}, "the signal is list; expected a NumPy array"),
        ({"signal": lambda tone, channels: tone[:, None]}, r"two/0 has the shape \(64, 1\); expected \(1, 64\)"),
        ({"signal": lambda tone, channels: np.ones((1, 64), dtype=np.int16)}, "the signal is int16; expected float32"),
        ({"signal": lambda tone, channels: np.full((1, 64), np.nan)}, "two/0 holds NaN or infinite samples"),
        ({"signal": lambda tone, channels: np.random.default_rng().random((1, 64))}, "two/0 differs when read again"),
    ],
    ids=lambda value: value.replace(" ", "-")[:30] if isinstance(value, str) else "",
)
def test_a_fault_of_a_source_is_told(fault, message):
    with pytest.raises(AssertionError, match=f"TwoTones: {message}|TwoTones: .*{message}"):
        check_source(TwoTones(**fault))


def test_a_source_without_a_method_is_told():
    with pytest.raises(AssertionError, match="object: has no default_channels; expected it"):
        check_source(object())


# splits


class ByUnit:
    """The last unit of each class and rig is the test set, the one before it validation; `change` adds a fault."""

    level = "unit"

    def __init__(self, change=lambda given, windows: given):
        self.change = change

    def __call__(self, table: pd.DataFrame, windows: Windows, window: int) -> Assignment:
        unit = table["fault_severity_level"].to_numpy()[windows.recording]
        rigs, rig = np.unique(table["rig"].to_numpy(dtype=object), return_inverse=True)
        sets = [np.flatnonzero(mask) for mask in (unit < 2, unit == 2, unit == 3)]
        domain = np.where(unit < 3, rig[windows.recording], -1)
        given = Assignment(*sets, ("inner", "normal", "outer"), domain, tuple(rigs), "by_unit", "unit", "unit")
        return self.change(given, windows)

    def targets(self, table):
        return {"3": [3.0]}


def test_a_split_that_keeps_the_contract_passes():
    check_split(ByUnit())
    check_split(ByUnit(), table=example_table().query("rig == 'alpha'").reset_index(drop=True), window=512)


def keep(given, mask):
    """Training without the windows outside of the mask; here both rigs' first 12 recordings are of inner faults."""
    lost = given.train[~mask[given.train]]
    domain = given.domain.copy()
    domain[lost] = -1
    return given._replace(train=np.setdiff1d(given.train, lost), domain=domain)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda given, windows: tuple(given), "gave tuple; expected phmbench.types.Assignment"),
        (lambda given, windows: given._replace(test=given.test[:0]), "test is empty"),
        (lambda given, windows: given._replace(test=given.test[::-1]), "test is not sorted or holds a window twice"),
        (lambda given, windows: given._replace(test=given.test.astype(float)), "test is float64; expected rows"),
        (
            lambda given, windows: given._replace(val=np.append(given.val, 10**6)),
            "val holds row 1000000; expected rows",
        ),
        (lambda given, windows: given._replace(val=np.insert(given.val, 0, -1)), "val holds row -1; expected rows"),
        (lambda given, windows: given._replace(val=given.test), "270 windows are in two sets"),
        (lambda given, windows: given._replace(classes=("outer", "inner", "normal")), "expected them sorted"),
        (lambda given, windows: given._replace(classes=("inner", "normal")), r"train holds windows of \['outer'\]"),
        (lambda given, windows: keep(given, windows.start < 0), "train is empty"),
        (lambda given, windows: keep(given, windows.recording % 36 >= 12), r"training has no window of \['inner'\]"),
        (lambda given, windows: given._replace(level="bearing"), "level is 'bearing'; expected one of sample"),
        (lambda given, windows: given._replace(validation_level="x"), "validation_level is 'x'; expected a level"),
        (lambda given, windows: given._replace(level="condition"), "condition 'alpha, 1200 rpm' is on both sides"),
        (lambda given, windows: given._replace(domain=given.domain[1:]), r"domain has the shape \(1079,\); expected"),
        (
            lambda given, windows: given._replace(domain=given.domain * 0),
            "outside of training and validation have a dom",
        ),
        (lambda given, windows: given._replace(domain=given.domain * 0 - 1), "a window of training has no domain"),
        (lambda given, windows: given._replace(domains=("alpha",)), "domain 1 has no name"),
        (lambda given, windows: given._replace(domains=()), "there is no source domain"),
    ],
)
def test_a_fault_of_a_split_is_told(change, message):
    with pytest.raises(AssertionError, match=f"ByUnit: {message}|ByUnit: .*{message}"):
        check_split(ByUnit(change))


def test_a_split_that_draws_anew_is_told():
    def drawn(given, windows):
        return keep(given, np.random.default_rng().random(len(windows.start)) < 0.5)

    with pytest.raises(AssertionError, match="ByUnit: train differs from call to call"):
        check_split(ByUnit(drawn))


def test_targets_are_lists_by_name():
    for targets, message in (
        ({3: [3]}, "fold 3 is no text"),
        ({"3": 3}, "the target of fold 3 is 3"),
        ([], "gave list"),
    ):
        split = ByUnit()
        split.targets = lambda table, targets=targets: targets
        with pytest.raises(AssertionError, match=message):
            check_split(split)


def test_windows_that_overlap_are_told():
    """Of the first recording (15 windows, one every half window) the first seven train and the eighth is for the test:
    one window of training reaches into it."""

    def cut(given, windows):
        domain = given.domain.copy()
        domain[7:15] = -1
        train, test = given.train[(given.train < 7) | (given.train > 14)], np.append(7, given.test)
        return given._replace(train=train, test=test, domain=domain, level="sample")

    with pytest.raises(
        AssertionError, match="ByUnit: 1 windows of training or validation overlap windows of test; exp"
    ):
        check_split(ByUnit(cut))


def test_validation_must_not_overlap_training():
    def cut(given, windows):
        return given._replace(train=np.setdiff1d(given.train, [7]), val=np.append(7, given.val))

    with pytest.raises(
        AssertionError, match="ByUnit: 2 windows of training overlap windows of validation; expected none"
    ):
        check_split(ByUnit(cut))


def test_a_split_that_leaks_and_says_so_may_share_units():
    check_split(ByUnit(lambda given, windows: given._replace(level="condition", leaky=True)))


# tasks


class Toy(nn.Module):
    """A task in the form of phmbench.tasks, without Lightning."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Network(nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), Linear(features=4, classes=3))
        self.seen = {"val": [], "test": []}

    def losses(self, batch):
        return {"loss": cross_entropy(self.network(batch.signal, batch.context), batch.label)}

    def observe(self, stage, batch):
        self.seen[stage] += (self.network(batch.signal, batch.context).argmax(1) == batch.label).tolist()

    def report(self, stage):
        share, self.seen[stage] = float(np.sum(self.seen[stage])), []
        return {"hits": share}

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_a_task_that_keeps_the_contract_passes():
    check_task(Toy(), window=64)
    check_task(Toy(), batch_of(6, channels=1, window=64, classes=3, domains=1))


def with_method(name, method):
    return type("Faulty", (Toy,), {name: method, "__doc__": "A task with one fault."})()


@pytest.mark.parametrize(
    ("name", "method", "message"),
    [
        ("losses", lambda self, batch: torch.zeros(()), "losses gave Tensor; expected a dict"),
        ("losses", lambda self, batch: {"risk": torch.zeros(())}, r"losses gave \['risk'\]; expected 'loss'"),
        ("losses", lambda self, batch: {"loss": 0.0}, "the loss is float; expected a tensor"),
        ("losses", lambda self, batch: {"loss": torch.zeros(2)}, r"the loss has the shape \(2,\); expected a scalar"),
        ("losses", lambda self, batch: {"loss": torch.tensor(float("nan"))}, "the loss is nan; expected a finite"),
        ("losses", lambda self, batch: {"loss": torch.zeros(())}, "the loss has no gradient"),
        ("losses", lambda self, batch: {"loss": torch.zeros((), requires_grad=True) * 2}, "no parameter got a finite"),
        (
            "configure_optimizers",
            lambda self: torch.optim.SGD(self.network.parts[-1].parameters(), lr=0.1),
            "the optimizer does not hold network.parts.0.1.weight",
        ),
        ("report", lambda self, stage: [], "report gave list; expected metric → number"),
        ("report", lambda self, stage: {}, r"report\('val'\) is empty"),
        ("report", lambda self, stage: {"hits": torch.zeros(())}, "hits is Tensor; expected a float"),
        ("report", lambda self, stage: {"val/hits": 1.0}, "metric val/hits names its stage"),
        (
            "report",
            lambda self, stage: {"hits": float(len(self.seen[stage]))},
            "the second report.* differs; expected rep",
        ),
    ],
)
def test_a_fault_of_a_task_is_told(name, method, message):
    with pytest.raises(AssertionError, match=f"Faulty: {message}|Faulty: .*{message}"):
        check_task(with_method(name, method), window=64)


def test_the_example_table_is_plain():
    table = example_table()
    assert len(table) == 72
    assert json.loads(table.drop(columns="content").to_json(orient="records"))[0]["recording"] == "alpha/inner-0-600"
    assert table["recording"].is_unique
