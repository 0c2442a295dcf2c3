"""The public names of bert4keras are here, with their arguments in their order."""

import importlib
import inspect

import pytest

from support.public_names import LEFT_OUT, METHODS, NAMES

ALL = [(module, name) for module in sorted(NAMES) for name in sorted(NAMES[module])]


def module_of(name):
    return importlib.import_module("b4k3." + name)


@pytest.mark.parametrize("module,name", ALL, ids=lambda x: x)
def test_name_and_arguments(module, name):
    wanted = NAMES[module][name]
    found = getattr(module_of(module), name)
    if not wanted:
        return
    parameters = inspect.signature(found.__init__ if inspect.isclass(found) else found).parameters
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    names = [stars.get(p.kind, "") + n for n, p in parameters.items() if n != "self"]
    assert names[: len(wanted.split())] == wanted.split()


@pytest.mark.parametrize("module,name", sorted(METHODS), ids=lambda x: x)
def test_methods(module, name):
    cls = getattr(module_of(module), name)
    assert not [method for method in METHODS[module, name].split() if not hasattr(cls, method)]


def test_names_that_are_not_there():
    """So that the table is kept: a name that arrives moves up into NAMES."""
    for module, names in LEFT_OUT.items():
        source = module_of(module)
        theirs = source.keras.layers if module == "layers" else None
        for name in names:
            assert not hasattr(source, name) or hasattr(theirs, name), (module, name)


@pytest.mark.parametrize("module", sorted(NAMES))
def test_dir_lists_the_names(module):
    assert set(NAMES[module]) <= set(dir(module_of(module)))


def test_former_names_of_the_backend_stay_for_a_version():
    backend = module_of("backend")
    assert backend.lowest is backend.mask_value
    assert backend.wide is backend.upcast
    assert backend.row is backend.environment
    assert backend.row.kind == backend.environment.keras_flavour
