"""The row under test, and the one table of skips, `support/skips.py`: a skip that it does not name is a failure."""

import fnmatch
import gc
import os

import pytest

from support.skips import SKIPS

# Tests call many small functions once: XLA shall not spend long on each. An unknown flag would end the process.
XLA_FLAGS = "--xla_backend_optimization_level=0"
NEWER_XLA_FLAGS = " --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
NEWER_XLA = ("default", "keras3-jax-py313", "keras3-tf", "tf_keras-221")


def current_row():
    """The name of the row in the matrix, `B4K3_ROW`; `default` outside the matrix."""
    return os.environ.get("B4K3_ROW", "default")


os.environ.setdefault("XLA_FLAGS", XLA_FLAGS + (NEWER_XLA_FLAGS if current_row() in NEWER_XLA else ""))


def reason_to_skip(nodeid, row):
    for pattern, rows, reason in SKIPS:
        if fnmatch.fnmatchcase(nodeid, pattern) and any(fnmatch.fnmatchcase(row, r) for r in rows.split()):
            return reason
    return None


def pytest_report_header(config):
    return "b4k3 row: %s" % current_row()


def pytest_collection_modifyitems(config, items):
    row = current_row()
    for item in items:
        reason = reason_to_skip(item.nodeid, row)
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.skipped and not reason_to_skip(item.nodeid, current_row()):
        report.outcome = "failed"
        report.longrepr = "skipped without a line in tests/support/skips.py: %s" % (report.longrepr,)


@pytest.fixture(scope="session")
def row():
    return current_row()


@pytest.fixture(autouse=True)
def fresh_graph(request):
    """Tests of layers and of the backend start anew: names of weights do not depend on their order; and Keras 2 puts
    everything in one graph, all of which each run looks at."""
    folder = request.fspath.dirpath().basename
    if folder in ("backend", "layers"):
        from b4k3.backend import row
        from support.harness import fresh_session

        if folder == "layers" or not row.is_keras3:
            fresh_session()
    yield


def pytest_collection_finish(session):
    """What was imported stays: the garbage collector, which Keras calls often, need not look at it each time."""
    gc.collect()
    gc.freeze()
