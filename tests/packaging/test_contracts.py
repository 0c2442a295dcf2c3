"""What the design promises of the source: who may import whom and what, how large things are, what is not done."""

import ast
import re
import statistics
import sys

import pytest
from workspace import FRAMEWORKS, PACKAGES, folder, imported_modules, module_name, read_toml, sources

# package -> the siblings that it may import
ARROWS = {
    "tokenizers": set(),
    "backend": set(),
    "snippets": {"tokenizers", "backend"},
    "layers": {"backend"},
    "models": {"layers", "backend"},
}
# The command line of b4k3-models may use the tokenizers.
EXTRA_ARROWS = {"b4k3.models.cli": {"tokenizers"}}
# Third-party modules that a package can use where they are installed, and does without where they are not.
OPTIONAL = {
    "backend": FRAMEWORKS | {"numpy", "pkg_resources"},
    "models": {"h5py", "google_crc32c", "crc32c"},
    "snippets": {"h5py"},
}
FRAMEWORK_FOLDERS = ("b4k3.backend._keras2", "b4k3.backend._keras3")
EVERY_FILE = [pytest.param(path, id=module_name(path)) for path in sources()]


def in_framework_folder(path):
    return (module_name(path) + ".").startswith(tuple(name + "." for name in FRAMEWORK_FOLDERS))


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 7))


@pytest.mark.parametrize("path", EVERY_FILE)
def test_imports_follow_the_arrows(path):
    package = module_name(path).split(".")[1]
    allowed = ARROWS[package] | EXTRA_ARROWS.get(module_name(path), set()) | {package}
    siblings = {(name.split(".")[1], line) for name, line in imported_modules(path) if name.startswith("b4k3.")}
    assert not [(name, line) for name, line in siblings if name not in allowed]


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_are_declared_dependencies(package):
    project = read_toml(folder(package) / "pyproject.toml")["project"]
    declared = {re.match(r"b4k3-(\w+)", d).group(1) for d in project["dependencies"] if d.startswith("b4k3-")}
    assert declared == ARROWS[package]


@pytest.mark.parametrize("path", [p for p in EVERY_FILE if not in_framework_folder(p.values[0])])
def test_only_two_folders_import_a_framework(path):
    found = [(name, line) for name, line in imported_modules(path) if name.split(".")[0] in FRAMEWORKS]
    assert not found, "only %s may do that" % " and ".join(FRAMEWORK_FOLDERS)


@pytest.mark.parametrize("path", EVERY_FILE)
def test_third_party_imports_are_declared(path):
    package = module_name(path).split(".")[1]
    project = read_toml(folder(package) / "pyproject.toml")["project"]
    declared = {re.match(r"[\w-]+", d).group().replace("-", "_") for d in project["dependencies"]}
    known = declared | OPTIONAL.get(package, set()) | set(sys.stdlib_module_names) | {"b4k3"}
    assert not [(name, line) for name, line in imported_modules(path) if name.split(".")[0] not in known]


@pytest.mark.parametrize("path", EVERY_FILE)
def test_python_3_7_can_read_it(path):
    module = tree(path)
    annotated = any(getattr(node, "annotation", None) or getattr(node, "returns", None) for node in ast.walk(module))
    assert not annotated or "from __future__ import annotations" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", EVERY_FILE)
def test_nothing_opaque(path):
    """No Lambda layer, no unpickling, no hand in sys.modules."""
    for node in ast.walk(tree(path)):
        where = "%s:%s" % (path.name, getattr(node, "lineno", 0))
        if isinstance(node, ast.Call):
            assert getattr(node.func, "attr", getattr(node.func, "id", "")) != "Lambda", where
            unpickles = [k for k in node.keywords if k.arg == "allow_pickle" and getattr(k.value, "value", None)]
            assert not unpickles, where
        targets = getattr(node, "targets", []) if isinstance(node, (ast.Assign, ast.Delete)) else []
        assert not [t for t in targets if ast.unparse(t).startswith("sys.modules")], where
    assert not {name for name, _ in imported_modules(path)} & {"pickle", "marshal", "shelve", "dill", "joblib"}


@pytest.mark.parametrize("path", EVERY_FILE)
def test_no_file_is_too_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 600


def test_functions_are_short():
    lengths = [
        node.end_lineno - node.lineno + 1 - docstring_lines(node)
        for path in sources()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef)
    ]
    assert statistics.quantiles(lengths, n=10)[-1] <= 35


def docstring_lines(function):
    first = function.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str)
    return first.end_lineno - first.lineno + 1 if is_docstring else 0


@pytest.mark.parametrize("package", PACKAGES)
def test_namespace_has_no_init(package):
    assert not (folder(package) / "src" / "b4k3" / "__init__.py").exists()
    assert (folder(package) / "src" / "b4k3" / package / "py.typed").exists()
