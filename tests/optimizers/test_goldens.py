"""Every optimizer and extension against bert4keras' own numbers, or the repaired rule in numpy."""

from __future__ import annotations

import pytest

from b4k3.backend import environment
from support import optimizer_goldens as goldens
from support.harness import fresh_session

PROBLEMS = {name: goldens.load(name) for name in ("dev", "dev-3d")}
CASES = [(name, case) for name, (_, cases) in PROBLEMS.items() for case in cases]
IN_MODEL = CASES[::3]
BARE = [case for case in CASES if case not in IN_MODEL]


def check(name, case, driver, through_config):
    fresh_session()
    problem = PROBLEMS[name][0]
    optimizer = goldens.optimizer_of(case, through_config)
    got = goldens.history(problem, optimizer, driver, case["steps"], case["actions"])
    assert {f"{case['id']}|{label}|{path}" for label in got for path in problem.start} & set(problem.arrays)
    assert not goldens.misfits(problem, case, got)


def ids(cases):
    return [f"{name}-{case['id']}" for name, case in cases]


@pytest.mark.parametrize("name, case", BARE, ids=ids(BARE))
def test_bare_variables(name, case):
    check(name, case, goldens.bare_variables, through_config=False)


@pytest.mark.parametrize("name, case", IN_MODEL, ids=ids(IN_MODEL))
def test_in_a_model_and_from_a_config(name, case):
    check(name, case, goldens.in_model, through_config=True)


def test_a_wrong_number_is_seen():
    """The comparison can fail: a rate that is a thousandth larger does not fit."""
    name, case = CASES[0]
    arguments = {**case["arguments"], "learning_rate": case["arguments"]["learning_rate"] * 1.001}
    problem, changed = PROBLEMS[name][0], {**case, "arguments": arguments}
    fresh_session()
    got = goldens.history(problem, goldens.optimizer_of(changed), goldens.bare_variables, 1)
    assert goldens.misfits(problem, case, got), environment
