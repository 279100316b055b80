"""kill -9 at any moment: what is gone on with afterwards ends to the last digit as a run that was never killed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.conftest import TINY
from tests.torture.counting import FULL, size
from tests.torture.running import (
    WORDS,
    Ended,
    Place,
    Tally,
    go_on,
    go_on_words,
    into,
    killed,
    require_same_end,
    run,
    watching,
)

pytestmark = [pytest.mark.slow, pytest.mark.torture, pytest.mark.timeout(1500)]
FAST = (*WORDS, "model=spectral_linear", "trainer.max_epochs=2")
KINDS = {
    "one fit": WORDS,
    "repeats=2": (*FAST, "repeats=2"),
    "folds=all": (*TINY, *FAST[len(WORDS) :], "task=cddg", "folds=all"),
    "a grid": (*FAST, "-m", "seed=0,1"),
    "ddp_cpu": (*FAST, "trainer=ddp_cpu"),
    "loader workers": (*FAST, "data.num_workers=2"),
}
PARTS = size(full=12, sample=1)  # tests of a kind, for several cores


class Whole:
    """Runs that are not killed, one a kind."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.done = folder, dict[str, tuple[Path, Ended]]()

    def of(self, kind: str) -> tuple[Path, Ended]:
        if kind not in self.done:
            place = Place.below(self.folder / str(len(self.done)))
            ended = run(*into(place, KINDS[kind]), place=place)
            assert ended.code == 0, ended.err
            self.done[kind] = place.run, ended
        return self.done[kind]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return Whole(tmp_path_factory.mktemp("whole"))


def is_picture(line: str) -> bool:
    return "/figures/" in line and "confusion.csv" not in line


def events(place: Place, kind: str, **more: str) -> list[int]:
    """Numbers of the changes of files at which a run is to be killed: all but the likes of the one before."""
    file = place.run.with_name("events")
    done = run(*into(place, KINDS[kind]), place=place, **watching(place, TORTURE_EVENTS=file, **more))
    assert done.code == 0, done.err
    lines = file.read_text().splitlines()
    return [number for number, line in enumerate(lines) if not is_picture(line)]


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_before_a_change_of_a_file(part: int, whole: Whole, tmp_path: Path):
    """Each moment in which a file has been opened and not written, written and not renamed, or renamed alone."""
    numbers = events(Place.below(tmp_path / "dry"), "one fit")
    chosen = numbers[part::PARTS] if FULL else numbers[10 :: len(numbers) // 3]
    with Tally("kills", "kill -9 before a change of a file: one fit") as tally:
        for number in chosen:
            place = Place.below(tmp_path / str(number))
            with tally.case(f"change {number}"):
                cut = run(*into(place, WORDS), place=place, **watching(place, TORTURE_KILL_AT=number))
                assert cut.code == -9
                go_on(WORDS, place)
                require_same_end(whole.of("one fit")[0], place.run)


@pytest.mark.parametrize("part", range(size(full=6, sample=1)))
@pytest.mark.parametrize("kind", KINDS if FULL else ["one fit"])
def test_killed_at_a_random_moment(kind: str, part: int, whole: Whole, tmp_path: Path):
    """Anywhere from the start of Python to the last file; every third is killed a second time while it goes on."""
    folder, ended = whole.of(kind)
    draw, each = random.Random(f"{kind} {part}"), size(full=4, sample=2)
    parts = size(full=6, sample=1)
    with Tally("kills", f"kill -9 at a random moment: {kind}") as tally:
        for number in range(each):
            place = Place.below(tmp_path / str(number))
            at = (number * parts + part + draw.random()) / (each * parts) * ended.seconds
            with tally.case(f"{at:.2f} s of {ended.seconds:.1f}"):
                killed(into(place, KINDS[kind]), place, at, group=draw.random() < 0.5)
                again = go_on_words(KINDS[kind], place)
                if again and (number + part) % 3 == 0:
                    killed(again, place, draw.random() * ended.seconds, group=draw.random() < 0.5)
                go_on(KINDS[kind], place)
                require_same_end(folder, place.run)


WITHIN = "trainer.val_check_interval=0.4"
WAYS = [(WITHIN, "data.num_workers=2"), ("data.num_workers=2",), ("trainer.limit_train_batches=2",), (WITHIN,),
        (WITHIN, "trainer=ddp_cpu"), ("trainer.limit_train_batches=2", "data.num_workers=2")]  # fmt: skip


@pytest.mark.parametrize("more", WAYS if FULL else WAYS[:2], ids=" ".join)
def test_killed_between_checkpoints(more: tuple[str, ...], tmp_path: Path):
    """Batches that were trained on are not read again, those that follow come in the same order, and what is drawn at
    random afterwards is the same: also within an epoch, and with batches that are read ahead."""
    words = (*WORDS, "data/augment=standard", *more)
    ranks = {"TORTURE_RANK": "1"} if "trainer=ddp_cpu" in more else {}
    dry = Place.below(tmp_path / "dry")
    under = {"TORTURE_UNDER": dry.run / "checkpoints", "TORTURE_EVENTS": dry.run.with_name("events"), **ranks}
    assert run(*into(dry, words), place=dry, **watching(dry, **under)).code == 0
    numbers = range(2, len(dry.run.with_name("events").read_text().splitlines()), 3)  # before a checkpoint is renamed
    with Tally("kills", f"kill -9 before a checkpoint is renamed: {' '.join(more)}") as tally:
        for number in numbers if FULL else [numbers[len(numbers) // 2]]:
            place = Place.below(tmp_path / str(number))
            with tally.case(f"change {number}"):
                under = {"TORTURE_UNDER": place.run / "checkpoints", "TORTURE_KILL_AT": number, **ranks}
                cut = run(*into(place, words), place=place, **watching(place, **under))
                assert cut.code == -9
                go_on(words, place)
                require_same_end(dry.run, place.run)


@pytest.mark.parametrize("part", range(size(full=4, sample=0)))
def test_all_ranks_killed_while_the_first_writes(part: int, whole: Whole, tmp_path: Path):
    """The changes of files that rank 0 of a distributed fit makes: checkpoints, curves, predictions."""
    numbers = events(Place.below(tmp_path / "dry"), "ddp_cpu", TORTURE_RANK="1")
    with Tally("kills", "kill -9 before a change of a file: ddp_cpu, by its first rank") as tally:
        for number in numbers[part::8]:
            place = Place.below(tmp_path / str(number))
            with tally.case(f"change {number}"):
                cut = run(*into(place, KINDS["ddp_cpu"]), place=place,
                          **watching(place, TORTURE_RANK=1, TORTURE_KILL_AT=number))  # fmt: skip
                assert cut.code == -9
                go_on(KINDS["ddp_cpu"], place)
                require_same_end(whole.of("ddp_cpu")[0], place.run)
