"""Classes that no source has: the windows are called something, said so, and never scored."""

from __future__ import annotations

import pytest

from tests.conftest import TINY, Command

ALONE = "rig.str.endswith('pump') or fault_type != 'rolling_element'"  # only the pump has rolling-element faults
DATA = tuple(word for word in TINY if not word.startswith("trainer"))
SPLIT = ("task=cddg", "task.split.target=[simulated/pump]", "task.split.classes=sources", f'data.where="{ALONE}"')
WORDS = (*TINY, *SPLIT)


def foreign(result: dict) -> dict[str, float]:
    start = "test/foreign/rolling_element/"
    return {name.removeprefix(start): value for name, value in result["metrics"].items() if name.startswith(start)}


@pytest.mark.parametrize(
    "words",
    [
        pytest.param((*WORDS, "model=spectral_linear"), id="network"),
        pytest.param((*WORDS, "model=spectral_linear", "trainer=ddp_cpu", "data.batch_size=7"), id="two processes"),
        pytest.param((*DATA, *SPLIT, "pipeline=baseline", "estimator=amplitude"), id="estimator"),
    ],
)
def test_what_no_source_has_is_called_something(command: Command, words: tuple[str, ...]):
    done = command(*words)
    assert done.code == 0, done.err
    assert set(foreign(done.result)) == set(done.result["data"]["classes"])
    assert "rolling_element" not in done.result["data"]["classes"]
    assert sum(foreign(done.result).values()) == pytest.approx(1)
    scored = sum(map(sum, done.result["confusion"]["counts"]))
    assert scored == done.result["split"]["test"]["windows"]
    assert "rolling_element, which no source has, was called" in " ".join(done.out.split())
    assert "rolling_element, which no source has, was called" in (done.folder / "report.html").read_text()


def test_a_checkpoint_calls_classes_that_it_does_not_know(command: Command):
    trained = command(*WORDS, "model=spectral_linear", name="trained")
    best = trained.folder / "checkpoints" / "best.ckpt"
    words = (*TINY, "task=cddg", "task.split.target=[simulated/pump]")  # all classes are there
    tested = command(*words, "pipeline=evaluate", f"init={best}", name="tested")
    assert tested.code == 0, tested.err
    assert foreign(tested.result) == foreign(trained.result)
    same = ("test/macro_f1", "test/accuracy", "test/macro_auroc")
    assert [tested.result["metrics"][name] for name in same] == [trained.result["metrics"][name] for name in same]
