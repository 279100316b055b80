"""What makes two runs one method, where one of them is older than a choice."""

from phmbench.leaderboard import identity

TASK = {"_target_": "phmbench.tasks.classification.Classification", "algorithm": {"_target_": "a.ERM"}}


def config(**task):
    return {"model": {"_target_": "m.Model"}, "task": {**TASK, **task}, "data": {}, "trainer": {}, "estimator": None}


def test_a_run_of_before_there_was_averaging_is_of_the_same_method():
    assert identity.method(config()) == identity.method(config(averaging={}))
    assert identity.method(config()) != identity.method(config(averaging={"_target_": "EMA", "decay": 0.9}))


def test_averaging_is_part_of_the_name():
    chosen = {"model": "wdcnn", "task/algorithm": "irm", "task/averaging": "ema"}
    assert identity.name({**config(), "choices": chosen, "init": None}) == "wdcnn + irm + ema"
    chosen["task/averaging"] = "none"
    assert identity.name({**config(), "choices": chosen, "init": None}) == "wdcnn + irm"
