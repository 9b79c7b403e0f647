"""A version is asked once what it takes; a name that comes to mean another version still gets the right answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from layerwise import Contributions
from layerwise_client import Client, InvalidRequest, Prediction, ServiceFault, Signature, TableBlock

A_AND_B = {"a": "number", "b": "category"}
B_AND_A = {"b": "category", "a": "number"}


class Service:
    """A transport whose versions take what `versions` says, by number; each predicts the column a of a row."""

    number_bytes = 8

    def __init__(self, *versions: dict[str, str]) -> None:
        self.versions = list(versions)
        self.looks: list[str] = []
        self.asked: list[str] = []
        self.closed = False

    def signature(self, model: str, version: str) -> Signature:
        self.looks.append(version)
        number = self._number(version)
        return Signature("m", number, self.versions[number - 1])

    def predict(self, model: str, version: str, rows: np.ndarray | TableBlock) -> Prediction:
        self.asked.append(version)
        number = self._number(version)
        columns = self.versions[number - 1]
        if isinstance(rows, TableBlock):
            if set(rows.names) != set(columns):
                raise InvalidRequest("X: other columns", reason="WRONG_KIND_OF_ROWS", pointer="X")
            values = np.array(rows.values[rows.names.index("a")], dtype=float)
        else:
            if columns:
                raise InvalidRequest("X: expected a table", reason="WRONG_KIND_OF_ROWS", pointer="X")
            values = rows[:, 0].astype(float)
        return Prediction("m", number, None, values, None)

    def close(self) -> None:
        self.closed = True

    def _number(self, version: str) -> int:
        return int(version) if version.isdecimal() else len(self.versions)


@pytest.mark.parametrize(
    ("columns", "X"), [({}, [[1.0, 2.0]]), (A_AND_B, [[1, "x"]]), (A_AND_B, {"a": [1], "b": ["x"]})]
)
@pytest.mark.parametrize("version", [None, "champion", 1])
def test_a_version_is_asked_once_what_it_takes(columns, X, version):
    service = Service(columns)
    client = Client(transport=service)

    answers = [client.predict("m", X, version=version).values.tolist() for _ in range(4)]

    assert answers == [[1.0]] * 4
    assert len(service.looks) == 1
    assert len(service.asked) == 4


@pytest.mark.parametrize("version", [None, "champion"])
@pytest.mark.parametrize(
    ("before", "after", "X", "answer"),
    [
        ({}, A_AND_B, [[1.0, 2.0]], 1.0),  # refused in the old form
        (A_AND_B, {}, [[1, 2]], 1.0),
        ({}, B_AND_A, [[1.0, 2.0]], 2.0),
        (A_AND_B, B_AND_A, [[1, 2]], 2.0),  # accepted in the old form, by another version than was meant
    ],
)
def test_a_name_that_means_another_version_now_gets_the_answer_of_that_version(before, after, X, answer, version):
    service = Service(before)
    client = Client(transport=service)
    client.predict("m", X, version=version)

    service.versions.append(after)
    found = [client.predict("m", X, version=version) for _ in range(3)]

    assert [(each.version, each.values.tolist()) for each in found] == [(2, [answer])] * 3
    assert len(service.looks) == 2
    assert client.predict("m", X, version=1).version == 1


@pytest.mark.parametrize(("columns", "X"), [({}, [[1.0, 2.0]]), (A_AND_B, [[1, "x"]])])
def test_rows_are_sent_once_to_a_new_version_that_takes_the_same(columns, X):
    service = Service(columns)
    client = Client(transport=service)
    client.predict("m", X)

    service.versions.append(dict(columns))
    answers = [client.predict("m", X).version for _ in range(2)]

    assert (answers, len(service.asked), len(service.looks)) == ([2, 2], 3, 2)


def test_what_a_version_refuses_is_not_sent_again():
    service = Service({"a": "number", "c": "number"})
    client = Client(transport=service)
    client.predict("m", {"a": [1], "c": [2]})

    with pytest.raises(InvalidRequest, match="other columns"):
        client.predict("m", {"a": [1]})

    assert len(service.asked) == 2
    assert len(service.looks) == 2


def test_rows_that_cannot_be_sent_are_checked_against_the_version_that_is_there_now():
    service = Service({})
    client = Client(transport=service)
    client.predict("m", [[1.0, 2.0]])

    service.versions.append(A_AND_B)

    assert client.predict("m", [[1, "x"]]).values.tolist() == [1.0]
    assert service.asked == ["1", "2"]


def test_a_client_closes_its_transport_and_takes_one_alone():
    service = Service({})

    with Client(transport=service):
        pass

    assert service.closed
    with pytest.raises(InvalidRequest, match="transport: expected either rest or transport, got both"):
        Client(rest="http://127.0.0.1:1", transport=service)


@pytest.mark.parametrize("X", [[], np.zeros((0, 2)), ()])
@pytest.mark.parametrize("columns", [{}, A_AND_B])
def test_no_rows_are_refused_by_any_version(columns, X):
    with pytest.raises(InvalidRequest, match="X has no rows"):
        Client(transport=Service(columns)).predict("m", X)


def test_who_has_seen_a_version_published_gets_no_answer_of_an_older_one(client, service):
    behind = Service({}, {})
    names = {"": 1, "1": 1, "2": 2}
    behind._number = names.__getitem__  # it does not know yet that version 2 is the newest
    service.answers["GetJob"] = lambda request, context: service.job("SUCCEEDED", version=2)
    waiting = Client(client._connection.target, transport=behind)
    model = waiting.job("j").model

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(behind, "predict", lambda *asked: replace(Service.predict(behind, *asked), model=model))
        answers = [
            waiting.predict(model, [[1.0, 2.0]]).version,
            waiting.predict(model, [[1.0, 2.0]], version=1).version,
        ]

    assert answers == [2, 1]
    waiting.close()


def test_every_block_of_rows_is_answered_by_one_version():
    class Moving(Service):
        def predict(self, model, version, rows):
            self.asked.append(version)
            return Prediction("m", len(self.asked), None, np.zeros(len(rows)), None)

    service = Moving({})
    with Client(transport=service) as client, pytest.raises(ServiceFault, match="expected answers of version 1 of m"):
        client.predict("m", np.zeros((9_000, 1)))

    assert service.asked == ["1", "1", "1"]


def test_contributions_are_asked_for_only_if_they_are_wanted_and_fit_the_rows():
    class Explaining(Service):
        def predict(self, model, version, rows, explain=False):
            assert explain
            answer = Service.predict(self, model, version, rows)
            there = rows[1:] if len(rows) == 3 else rows
            return replace(answer, contributions=Contributions("value", (0,), there, there[:, 0], there[:, 0]))

    with Client(transport=Service({})) as plain, Client(transport=Explaining({})) as client:
        assert plain.predict("m", [[1.0]]).contributions is None
        found = client.predict("m", np.arange(9_000.0)[:, None], explain=True).contributions
        with pytest.raises(ServiceFault, match="the service gave 2 contributions for 3 rows"):
            client.predict("m", [[1.0]] * 3, explain=True)

    np.testing.assert_array_equal(found.values[:, 0], np.arange(9_000))


def test_few_signatures_are_kept():
    class Any(Service):
        def signature(self, model, version):
            self.looks.append(version)
            return Signature(model, 1, {})

    service = Any({})
    with Client(transport=service) as client:
        for number in range(2_500):
            client.predict(f"m{number}", [[1.0]])

        assert len(client._predicting._signatures) <= 1_000
