"""The docstrings of the core: their examples run, and those of public names have the sections that they need."""

import doctest
import importlib
import pkgutil

import pytest

import layerwise
import layerwise.metrics

MODULES = sorted(info.name for info in pkgutil.walk_packages(layerwise.__path__, "layerwise."))


def examples(module):
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [test for test in finder.find(module, module.__name__) if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_give_what_they_show(name):
    runner = doctest.DocTestRunner(verbose=False)
    report = []

    for test in examples(importlib.import_module(name)):
        runner.run(test, out=report.append)

    assert "".join(report) == ""
