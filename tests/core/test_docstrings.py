"""The docstrings of the core: their examples run, and those of public names have the sections that they need."""

import doctest
import importlib
import inspect
import pkgutil
from typing import Any

import pytest

import layerwise

MODULES = sorted(info.name for info in pkgutil.walk_packages(layerwise.__path__, "layerwise."))
PUBLIC = [f"layerwise{part}" for part in ("", ".metrics", ".onnx", ".standalone", ".imports", ".sklearn")]
METHODS = {
    "layerwise.MLP": ["predict", "predict_proba", "outputs", "save", "load", "summary"],
    "layerwise.TableEncoder": ["fit", "fit_blocks", "encode"],
    "layerwise.sklearn.MLPClassifier": ["fit"],
    "layerwise.sklearn.MLPRegressor": ["fit"],
}
AREAS = "errors model network.summary metrics evaluation tables onnx standalone imports sklearn"
NOTHING_TO_REFUSE = {"summary"}


def public_names() -> dict[str, Any]:
    found: dict[str, Any] = {}
    areas = tuple(f"layerwise.{area}" for area in AREAS.split())
    for package in map(importlib.import_module, PUBLIC):
        for name in package.__all__:
            if getattr(thing := getattr(package, name), "__module__", "").startswith(areas):
                found[f"{package.__name__}.{name}"] = thing
    for owner, methods in METHODS.items():
        found |= {f"{owner}.{method}": getattr(found[owner], method) for method in methods}
    return found


NAMES = public_names()


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_give_what_they_show(name: str) -> None:
    runner, report = doctest.DocTestRunner(verbose=False), list[str]()

    for test in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name), name):
        runner.run(test, out=report.append)

    assert "".join(report) == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_says_what_it_takes_gives_and_raises(name: str) -> None:
    thing = NAMES[name]

    document = inspect.getdoc(thing) or ""

    missing = [section for section in sections(thing) if not any(f"\n{s}\n---" in document for s in section.split("/"))]
    assert document.strip()
    assert missing == []


def sections(thing: Any) -> list[str]:
    if inspect.isclass(thing):
        return ["Parameters/Attributes"] if "__init__" in vars(thing) else []
    signature = inspect.signature(thing)
    parameters = [name for name in signature.parameters if name != "self"]
    needed = ["Parameters"] if parameters else []
    if signature.return_annotation is not None:
        needed.append("Returns/Yields")
    return needed if thing.__name__ in NOTHING_TO_REFUSE else [*needed, "Raises"]
