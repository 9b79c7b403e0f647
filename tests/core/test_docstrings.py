"""The docstrings of the core: their examples run, and those of public names have the sections that they need."""

import inspect
import pkgutil

import pytest

import layerwise
from helpers.docstrings import missing_sections, public_names, wrong_examples

MODULES = sorted(info.name for info in pkgutil.walk_packages(layerwise.__path__, "layerwise."))
PUBLIC = [f"layerwise{part}" for part in ("", ".metrics", ".onnx", ".standalone", ".imports", ".sklearn")]
NAMES = public_names(PUBLIC)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_give_what_they_show(name: str) -> None:
    assert wrong_examples(name) == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_says_what_it_takes_gives_and_raises(name: str) -> None:
    assert (inspect.getdoc(NAMES[name]) or "").strip()
    assert missing_sections(NAMES[name]) == []
