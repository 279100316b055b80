"""From words to one plain configuration."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phmbench import config, overrides, resolvers
from phmbench.errors import ConfigError
from tests.contract.composing import composed

KNOWN = {"model": {"wdcnn": [], "resnet1d": []}, "task/split": {"units": []}, "logger": {"csv": [], "wandb": []}}


# -- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "sent"),
    [
        ("model=wdcnn", "model=wdcnn"),
        ("model=wdcnn,resnet1d", "model=wdcnn,resnet1d"),
        ("logger=[csv,wandb]", "logger=[csv,wandb]"),
        ("task/split=units", "task/split=units"),
        ("model.width=128", "++model.width=128"),  # although no YAML lists it
        ("+model.width=128", "++model.width=128"),
        ("++model.width=128", "++model.width=128"),
        ("seed=0,1,2", "++seed=0,1,2"),
        ("~trainer.callbacks.early_stopping", "~trainer.callbacks.early_stopping"),
        ("hydra.run.dir=here", "hydra.run.dir=here"),
        ('data.where="a == 1"', '++data.where="a == 1"'),
        ("data.where=", "++data.where="),
    ],
)
def test_words_as_hydra_sees_them(word: str, sent: str):
    assert overrides.read_words([word], KNOWN) == ([sent], [])


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("model=wdcn", "model=wdcn: no such option; did you mean 'wdcnn'?"),
        ("model=zzz", "model=zzz: no such option; there are resnet1d, wdcnn"),
        ("logger=null", "logger=null: no such option; there are csv, wandb"),
        ("model=", "model=: no such option; there are resnet1d, wdcnn"),
        ("logger=[]", "logger=: no such option; there are csv, wandb"),
        ("logger=[csv,wandbb]", "logger=wandbb: no such option; did you mean 'wandb'?"),
        ("task/splitt=units", "task/splitt: no such group; did you mean 'task/split'?"),
        ("zzz/yyy=units", "zzz/yyy: no such group; the groups are model, task/split, logger"),
        ("hydra.run.dri=x", "hydra.run.dri: no such key here; did you mean 'hydra.run.dir'?"),
        ("+hydra.job_logging.handlers.x=1", "hydra.job_logging.handlers.x: no such key here; "),
        ("seed", "seed: not understood; expected key=value, such as model=wdcnn or model.width=64"),
        ("=3", "=3: not understood; expected key=value"),
    ],
)
def test_words_that_are_wrong(word: str, message: str):
    good, wrong = overrides.read_words(["seed=1", word], KNOWN)
    assert good == ["++seed=1"]  # the rest is still checked
    assert len(wrong) == 1
    assert wrong[0].startswith(message)


@given(st.text(max_size=30))
def test_no_word_is_lost(word: str):
    """Whatever is typed is either sent on or reported."""
    good, wrong = overrides.read_words([word], KNOWN)
    assert len(good) + len(wrong) >= 1


def test_a_query_without_quotes_is_told_apart_from_its_value():
    """`!` means something to Hydra: the word is named, and what to put around it."""
    with pytest.raises(ConfigError, match=r"data\.where=fault_type!=2: not understood; .*put the value in quotes"):
        composed("data.where=fault_type!=2")


def test_a_group_that_the_task_does_not_have():
    with pytest.raises(ConfigError, match="task/algoritm: no such group; did you mean 'task/algorithm'"):
        composed("task/algoritm=erm")


@pytest.mark.parametrize(
    "word", ["data.where=a != 2", "data.where=a != 'b'", 'data.where=a != "b"', "data.where=a=='b'"]
)
def test_what_is_advised_is_understood(word: str):
    """The quoted word, as a shell gives it on, is read, and means what was meant."""
    _, (message,) = overrides.readable([word])
    (advised,) = shlex.split(message.rpartition("quotes: ")[2])
    assert overrides.readable([advised]) == ([advised], [])
    assert composed(advised)["data"]["where"] == word.partition("=")[2].replace("'", '"')


def test_words_that_cannot_be_read_are_reported_with_all_others():
    with pytest.raises(ConfigError, match="3 errors") as caught:
        composed("data.where=a!=2", "data.label=[", "model=wdcn")
    for part in ("data.where=a!=2: not", "'data.where=\"a!=2\"'", "data.label=[: not", "did you mean 'wdcnn'?"):
        assert part in str(caught.value)


def test_several_values_without_a_grid_say_how_each_is_meant():
    with pytest.raises(ConfigError, match=r"seed: several values; got 1,2; expected one; add -m for a run of each, or"):
        composed("seed=1,2")
    with pytest.raises(ConfigError, match=r"trainer=\[cpu: no such option"):
        composed("trainer=[cpu")


# -- rigs ------------------------------------------------------------------------------------------------------------


def test_rigs_are_the_sources_of_their_options():
    job = composed("data=bearings", "data.rigs=[cwru,hit_sm]", "data.batch_size=32")
    assert list(job["data"]["sources"]) == ["cwru", "hit_sm"]
    assert job["data"]["sources"]["cwru"] == composed("data=cwru")["data"]["sources"]["cwru"]
    assert "rigs" not in job["data"]
    assert job["data"]["batch_size"] == 32
    assert job["data"]["sample_rate"] == 12_000


def test_settings_of_one_of_several_sources():
    job = composed("data=bearings", "data.rigs=[cwru,simulated]", "data.sources.simulated.seconds=4")
    alone = composed("data=simulated", "data.sources.simulated.seconds=4")
    assert job["data"]["sources"]["simulated"] == alone["data"]["sources"]["simulated"]
    assert job["data"]["sources"]["cwru"] == composed("data=cwru")["data"]["sources"]["cwru"]
    job = composed("data=bearings", "data.rigs=[cwru,mfpt]", "data.sources.mfpt=null")
    assert job["data"]["sources"]["mfpt"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("data=bearings", "data.sources.cwur.root=a"), "data.sources.cwur: no source of these rigs; got settings of"),
        (("data=bearings", "data.rigs=[mfptt]"), "[cwru,mfpt]; got ['mfptt']; 'mfptt': did you mean 'mfpt'?"),
        (("data=bearings", "data.rigs=[bearings]"), "names of data options"),
        (("data=bearings", "data.rigs=[]"), "got []; name one"),
        (("data=cwru", "data.rigs=[mfpt]"), "data.rigs: only data=bearings combines rigs; choose data=bearings"),
    ],
)  # fmt: skip
def test_rigs_that_cannot_be_combined(words: tuple[str, ...], message: str):
    with pytest.raises(ConfigError) as caught:
        composed(*words)
    assert message in str(caught.value)


# -- values ----------------------------------------------------------------------------------------------------------


def test_an_interpolation_that_leads_nowhere():
    with pytest.raises(ConfigError, match="nowhere"):
        composed("data.window=${nowhere}")


def test_an_option_without_content_is_nothing():
    assert composed("task/scheduler=none")["task"]["scheduler"] is None


def test_a_parameter_that_no_yaml_lists():
    job = composed("model=wdcnn", "model.width=24")
    assert job["model"]["width"] == 24
    assert composed("model=wdcnn")["model"]["width"] != 24  # the signature's own, filled in


@pytest.mark.parametrize(
    ("monitor", "mode"),
    [
        ("val/macro_f1", "max"), ("val/accuracy", "max"), ("val/loss", "min"), ("val/rmse", "min"), ("val/mae", "min"),
        ("val/domain_loss", "min"), ("val/relative_error", "min"), ("val/macro_auroc", "max"),
    ],
)  # fmt: skip
def test_losses_and_errors_are_minimised(monitor: str, mode: str):
    assert resolvers.metric_mode(monitor) == mode


@pytest.mark.parametrize(("monitor", "mode"), [("val/macro_f1", "max"), ("val/loss", "min")])
def test_callbacks_look_at_the_monitor(monitor: str, mode: str):
    callbacks = composed(f"monitor={monitor}")["trainer"]["callbacks"]
    callbacks = {name: one for name, one in callbacks.items() if "monitor" in one}
    assert callbacks.keys() == {"checkpoint", "early_stopping"}
    assert {one["mode"] for one in callbacks.values()} == {mode}
    assert {one["monitor"] for one in callbacks.values()} == {monitor}


def test_a_run_is_named_by_its_sentence():
    assert resolvers.run_name({"task": "dg", "model": "wdcnn", "data": "cwru", "trainer": "cpu"}) == "dg-wdcnn-cwru"
    assert resolvers.run_name({"task": "dg", "model": "wdcnn", "data": "cwru", "pipeline": "evaluate"}) == (
        "dg-evaluate-cwru"
    )


def test_the_cache_is_where_the_platform_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    if sys.platform in ("darwin", "win32"):
        assert resolvers.user_cache().endswith("phmbench")
        return
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert resolvers.user_cache() == str(tmp_path / "phmbench")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolvers.user_cache() == str(tmp_path / ".cache" / "phmbench")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (
            "hydra.launcher._target_=os.system",
            "hydra.launcher: cannot run a grid here; got os.system; expected one of phmbench",
        ),
        (
            "hydra.sweeper._target_=os.system",
            "hydra.sweeper: cannot run a grid here; got os.system; expected one of",
        ),
        ("+hydra.callbacks.x._target_=os.system", "hydra.callbacks: not allowed; got x; remove it"),
        ("+hydra.job.env_set.LD_PRELOAD=x", "hydra.job.env_set: not allowed; got LD_PRELOAD; remove it"),
    ],
)
def test_what_nobody_may_ask_of_hydra(word: str, message: str):
    with pytest.raises(ConfigError) as caught:
        composed(word)
    assert str(caught.value).startswith(message)


# -- files -----------------------------------------------------------------------------------------------------------


def test_what_is_saved_is_loaded_again(tmp_path: Path):
    job = composed("data=bearings")
    config.save(job, tmp_path / "config.yaml")
    assert config.load(tmp_path / "config.yaml") == job


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file; expected the config.yaml of a run directory; correct the path"),
        (b"a: [1", "cannot be read as a configuration"),
        (b"a: \xff\xfe", "cannot be read as a configuration"),
        (b"!!python/object/apply:os.system ['true']", "cannot be read as a configuration"),
        (b"- 1\n- 2\n", "not a configuration; expected the config.yaml of a run directory"),
        (b"", "not a configuration"),
        (b"1: 2\n", "not a configuration"),
    ],
)
def test_a_file_that_is_no_configuration(content: bytes | None, message: str, tmp_path: Path):
    file = tmp_path / "config.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        config.load(file)
    assert str(file) in str(caught.value)


def test_a_few_lines_that_say_a_billion_values_are_refused(tmp_path):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    (tmp_path / "config.yaml").write_text("\n".join(lines))
    with pytest.raises(ConfigError, match="got more than 100000 values, by aliases of aliases; expected the config"):
        config.load(tmp_path / "config.yaml")
    (tmp_path / "config.yaml").write_text("a: &a [*a]")
    with pytest.raises(ConfigError, match="not a configuration; got more than"):
        config.load(tmp_path / "config.yaml")
    (tmp_path / "config.yaml").write_text("[" * 5000)
    with pytest.raises(ConfigError, match="cannot be read as a configuration"):
        config.load(tmp_path / "config.yaml")
