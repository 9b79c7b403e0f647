"""What docstrings must have: NumPy sections, and examples that give what they show."""

from __future__ import annotations

import doctest
import importlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any


def public_names(packages: list[str]) -> dict[str, Any]:
    """Return the functions and classes in `__all__` of these packages, and the public methods of these classes."""
    found: dict[str, Any] = {}
    for package in map(importlib.import_module, packages):
        for name in package.__all__:
            thing = getattr(package, name)
            if inspect.isclass(thing):
                found |= dict(public_methods(thing))
            if not inspect.ismodule(thing):
                found[f"{package.__name__}.{name}"] = thing
    return found


def public_methods(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield the public methods and properties of a class, each where it is first defined."""
    for name in dir(cls):
        owner = next((base for base in reversed(cls.__mro__) if name in vars(base)), object)
        if name.startswith("_") or not owner.__module__.startswith("layerwise"):
            continue
        defined = inspect.getattr_static(owner, name)
        thing = defined if isinstance(defined, property) else getattr(owner, name)
        if isinstance(thing, property) or inspect.isroutine(thing):
            yield f"{owner.__module__}.{owner.__name__}.{name}", thing


def missing_sections(thing: Any) -> list[str]:
    """Return the sections that the docstring of a function, method or class needs and does not have."""
    document = inspect.getdoc(thing) or ""
    return [
        section
        for section in _needed_sections(thing, document)
        if not any(f"\n{title}\n---" in document for title in section.split("/"))
    ]


def _needed_sections(thing: Any, document: str) -> list[str]:
    needed = ["Raises"] if "Raises" in document else []
    if isinstance(thing, property):
        return []
    if inspect.isclass(thing) and "__init__" not in vars(thing):
        return needed
    parameters = inspect.signature(thing).parameters
    takes_arguments = any(
        each.kind < each.VAR_POSITIONAL or each.kind == each.KEYWORD_ONLY for each in parameters.values()
    )
    if inspect.isclass(thing):
        return ["Parameters/Attributes", *needed] if takes_arguments else needed
    if thing.__qualname__ == thing.__name__ and parameters:  # every public function checks its arguments
        needed = ["Raises"]
    if parameters.keys() - {"self"}:
        needed.append("Parameters")
    if inspect.signature(thing).return_annotation not in (None, "None"):
        needed.append("Returns/Yields")
    return needed


def wrong_examples(module: str, names: Mapping[str, object] | None = None) -> str:
    """Run the examples in a module's docstrings, with `names` defined; return a report of those that fail."""
    runner, report = doctest.DocTestRunner(verbose=False), list[str]()
    for test in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(module), module):
        test.globs.update(names or {})
        runner.run(test, out=report.append)
    return "".join(report)
