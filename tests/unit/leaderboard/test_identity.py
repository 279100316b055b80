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


def few(**task):
    episodes = {"train": 50, "val": 30, "test": 600, "base_shot": None, "file": None, "k_shot": 5}
    return config(**{"n_way": None, "k_shot": 5, "n_query": 15, "disjoint": "unit", "episodes": episodes, **task})


def test_shots_are_what_is_asked_and_episodes_of_training_are_how_it_is_learnt():
    assert identity.asked(few()) != identity.asked(few(k_shot=1))
    assert identity.protocol(few(), []) != identity.protocol(few(disjoint="window"), [])
    assert identity.method(few()) == identity.method(few(k_shot=1))
    more = {**few()["task"]["episodes"], "train": 500}
    assert identity.method(few()) != identity.method(few(episodes=more))
    assert identity.asked(few()) == identity.asked(few(episodes=more))


def test_a_few_shot_method_is_named():
    chosen = {"model": "wdcnn", "task/method": "prototypical"}
    assert identity.name({**few(), "choices": chosen, "init": None}) == "wdcnn + prototypical"
