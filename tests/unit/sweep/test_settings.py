"""What a search is told besides a run, and what chooses its values."""

from __future__ import annotations

import importlib.util

import pytest
from hydra.core.hydra_config import HydraConfig

from phmbench.command_line import Line, checked, choices
from phmbench.errors import ConfigError
from phmbench.sweep import extras, plugins, samplers, settings
from phmbench.sweep.space import Parameter

LR = Parameter("task.optimizer.lr", low=1e-4, high=1e-2, log=True)
KERNEL = Parameter("model.kernel", choices=(32, 64))
needs_optuna = pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="the extra for searches")


def read(*words: str) -> settings.Settings:
    line = Line(words, root="sweep")
    with line.hydra() as hydra:
        composed = line.compose(hydra, grid=True)
        HydraConfig.instance().set_config(composed)
        return settings.read(composed)


pytestmark = needs_optuna


def test_the_defaults():
    found = read("task=cddg", "data=bearings", "data.rigs=[cwru,mfpt]")
    assert (found.objectives, found.pruner, found.storage) == (["val/macro_f1"], None, None)
    assert found.sweep_name == "cddg-wdcnn-bearings"
    assert found.places[0].name == "conf"


def test_a_number_is_a_name():
    assert read("sweep_name=2024").sweep_name == "2024"
    assert read("sweep_name=nan").sweep_name == "nan"


@pytest.mark.parametrize(
    ("group", "expected"), [("hydra/launcher", "joblib"), ("hydra/sweeper/sampler", "NSGA-II (Deb et al. 2002)")]
)
def test_launchers_and_samplers_are_listed(group: str, expected: str, capsys: pytest.CaptureFixture[str]):
    from phmbench import cli

    with pytest.raises(SystemExit):
        cli.main(["list", group])
    assert expected in capsys.readouterr().out
    with pytest.raises(SystemExit):
        cli.main(["list"])
    assert group in capsys.readouterr().out


def test_each_launcher_and_sampler_has_a_title():
    found = plugins.groups("sweep", [])
    for group, titles in plugins.TITLES.items():
        assert set(titles) == set(found[group]) - {"in_process", *plugins.REMOVED}  # ours has a file, and in it a title


def test_names_of_spaces_and_paths_pass_by_hydra():
    assert read("search=[optim,spaces/my.json]").search == ["optim", "spaces/my.json"]
    assert read("search=optim").search == ["optim"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["n_trials=0"], "n_trials: "),
        (["n_trials=many"], "n_trials: "),
        (["objectives=[]"], "objectives: got none; expected one or more"),
        (["objectives=[val/loss,val/loss]"], r"objectives: one stands there twice; got \['val/loss', 'val/loss'\]"),
        (["objectives=['val/f1/*']"], r"objectives: got \['val/f1/\*'\]; expected one metric each; write the class"),
        (
            ["sweep_name=''"],
            "sweep_name: got ''; expected the name of a folder, without /; for a path take hydra.sweep",
        ),
        (["sweep_name=a/../b"], "sweep_name: got 'a/../b'; expected the name of a folder"),
        (["objectives=[test/macro_f1]"], "objectives: nothing reported may be chosen"),
        (["objectives=[val/loss,model/parameters]", "pruner=median"], "pruner: got one beside 2 objectives"),
        (["test=true"], "test: the trials of a search do not look at the test set; got test=true; expected false"),
        (["pruner=median", "pruner.n_warmup=3"], r"pruner.*n_warmup"),
    ],
)
def test_wrong_settings(words: list[str], message: str):
    with pytest.raises(ConfigError, match=message):
        read(*words)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("n_trial=2", "n_trial: no such key; got 'n_trial'; did you mean 'n_trials'?"),
        ("max_failure=2", "max_failure: no such key; got 'max_failure'; did you mean 'max_failures'?"),
        ("seach=[optim]", "seach: no such key; got 'seach'; did you mean 'search'?"),
        ("sampler=random", "sampler: no such key; got 'sampler'; did you mean 'hydra/sweeper/sampler=random'?"),
        ("split=units", "split: no such key; got 'split'; did you mean 'task/split=units'?"),
        ("zzz=1", "zzz: no such key; got 'zzz'; there are seed, repeats, "),
    ],
)
def test_misspelt_keys_of_the_root(word: str, message: str):
    assert [said for said in Line([word], root="sweep").wrong if said.startswith(message)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["hydra.sweeper.n_job=2"], "hydra.sweeper.n_job: no such key; got 'n_job'; did you mean 'n_jobs'?"),
        (["+hydra.sweeper.n_job=2"], "hydra.sweeper.n_job: no such key; got 'n_job'; did you mean 'n_jobs'?"),
        (["hydra.sweeper.sampler.seeed=1"], "hydra.sweeper.sampler.seeed: no such key; got 'seeed'; did"),
        (["hydra.launcher.zzz=1"], "hydra.launcher.zzz: no such key; got 'zzz'; this launcher has none; choose"),
        (["hydra.sweeper.n_trials=1"], "hydra.sweeper.n_trials: no such key; got 'n_trials'; here it is n_trials=…"),
        (["hydra.sweeper.sampler.seed=x"], "hydra.sweeper.sampler.seed: wrong value; got x; expected another kind: "),
    ],
)  # fmt: skip
def test_misspelt_settings_of_hydras_plugins(words: list[str], message: str):
    with pytest.raises(ConfigError) as caught:
        read(*words)
    assert str(caught.value).startswith(message)


