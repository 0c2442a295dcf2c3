"""What the docstrings and annotations of the packages lack, read from the source.

`hatch run docstrings layers.embedding …` prints what these modules lack; without a module, what all lack.
"""

import ast
import importlib
import re
import sys

from support.workspace import PACKAGES, module_name, sources

SECTIONS = ("Arguments", "Returns", "Yields", "Raises", "Example")  # in this order
HEADER = re.compile(rf"^({'|'.join(SECTIONS)}):\s*(\S?)")
SQUEEZED = re.compile(rf"^.*\S.*\b({'|'.join(SECTIONS)}):\s")
# Methods that Keras calls. Keras documents their arguments, so a sentence about the result is enough.
CALLED_BY_KERAS = {"build", "compute_mask", "compute_output_shape", "compute_output_spec", "get_config", "from_config"}
# Methods by which an optimizer and the Keras of a row work together; `b4k3.optimizers._extensible` explains them once.
OF_OPTIMIZERS = set(
    "fused_adam rule rule_slots transform update_rate update_step variable_slots variables_with_slots".split()
)


EXPORTED = {package: set(importlib.import_module("b4k3." + package)._NAMES) for package in PACKAGES}


def definitions(path):
    """Yield (dotted name within the module, node, class that it is in or None) of functions, methods and classes."""

    def walk(body, prefix, owner):
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                yield prefix + node.name, node, owner
            if isinstance(node, ast.ClassDef):
                yield from walk(node.body, prefix + node.name + ".", node)
            elif isinstance(node, (ast.If, ast.Try)):
                yield from walk(node.body + node.orelse, prefix, owner)

    return walk(ast.parse(path.read_text(encoding="utf-8")).body, "", None)


def is_public(path, name):
    """A name without underscores that a user can import: its module is public, or its package exports it."""
    package, *modules = module_name(path)[len("b4k3.") :].split(".")
    if any(part.startswith("_") for part in name.split(".")):
        return False
    return name.split(".")[0] in EXPORTED[package] or not any(part.startswith("_") for part in modules)


def sections(docstring):
    """{header: lines below it}, in their order; a line without indentation ends a section."""
    found, current = {}, None
    for line in docstring.splitlines():
        if HEADER.match(line):
            current = found[HEADER.match(line).group(1)] = []
        elif line and not line.startswith(" "):
            current = None
        elif current is not None:
            current.append(line)
    return found


def decorators(node):
    return {getattr(d, "attr", getattr(d, "id", "")) for d in node.decorator_list}


def parameters(node):
    """The parameters of a function as syntax trees: the named ones, and those with stars."""
    named = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
    return [a for a in named if a.arg not in ("self", "cls")], [a for a in (node.args.vararg, node.args.kwarg) if a]


def signature_of(node):
    """The function whose arguments a docstring explains: for a class its `__init__`, if it has one."""
    if isinstance(node, ast.FunctionDef):
        return node
    return next((f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"), None)


def form_faults(docstring):
    """What is wrong with the form of a docstring, whatever it explains."""
    if not docstring.split("\n\n")[0].split("\n")[0].endswith((".", ":")):
        yield "the first line is no sentence"
    for line in docstring.splitlines():
        if SQUEEZED.match(line) or HEADER.match(line) and HEADER.match(line).group(2):
            yield f"a section does not have a line of its own: {line.strip()}"
    order = [SECTIONS.index(header) for header in sections(docstring)]
    if order != sorted(order):
        yield f"the sections are not in the order {', '.join(SECTIONS)}"


def argument_faults(docstring, node, required):
    """How the section `Arguments` differs from the signature."""
    function = signature_of(node)
    if function is None:  # its base class may have arguments, which are not seen from here
        return
    named, starred = parameters(function)
    names, optional = [a.arg for a in named], [a.arg for a in starred]
    found = sections(docstring)
    lines = [line for line in found.get("Arguments", []) if re.match(r"    \S", line)]
    explained = [(re.match(r"    (\w+): \S", line) or [line, line])[1] for line in lines]
    if required or "Arguments" in found:
        for name in sorted(set(names) - set(explained)):
            yield f"the argument {name} is not explained"
    for name in sorted(set(explained) - set(names) - set(optional)):
        yield f"there is no argument {name.strip()}"


def annotation_faults(node):
    named, starred = parameters(node)
    bare = [a.arg for a in named + starred if a.annotation is None]
    if bare:
        yield f"without annotation: {', '.join(bare)}"
    if node.returns is None and node.name != "__init__":
        yield "without annotation of what it returns"


def has_result(node):
    return isinstance(node, ast.FunctionDef) and ast.unparse(node.returns or ast.Constant(None)) not in (
        "None",
        "NoReturn",
    )


def definition_faults(path, name, node, owner):
    """What one function, method or class lacks."""
    own, public = node.name, is_public(path, name)
    if "overload" in decorators(node) or own.startswith("_") and own != "__init__":
        return
    if isinstance(node, ast.FunctionDef):
        yield from annotation_faults(node)
    docstring = ast.get_docstring(node)
    if own == "__init__":  # the docstring of the class explains its arguments
        return
    if docstring is None:
        yield "has no docstring"
        return
    yield from form_faults(docstring)
    is_property = decorators(node) & {"property", "cached_property", "lazy", "setter"}
    short = owner is not None and own in CALLED_BY_KERAS | OF_OPTIMIZERS or is_property
    yield from argument_faults(docstring, node, public and not short)
    found = sections(docstring)
    if public and has_result(node) and not short and not {"Returns", "Yields"} & set(found):
        yield "does not say what it returns"
    is_error = own.endswith(("Error", "Warning"))
    if public and isinstance(node, ast.ClassDef) and not is_error and ">>>" not in "".join(found.get("Example", [])):
        yield "has no Example with lines of >>>"


def faults(path):
    """What a module lacks, as 'name: what'."""
    module = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    found = [] if module or path.name in ("__about__.py",) else ["the module has no docstring"]
    for name, node, owner in definitions(path):
        found += [f"{name}: {fault}" for fault in definition_faults(path, name, node, owner)]
    return found


def examples():
    """[(module, name of the definition, text of its section Example)] of all modules."""
    found = []
    for path in sources():
        for name, node, _ in definitions(path):
            lines = sections(ast.get_docstring(node) or "").get("Example", [])
            if any(">>>" in line for line in lines):
                found.append((module_name(path), name, "\n".join(lines) + "\n"))
    return found


def main(names):
    for path in sources():
        if not names or module_name(path)[len("b4k3.") :] in names:
            print(
                "\n".join(f"{module_name(path)}.{fault}" for fault in faults(path))
                or f"{module_name(path)} lacks nothing"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
