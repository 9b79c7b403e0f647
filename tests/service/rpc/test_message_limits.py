"""Counting the fields and texts of a message over its bytes: quick whatever the bytes, and never against the parser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from google.protobuf import empty_pb2, unknown_fields
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from helpers.rpc_requests import field, header, strings, table, table_batch
from layerwise_proto.v1 import training_pb2
from layerwise_service.errors import TooLarge
from layerwise_service.rpc import message_limits
from layerwise_service.rpc.message_limits import MOST_FIELDS, MOST_TEXTS, check_fields

KIND = training_pb2.TrainRequest.DESCRIPTOR
SIZE = 8 << 20
SECONDS = 3.0  # of this thread; none takes more than 0.4 s


def full(unit: bytes) -> bytes:
    """`unit` again and again, as often as a message has room for."""
    return unit * (SIZE // len(unit))


def labels(data: bytes) -> bytes:
    return field(2, field(2, field(2, data)))


WORST = {
    "numbers without an end": full(b"\xff"),
    "lengths without an end": b"\x0a" + full(b"\xff"),
    "long tags and lengths": full(b"\x8a\x80\x80\x80\x00" + b"\x80" * 9 + b"\x00"),
    "groups in groups": full(b"\x7b"),
    "groups": full(b"\x7b\x7c"),
    "empty unknown fields": full(b"\x7a\x00"),
    "empty headers": full(b"\x0a\x00"),
    "layers before what is no field": field(1, field(2, field(2, b"") * (SIZE // 2))) + b"\xff" * 20,
    "empty texts": labels(full(b"\x0a\x00")),
    "empty texts with long lengths": labels(full(b"\x0a\x80\x00")),
    "empty texts with long tags": labels(full(b"\x8a\x80\x00\x00")),
    "texts of line breaks": labels(full(field(1, b"\n" * 4000))),
    "short texts of line breaks": labels(full(field(1, b"\n" * 14))),
    "unknown fields among the texts": labels(full(b"\x78\x0a")),
    "columns of line breaks": field(2, field(5, field(1, field(3, field(1, b"\n" * 500))) * 15_000)),
    "one tensor": field(2, field(1, field(3, bytes(SIZE)))),
}


@pytest.mark.parametrize("what", WORST)
def test_no_message_keeps_the_count_busy(what: str) -> None:
    data = WORST[what]

    start = time.thread_time()
    refused = is_refused(data)
    took = time.thread_time() - start

    assert took < SECONDS
    if not refused and what.endswith("an end"):
        with pytest.raises(DecodeError):
            training_pb2.TrainRequest.FromString(data)


def is_refused(data: bytes) -> bool:
    try:
        check_fields(data, KIND)
    except TooLarge:
        return True
    return False


FEW = 8
LENGTH, GROUP = 2, 3


@contextmanager
def few() -> Iterator[None]:
    """Limits so low that random bytes reach them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(message_limits, "MOST_FIELDS", FEW)
        patch.setattr(message_limits, "MOST_TEXTS", FEW)
        yield


NUMBERS = st.sampled_from([1, 2, 3, 5, 8, 15])
WIRES = st.one_of(
    st.builds(lambda number: bytes([number << 3, 0x81, 0x00]), NUMBERS),
    st.builds(lambda number: bytes([number << 3 | 3, number << 3 | 4]), NUMBERS),
    st.builds(lambda number: bytes([number << 3 | 1]) + bytes(8), NUMBERS),
    st.binary(max_size=3),
)
NESTED = st.recursive(
    WIRES | st.builds(field, NUMBERS, st.binary(max_size=12)),
    lambda inner: st.builds(field, NUMBERS, st.lists(inner, max_size=4).map(b"".join)),
    max_leaves=30,
)


@given(st.lists(NESTED, max_size=5).map(b"".join))
def test_what_the_parser_reads_and_is_within_the_limits_is_never_refused(data: bytes) -> None:
    with few():
        refused = is_refused(data)

    if refused:
        assert has_more(data)


def has_more(data: bytes) -> bool:
    """Whether the parser's own runtime finds more fields than `FEW`, or cannot read the bytes as a message."""
    try:
        training_pb2.TrainRequest.FromString(data)
    except DecodeError:
        return True
    return fields_of(unknown_fields.UnknownFieldSet(as_unknown(data)), KIND) > FEW


def as_unknown(data: bytes) -> empty_pb2.Empty:
    return empty_pb2.Empty.FromString(data)


def fields_of(fields: Any, kind: Descriptor | None) -> int:
    """The fields in all messages of `kind`, as the runtime reads them."""
    found = 0
    for each in fields:
        found += 1
        if each.wire_type == GROUP:
            found += 1 + fields_of(each.data, None)  # its end counts too
        known = None if kind is None else kind.fields_by_number.get(each.field_number)
        if each.wire_type == LENGTH and known is not None and known.message_type is not None:
            inner = unknown_fields.UnknownFieldSet(as_unknown(each.data))
            found += fields_of(inner, known.message_type)
    return found


@given(
    st.lists(st.text("\n\x8a ab", max_size=200), max_size=FEW // 4),
    st.lists(st.text("\n\x8a ab", max_size=200), max_size=FEW // 4),
)
def test_texts_within_the_limit_are_never_refused_whatever_is_in_them(a: list[str], b: list[str]) -> None:
    """Of one column and of labels, so there are five fields besides."""
    message = table_batch(table(c=a), labels=strings(*b)) if a else training_pb2.TrainRequest()

    with few():
        assert not is_refused(message.SerializeToString())


@given(st.lists(st.text("\na", max_size=3), min_size=2 * FEW + 2, max_size=40))
def test_more_texts_than_the_limit_are_refused(texts: list[str]) -> None:
    message = table_batch(table(c=texts[::2]), labels=strings(*texts[1::2]))

    with few():
        assert is_refused(message.SerializeToString())


def test_as_many_fields_and_texts_as_the_limits_allow_pass() -> None:
    texts = labels(field(1, b"\n") * MOST_TEXTS)
    layers = header(architecture={"layers": [{}] * (MOST_FIELDS - 20)}).SerializeToString()

    assert not is_refused(texts)
    assert is_refused(labels(field(1, b"\n") * (MOST_TEXTS + 1)))
    assert not is_refused(layers)
    assert is_refused(layers + field(1, b"") * 50)
