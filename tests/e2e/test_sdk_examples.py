"""The examples in the docstrings of the SDK give what they show, against a running service."""

import pkgutil
from collections.abc import Iterator
from contextlib import chdir

import pytest

import layerwise_client
from helpers.docstrings import wrong_examples
from helpers.running import Service
from layerwise_client import datasets

FLOWERS = "id,sepal_length,sepal_width,petal_length,petal_width,species\na1,5.1,3.5,1.4,0.2,setosa\na2,4.9,3,1.4,0.2,\n"
SHIRTS = 'size,colour,sold\n"1,5",red,yes\n"2",,no\n"2,5",blue,yes\n'
MODULES = sorted(info.name for info in pkgutil.walk_packages(layerwise_client.__path__, "layerwise_client."))


@pytest.fixture(scope="module")
def names(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """Define the names that the examples use: a client, the data set iris and a network for it, which is trained.

    The files shirts.csv and flowers.csv are in the working folder.
    """
    folder = tmp_path_factory.mktemp("files")
    (folder / "shirts.csv").write_text(SHIRTS)
    (folder / "flowers.csv").write_text(FLOWERS)
    X, y = datasets.load("iris")
    network = {"layers": [{"units": 8, "activation": "relu"}, {}]}
    with service.client() as client, chdir(folder):
        client.train("iris", network, X, y, plan={"epochs": 100}, progress=False).wait()
        yield {"address": service.rpc, "client": client, "network": network, "X": X, "y": y, "datasets": datasets}


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_give_what_they_show(names: dict[str, object], module: str) -> None:
    assert wrong_examples(module, names) == ""
