"""The options of a task's parts: what their YAML makes, and the rate of each epoch."""

import math
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

CONF = Path(__file__).parents[3] / "conf"


def node(group, option, *, lr=1.0, max_epochs=4):
    """The node as it stands in a whole configuration, resolved."""
    option = OmegaConf.load(CONF / group / f"{option}.yaml")
    whole = OmegaConf.create(
        {"task": {"optimizer": {"lr": lr}}, "trainer": {"max_epochs": max_epochs}, "option": option}
    )
    return OmegaConf.to_container(whole.option, resolve=True)


def made(node):
    return instantiate(node, _execution_whitelist_=[node["_target_"]])


def rates(option, *, epochs=4, lr=1.0):
    """Learning rate of each epoch, the schedule stepped once at the end of each, as the tasks do."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = made(node("task/scheduler", option, lr=lr, max_epochs=epochs))(optimizer)
    found = []
    for _ in range(epochs):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("option", sorted(path.stem for path in (CONF / "task/optimizer").glob("*.yaml")))
def test_every_optimizer_steps_and_lowers_a_loss(option):
    """Minimise the square of a weight that starts at 1."""
    weight = torch.ones(1, requires_grad=True)
    optimizer = made(node("task/optimizer", option))([weight])
    for _ in range(20):
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.step()
    assert abs(weight.item()) < 0.99


@pytest.mark.parametrize("option", sorted(path.stem for path in (CONF / "task/optimizer").glob("*.yaml")))
def test_every_optimizer_names_its_rate(option):
    """Schedules and docs rely on `task.optimizer.lr`."""
    assert node("task/optimizer", option)["lr"] > 0


def test_no_schedule_is_an_empty_node():
    assert node("task/scheduler", "none") == {}


def test_cosine_falls_to_zero_over_all_epochs():
    """(1 + cos(π e / 4)) / 2 for epochs 0 to 3."""
    assert rates("cosine") == pytest.approx([(1 + math.cos(math.pi * e / 4)) / 2 for e in range(4)])


def test_step_falls_by_a_tenth_every_ten_epochs():
    assert rates("step", epochs=25) == pytest.approx([1.0] * 10 + [0.1] * 10 + [0.01] * 5)


def test_one_cycle_rises_and_falls():
    """Twenty epochs: from 1/25 of the rate to all of it after a tenth of the way, then down to next to nothing; the
    last step of the last epoch is still allowed."""
    found = rates("one_cycle", epochs=20, lr=0.5)
    assert found[0] == pytest.approx(0.02)
    assert max(found) == pytest.approx(0.5)
    assert found.index(max(found)) == 1
    assert found[-1] < 1e-5


def titles():
    return [path for folder in ("model", "task/algorithm", "task/head", "task/optimizer", "task/scheduler")
            for path in sorted((CONF / folder).glob("*.yaml"))]  # fmt: skip


@pytest.mark.parametrize("path", titles(), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_first_line_is_a_title(path):
    title = path.read_text(encoding="utf-8").splitlines()[0]
    assert title.startswith("# ")
    assert 10 < len(title) <= 100
