"""Commands that other packages add to `b4k3` by entry points of the group b4k3.commands."""

import sys

import pytest

from b4k3.models import registry
from b4k3.models.cli import main

COUNT = """
HELP = "count the letters of a word"
EXAMPLES = "examples:\\n  b4k3 count abc"


def add_arguments(add):
    add("word")


def run(args, out):
    out(str(len(args.word)))
    return 0
"""
MODULES = {
    "plugin_count": COUNT,
    "plugin_broken": "raise RuntimeError('no 100% of it')",
    "plugin_half": "HELP = 'half of a command'\nEXAMPLES = ''\n",
    "plugin_same": COUNT,
}
COMMANDS = {"count": "plugin_count", "broken": "plugin_broken", "half": "plugin_half", "inspect": "plugin_same"}
COMMANDS["gone"] = "plugin_that_is_not_there"


@pytest.fixture(autouse=True)
def installed(tmp_path, monkeypatch):
    """A package with these commands, as pip installs it."""
    metadata = tmp_path / "plugin-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    lines = [f"{name} = {module}" for name, module in COMMANDS.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[b4k3.commands]", *lines]) + "\n")
    for name, source in MODULES.items():
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    registry.entry_points.cache_clear()
    yield
    registry.entry_points.cache_clear()
    for name in MODULES:
        sys.modules.pop(name, None)


def test_a_command_of_another_package(capfd):
    assert main(["count", "abc"]) == 0
    assert capfd.readouterr().out == "3\n"
    assert not {"plugin_broken", "plugin_half", "plugin_same"} & set(sys.modules)
    with pytest.raises(SystemExit) as done:
        main(["count", "--help"])
    assert done.value.code == 0
    out = capfd.readouterr().out
    assert "Count the letters of a word." in out and "b4k3 count abc" in out


def test_our_commands_import_none_of_them(capfd, tmp_path):
    assert main(["inspect", str(tmp_path)]) == 1
    assert "error: " in capfd.readouterr().err
    assert not set(MODULES) & set(sys.modules)
    with pytest.raises(SystemExit) as refused:
        main(["cuont", "abc"])
    assert refused.value.code == 2
    assert "'count'" in capfd.readouterr().err
    assert not set(MODULES) & set(sys.modules)


@pytest.mark.parametrize(
    "name, said",
    [
        ("broken", "plugin_broken fails with RuntimeError: no 100% of it"),
        ("half", "plugin_half has no add_arguments, run"),
        ("gone", "plugin_that_is_not_there fails with ModuleNotFoundError"),
    ],
)
def test_a_command_that_is_broken_is_said_by_name(capfd, name, said):
    assert main([name, "abc"]) == 1
    assert f"error: the command {name} cannot be used: {said}" in capfd.readouterr().err


def test_the_help_lists_all_of_them(capfd):
    with pytest.raises(SystemExit):
        main(["--help"])
    out = " ".join(capfd.readouterr().out.split())
    for said in ("count the letters of a word", "RuntimeError: no 100% of it", "show what a checkpoint is"):
        assert said in out
    assert "plugin_same" not in sys.modules