def test_several_wrong_settings_come_at_once():
    with pytest.raises(ConfigError) as caught:
        read("n_trials=0", "objectives=[test/loss]", "max_failures=0")
    assert len(str(caught.value).splitlines()) == 3


def test_what_the_task_does_not_report_is_no_objective():
    line = Line(["data=simulated"])
    with line.hydra() as hydra:
        composed = line.compose(hydra)
        HydraConfig.instance().set_config(composed)
        base = checked(line, composed, choices(composed))
    settings.require_objectives(read("objectives=[val/macro_f1,model/latency_s]"), base)
    with pytest.raises(ConfigError, match="objectives: not a validation metric of the task; got 'val/macro_f2'"):
        settings.require_objectives(read("objectives=[val/macro_f2]"), base)
    with pytest.raises(ConfigError, match="expected a validation metric among them; add val/macro_f1"):
        settings.require_objectives(read("objectives=[model/parameters]"), base)
    with pytest.raises(ConfigError, match=r"got 'model/params'; did you mean 'model/parameters'\?"):
        settings.require_objectives(read("objectives=[val/macro_f1,model/params]"), base)
    with pytest.raises(ConfigError, match="no such measure of a model; got 'model/zzz'; there are model/parameters"):
        settings.require_objectives(read("objectives=[val/macro_f1,model/zzz]"), base)


def test_a_sampler_by_its_option():
    import optuna

    from phmbench.sweep.every_point import EveryPoint

    made = samplers.sampler({"_target_": "optuna.samplers.TPESampler", "seed": None}, [LR], seed=3)
    assert isinstance(made, optuna.samplers.TPESampler)
    node = {"_target_": "optuna.samplers.GridSampler", "_partial_": True, "seed": None}
    grid = samplers.sampler(node, [KERNEL], seed=3)
    assert isinstance(grid, EveryPoint)
    assert [point["model.kernel"] for point in grid.points.all] == [32, 64]
    with pytest.raises(ConfigError, match=r"task\.optimizer\.lr: a grid takes values that can be counted"):
        samplers.sampler(node, [LR], seed=3)


def test_a_pruner_by_its_option_and_what_it_refuses():
    assert samplers.pruner(None) is None
    assert samplers.pruner({"_target_": "optuna.pruners.MedianPruner", "n_warmup_steps": 2})._n_warmup_steps == 2
    with pytest.raises(ConfigError, match=r"pruner: Number of startup trials cannot be negative.*; expected settings"):
        samplers.pruner({"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": -1})


HYPERBAND = {"_target_": "optuna.pruners.HyperbandPruner", "max_resource": "auto"}
EPOCHS = Parameter("trainer.max_epochs", choices=(4, 8))


@pytest.mark.parametrize(
    ("repeats", "searched", "most"),
    [(1, [], 10), (3, [], 32), (1, [EPOCHS], 8), (3, [EPOCHS, Parameter("repeats", low=1, high=2)], 17)],
)
def test_hyperband_has_the_steps_of_the_longest_trial_there_can_be(repeats: int, searched: list[Parameter], most: int):
    """Of E epochs and R seeds: R (E + 1) − 1, since a step lies between two seeds: 10; 3 · 11 − 1; 8; 2 · 9 − 1."""
    base = {"trainer": {"max_epochs": 10}, "repeats": repeats}
    assert samplers.resolved(HYPERBAND, base, searched) == {**HYPERBAND, "max_resource": most}
    assert samplers.resolved({**HYPERBAND, "max_resource": 5}, base, searched) == {**HYPERBAND, "max_resource": 5}


@pytest.mark.parametrize(
    "base", [{"trainer": {"max_epochs": -1}}, {"trainer": {"max_epochs": None}}, {"trainer": None}]
)
def test_hyperband_needs_an_end_of_training(base: dict[str, object]):
    with pytest.raises(ConfigError, match=r"pruner\.max_resource: auto is the number of epochs of the longest trial"):
        samplers.resolved(HYPERBAND, {**base, "repeats": 1}, [])


def test_brackets_stay_where_they_are_as_longer_trials_end():
    """Optuna's own auto lays them by the longest trial so far: of the first trials each, 8 epochs, then 30."""
    import optuna

    node = samplers.resolved(HYPERBAND, {"trainer": {"max_epochs": 30}, "repeats": 1}, [])
    study = optuna.create_study(direction="maximize", study_name="s")
    brackets = []
    for steps in (8, 30):
        trial = study.ask()
        for step in range(steps):
            trial.report(0.5, step)
        pruner = samplers.pruner(node)
        assert pruner is not None
        pruner.prune(study, study.trials[trial.number])
        brackets.append((pruner._n_brackets, pruner._get_bracket_id(study, study.trials[0])))  # type: ignore[attr-defined]
        study.tell(trial, 0.5)
    assert brackets[0] == brackets[1]


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(extras, "is_installed", lambda name: name != "optuna")
    with pytest.raises(ConfigError, match=r"sweep: got no optuna; expected the extra .*phmbench\[sweep\]"):
        extras.require()


def test_a_storage_that_cannot_be_opened_is_named_without_its_password():
    from pathlib import Path

    from phmbench.sweep import storage

    with pytest.raises(ConfigError, match=r"storage: .*cannot be opened; got .*expected a study's storage; start the"):
        storage.opened("sqlite:////no/such/folder/study.db", Path())
