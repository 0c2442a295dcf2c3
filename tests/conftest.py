"""The row under test, the two parts of the suite, and the tables of `support/skips.py`: any other skip is a failure.

`--part short` is what `hatch run test` runs: of the tests that `FIRST_CASE_ONLY` counts as long, the first case of each
function, and none that `LONG` names. `--part long` runs the others. Without the option all of them run, as on the rows
of CI.
"""

import fnmatch
import gc
import os

import pytest

from support.skips import FIRST_CASE_ONLY, LONG, SKIPS

# Tests call many small functions once: XLA shall not spend long on each. An unknown flag would end the process.
XLA_FLAGS = "--xla_backend_optimization_level=0"
NEWER_XLA_FLAGS = " --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
NEWER_XLA = ("default", "keras3-jax-py313", "keras3-tf", "tf_keras-221")


def current_row():
    """The name of the row in the matrix, `B4K3_ROW`; `default` outside the matrix."""
    return os.environ.get("B4K3_ROW", "default")


os.environ.setdefault("XLA_FLAGS", XLA_FLAGS + (NEWER_XLA_FLAGS if current_row() in NEWER_XLA else ""))


def pytest_addoption(parser):
    parser.addoption("--part", choices=("short", "long"), help="a part of the suite: see tests/conftest.py")


def reason_in(table, nodeid, row):
    """The reason of the first line of a table of `support/skips.py` that matches, None without one."""
    for pattern, rows, reason in table:
        if fnmatch.fnmatchcase(nodeid, pattern) and any(fnmatch.fnmatchcase(row, r) for r in rows.split()):
            return reason
    return None


class LeftOut(pytest.Item):
    """Stands for all tests of a file, which is not even imported."""

    def runtest(self):
        pytest.fail("it has a line in SKIPS")

    def reportinfo(self):
        return self.path, 0, self.name


class LeftOutFile(pytest.File):
    def collect(self):
        yield LeftOut.from_parent(self, name="*")


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(module_path, parent):
    """A file of which a row runs nothing is one skipped test: to read it and to skip each test of it takes seconds.
    Who asks for a test by its name is told about this test."""
    asked_for = any("::" in argument for argument in parent.config.args)
    path = module_path.relative_to(parent.config.rootpath).as_posix()
    if not asked_for and reason_in(SKIPS, path + "::*", current_row()):
        return LeftOutFile.from_parent(parent, path=module_path)
    return None


def reason_to_skip(item, row):
    other_case = reason_in(FIRST_CASE_ONLY, item.nodeid, row) if item in item.session.other_cases else None
    return reason_in(SKIPS, item.nodeid, row) or other_case


def other_cases(items, row):
    """The cases of tests that are not the first ones of their functions to run on a row."""
    seen, found = set(), set()
    for item in items:
        function = item.nodeid.partition("[")[0]
        if function in seen:
            found.add(item)
        elif not reason_in(SKIPS, item.nodeid, row):
            seen.add(function)
    return found


def pytest_report_header(config):
    return f"b4k3 row: {current_row()}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session, config, items):
    row, part = current_row(), config.getoption("--part")
    session.other_cases = other_cases(items, row)
    if part:
        long = {item for item in session.other_cases if reason_in(FIRST_CASE_ONLY, item.nodeid, "short")}
        long |= {item for item in items if reason_in(LONG, item.nodeid, "short")}
        kept = long if part == "long" else set(items) - long
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = [item for item in items if item in kept]
    for item in items:
        reason = reason_to_skip(item, row)
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.skipped and not reason_to_skip(item, current_row()):
        report.outcome = "failed"
        report.longrepr = f"skipped without a line in tests/support/skips.py: {report.longrepr}"


@pytest.fixture(scope="session")
def row():
    return current_row()


@pytest.fixture(autouse=True)
def fresh_graph(request):
    """Tests of layers and of the backend start anew: names of weights do not depend on their order; and Keras 2 puts
    everything in one graph, all of which each run looks at."""
    folder = request.fspath.dirpath().basename
    if folder in ("backend", "layers", "optimizers"):
        from b4k3.backend import row
        from support.harness import fresh_session

        if folder == "layers" or not row.is_keras3:
            fresh_session()
    yield


@pytest.fixture(scope="module", autouse=True)
def fresh_module(request):
    """Keras 2 puts all models in one graph, all of which each run looks at: modules that build models begin with none.
    Behind the seven models of `test_adam_state`, a test of ALBERT took 38 seconds on TensorFlow 1.15, not 6."""
    if request.path.parent.name in ("models", "generation"):
        from b4k3.backend import environment
        from support import goldens

        if not environment.is_keras3:
            goldens.forget()


def pytest_collection_finish(session):
    """What was imported stays: the garbage collector, which Keras calls often, need not look at it each time."""
    gc.collect()
    gc.freeze()
