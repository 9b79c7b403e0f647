"""Arguments of a client that cannot be used are refused, with their name and without a password."""

from __future__ import annotations

import numpy as np
import pytest

from layerwise_client import Client, InvalidRequest, Prediction, Signature
from layerwise_proto.v1 import models_pb2

NOBODY = "127.0.0.1:1"


class Stand:
    """A transport to a version that takes `columns`, and an empty container."""

    number_bytes = 8

    def __init__(self, **columns):
        self.columns = columns
        self.closed = False

    def __len__(self):
        return 0

    def signature(self, model, version):
        return Signature("m", 1, self.columns)

    def predict(self, model, version, rows):
        return Prediction("m", 1, None, np.ones(len(rows)), None)

    def close(self):
        self.closed = True


@pytest.mark.parametrize(
    "timeout",
    [0, -1, float("nan"), float("inf"), 1e300, 10**400, "5", None, True, [1]],
    ids=lambda each: repr(each)[:9],
)
def test_a_timeout_is_a_number_of_seconds_that_can_be_waited_for(timeout):
    with pytest.raises(InvalidRequest, match=r"^timeout: expected ") as caught:
        Client(NOBODY, timeout=timeout)

    assert caught.value.place == ("timeout",)


@pytest.mark.parametrize("timeout", [1, 0.5, 1_000_000, np.float32(2), np.int64(3)])
def test_a_long_timeout_is_one_too(service, timeout):
    with Client(service.address, timeout=timeout) as client:
        service.answers["ListModels"] = lambda request, context: models_pb2.ListModelsResponse()
        assert client.models() == []


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("http://[::1", "expected an address such as"),
        (5, "expected a string, got int"),
        ("http://user:SECRET@host:1", "without user and password"),
        ("user:SECRET@host:1", "without user and password"),
        ("http://user:SECRET@[::1", "expected an address such as"),
        ("http://user:SECRET@host:99999", "without user and password"),
        ("ftp://user:SECRET@host", "expected an address such as"),
        ("http://host:1/?model=m", "without a query"),
        ("http://host:1/#m", "without a query"),
        ("http://host name:1", "expected an address such as"),
        (" http://host:1", "expected an address such as"),
        ("http://host:99999", "expected a port of 1 to 65535"),
    ],
)
def test_an_address_of_rest_that_cannot_be_used_is_refused_and_no_password_shown(rest, message):
    with pytest.raises(InvalidRequest, match=f"^rest: .*{message}") as caught:
        Client(NOBODY, rest=rest)

    assert caught.value.place == ("rest",)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "flag"), [(["--rest", "http://[::1"], "--rest"), (["--timeout", "inf"], "--timeout")]
)
def test_the_command_names_its_option(run, options, flag):
    done = run("predict", "m", "--row", "1", *options)

    assert done.exit_code == 2
    assert f"Invalid value for {flag}: expected" in done.stderr


def test_a_transport_that_is_an_empty_container_is_used():
    transport = Stand()
    with Client(NOBODY, transport=transport) as client:
        assert client.predict("m", [[1.0]]).values.tolist() == [1.0]

    assert transport.closed


@pytest.mark.parametrize("X", [5, None, (row for row in [[1.0]])], ids=["int", "None", "generator"])
@pytest.mark.parametrize("columns", [{}, {"a": "number"}], ids=["numbers", "table"])
def test_what_has_no_rows_is_refused(columns, X):
    with Client(transport=Stand(**columns)) as client, pytest.raises(InvalidRequest, match=r"^X: expected rows of"):
        client.predict("m", X)


@pytest.mark.parametrize("columns", [{}, {"a": "number", "b": "number"}], ids=["numbers", "table"])
def test_a_whole_number_of_hundreds_of_digits_is_refused_in_its_place(columns):
    with (
        Client(transport=Stand(**columns)) as client,
        pytest.raises(InvalidRequest, match="within float32's range") as caught,
    ):
        client.predict("m", [[1, 2], [10**400, 1]])

    assert caught.value.place == ("X", 1, "a" if columns else 0)


@pytest.mark.parametrize("digits", [400, 5_000])
def test_a_label_of_hundreds_of_digits_is_refused_in_its_place(digits):
    with (
        Client(NOBODY, timeout=1) as client,
        pytest.raises(InvalidRequest, match="y row 1: expected a whole number of 64"),
    ):
        client.train("m", {"layers": [{}]}, [[1.0], [2.0]], [1, 10**digits], progress=False)


def test_a_spec_of_100_000_levels_is_refused(run, tmp_path):
    (tmp_path / "deep.json").write_text("[" * 100_000)

    done = run("train", "iris", "--spec", "deep.json")

    assert (done.exit_code, done.stderr) == (
        1,
        "layerwise: deep.json: expected a spec of a few levels, got one that is nested too deeply\n",
    )
