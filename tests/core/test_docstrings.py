"""The docstrings of the core: their examples run, and those of public names have the sections that they need."""

import doctest
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

import layerwise

MODULES = sorted(info.name for info in pkgutil.walk_packages(layerwise.__path__, "layerwise."))
PUBLIC = [f"layerwise{part}" for part in ("", ".metrics", ".onnx", ".standalone", ".imports", ".sklearn")]


def public_names() -> dict[str, Any]:
    """Return public functions and classes, and the public methods of these classes where they are first defined."""
    found: dict[str, Any] = {}
    for package in map(importlib.import_module, PUBLIC):
        for name in package.__all__:
            thing = getattr(package, name)
            if inspect.isclass(thing):
                found |= dict(public_methods(thing))
            if not inspect.ismodule(thing):
                found[f"{package.__name__}.{name}"] = thing
    return found


def public_methods(cls: type) -> Iterator[tuple[str, Any]]:
    for name in dir(cls):
        owner = next((base for base in reversed(cls.__mro__) if name in vars(base)), object)
        if (
            not name.startswith("_")
            and owner.__module__.startswith("layerwise.")
            and inspect.isroutine(getattr(owner, name))
        ):
            yield f"{owner.__module__}.{owner.__name__}.{name}", getattr(owner, name)


NAMES = public_names()


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_give_what_they_show(name: str) -> None:
    runner, report = doctest.DocTestRunner(verbose=False), list[str]()

    for test in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name), name):
        runner.run(test, out=report.append)

    assert "".join(report) == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_says_what_it_takes_gives_and_raises(name: str) -> None:
    document = inspect.getdoc(NAMES[name]) or ""

    missing = [
        section
        for section in needed_sections(NAMES[name], document)
        if not any(f"\n{title}\n---" in document for title in section.split("/"))
    ]
    assert document.strip()
    assert missing == []


def needed_sections(thing: Any, document: str) -> list[str]:
    """Return the sections that the docstring of a function, method or class needs."""
    needed = ["Raises"] if "Raises" in document else []
    if inspect.isclass(thing):
        takes_arguments = "__init__" in vars(thing) and inspect.signature(thing).parameters
        return ["Parameters/Attributes", *needed] if takes_arguments else needed
    signature = inspect.signature(thing)
    if thing.__qualname__ == thing.__name__:  # every public function checks its arguments
        needed = ["Raises"]
    if signature.parameters.keys() - {"self"}:
        needed.append("Parameters")
    if signature.return_annotation is not None:
        needed.append("Returns/Yields")
    return needed
