"""The docstrings of the SDK's public names have the sections that they need; tests/e2e runs their examples."""

import inspect

import pytest

from helpers.docstrings import missing_sections, public_names
from layerwise_client import Client, Job, Model

NAMES = {
    name: thing
    for name, thing in public_names(["layerwise_client", "layerwise_client.datasets"]).items()
    if "TableBlock" not in name  # the values of a table as a transport gets them
}


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_says_what_it_takes_gives_and_raises(name: str) -> None:
    missing = missing_sections(NAMES[name]) if name != "layerwise_client.Job" else []  # only clients make jobs

    assert (inspect.getdoc(NAMES[name]) or "").strip()
    assert missing == []


@pytest.mark.parametrize("thing", [Client, Client.train, Client.predict, Job, Model])
def test_what_users_meet_first_has_an_example(thing: object) -> None:
    assert ">>> " in (inspect.getdoc(thing) or "")
