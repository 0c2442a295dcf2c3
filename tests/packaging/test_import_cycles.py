"""The modules of the packages import each other without a circle: each can be read after those that it imports.

An import inside a function counts too, because it only hides a circle. Imports for type checkers do not count.
"""

import ast

from support.workspace import module_name, sources

MODULES = {module_name(path): path for path in sources()}
# Functions that import a module of ours whose name is an argument.
IMPORTERS = ("import_module", "load")


def imported(path):
    """{module of ours: line} of what a file imports anywhere but for type checkers."""
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    found = {}
    pending = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            pending += node.orelse
            continue
        pending += ast.iter_child_nodes(node)
        for name in named_by(node, package):
            if name in MODULES and name != module_name(path):
                found.setdefault(name, node.lineno)
    return found


def named_by(node, package):
    """The modules that one statement or call imports, as absolute names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else []
        base = ".".join(base + ([node.module] if node.module else []))
        for alias in node.names:
            yield f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base
    elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in IMPORTERS:
        if node.args and isinstance(node.args[0], ast.Constant):
            end = "." + str(node.args[0].value).lstrip(".")
            yield from (name for name in MODULES if name.endswith(end) and name.startswith(".".join(package[:2])))


def cycle(graph):
    """A list of nodes that leads back to its first one, or None. `graph` is {node: nodes that it leads to}."""
    done = set()

    def walk(node, way):
        if node in way:
            return way[way.index(node) :] + [node]
        if node in done:
            return None
        for following in sorted(graph[node]):
            found = walk(following, way + [node])
            if found:
                return found
        done.add(node)
        return None

    return next(filter(None, (walk(node, []) for node in sorted(graph))), None)


def test_a_cycle_is_found():
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None


def test_imports_are_read():
    """Those of a switch, of a function, and those whose name is an argument; but none for type checkers."""
    environment = imported(MODULES["b4k3.backend._environment"])
    assert {"b4k3.backend._keras2.fused", "b4k3.backend._keras3.fused", "b4k3.backend._runtime"} <= set(environment)
    assert "b4k3.backend._keras2.devices" in imported(MODULES["b4k3.backend.recomputing"])
    assert "b4k3.backend.K" not in imported(MODULES["b4k3.backend"])


def test_no_cycle():
    found = cycle({name: set(imported(path)) for name, path in MODULES.items()})
    assert not found, " imports ".join(found)
