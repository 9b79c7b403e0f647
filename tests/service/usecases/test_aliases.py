"""Aliases: moved by one caller at a time, only to versions that can be served, and back again."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from layerwise_service.domain.aliases import MOST_MOVES, AliasMove, Condition, versions_to_go_back_to
from layerwise_service.domain.models import Version
from layerwise_service.errors import AlreadyExists, Conflict, InvalidRequest, NotFound, Outdated
from layerwise_service.settings import Settings
from layerwise_service.usecases.aliases import Aliases
from layerwise_service.wiring import Stores

Publish = Callable[..., Version]


@pytest.fixture
def aliases(stores: Stores) -> Aliases:
    return Aliases(stores.aliases, stores.versions, stores.artifacts, changed=lambda: None)


@pytest.fixture
def four(publish: Publish) -> list[Version]:
    """Four versions of "xor", each with a file of its own."""
    return [publish("xor", seed=seed) for seed in range(4)]


def moves_of(aliases: Aliases, alias: str = "champion") -> list[tuple[int | None, int | None, bool]]:
    """From, to, and whether by a rollback; oldest first."""
    return [(move.before, move.after, move.rollback) for move in reversed(aliases.moves("xor", alias))]


def model_file(settings: Settings, version: Version) -> Path:
    return settings.home_path / "artifacts" / "models" / f"{version.sha256}.npz"


def test_50_of_32_concurrent_promotions_one_wins_in_each_generation(
    stores: Stores, aliases: Aliases, four: list[Version]
) -> None:
    aliases.set("xor", "champion", 1)
    outcomes: Counter[str] = Counter()

    for generation in range(4):
        expected = stores.versions.get("xor").aliases["champion"]
        barrier = threading.Barrier(32)

        def promote(number: int, expected: int = expected, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            try:
                stores.aliases.set("xor", "champion", number, Condition(expected))
                outcomes["won"] += 1
            except Outdated as error:
                outcomes["lost" if error.reason == "ALIAS_MOVED" else "failed"] += 1

        others = [version.number for version in four if version.number != expected]
        threads = [threading.Thread(target=promote, args=(others[index % 3],)) for index in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes == {"won": generation + 1, "lost": 31 * (generation + 1)}

    moves = moves_of(aliases)
    assert len(moves) == 5
    assert all(before[1] == after[0] for before, after in pairwise(moves))


@pytest.mark.parametrize(
    ("alias", "expected", "words"),
    [
        ("champion", 2, "expected champion of xor to point at version 2, but it points at version 1"),
        ("champion", 0, "expected xor to have no alias champion, but it has one that points at version 1"),
        ("canary", 2, "expected canary of xor to point at version 2, but it does not exist"),
    ],
)
def test_a_caller_that_expects_another_version_is_told_what_the_alias_points_at(
    stores: Stores, aliases: Aliases, four: list[Version], alias: str, expected: int, words: str
) -> None:
    aliases.set("xor", "champion", 1, Condition(0))

    with pytest.raises(Outdated, match=words) as caught:
        aliases.set("xor", alias, 3, Condition(expected))
    with pytest.raises(Outdated, match="but it points at version 1"):
        aliases.delete("xor", "champion", Condition(2))
    assert (caught.value.pointer, caught.value.grpc_code, caught.value.http_status) == ("expected", 10, 409)
    assert stores.versions.get("xor").aliases == {"champion": 1}
    assert moves_of(aliases) == [(None, 1, False)]


def test_rollbacks_go_back_further_and_a_promotion_begins_from_where_they_led(
    stores: Stores, aliases: Aliases, four: list[Version]
) -> None:
    for number in (1, 2, 3):
        aliases.set("xor", "champion", number)

    assert aliases.rollback("xor", "champion", Condition(3)).aliases == {"champion": 2}
    assert aliases.rollback("xor", "champion").aliases == {"champion": 1}
    with pytest.raises(Conflict, match="points at version 1, and there is no earlier move to go back to"):
        aliases.rollback("xor", "champion")
    aliases.set("xor", "champion", 4)
    assert aliases.rollback("xor", "champion").aliases == {"champion": 1}
    with pytest.raises(Outdated, match="points at version 1"):
        aliases.rollback("xor", "champion", Condition(4))
    assert moves_of(aliases)[-4:] == [(3, 2, True), (2, 1, True), (1, 4, False), (4, 1, True)]


def test_a_rollback_that_another_overtakes_changes_nothing(
    stores: Stores, aliases: Aliases, four: list[Version]
) -> None:
    for number in (1, 2, 3):
        aliases.set("xor", "champion", number)
    target = stores.aliases.rollback_target("xor", "champion")
    aliases.rollback("xor", "champion")

    with pytest.raises(Outdated, match="was moved meanwhile, and points at version 2"):
        stores.aliases.rollback("xor", "champion", target)
    assert stores.versions.get("xor").aliases == {"champion": 2}


def test_an_alias_is_not_rolled_back_to_a_deleted_version(
    stores: Stores, aliases: Aliases, four: list[Version]
) -> None:
    aliases.set("xor", "champion", 1)
    aliases.set("xor", "champion", 2)
    stores.versions.delete("xor", 1)

    with pytest.raises(Conflict, match="pointed at version 1 before, which was deleted; it still points at version 2"):
        aliases.rollback("xor", "champion")
    assert stores.versions.get("xor").aliases == {"champion": 2}


def test_a_deleted_alias_keeps_its_moves_and_begins_anew(aliases: Aliases, four: list[Version]) -> None:
    aliases.set("xor", "champion", 1)
    aliases.set("xor", "champion", 2)

    assert aliases.delete("xor", "champion", Condition(2)).aliases == {}
    for call in (aliases.delete, aliases.rollback):
        with pytest.raises(NotFound, match="xor has no alias 'champion'"):
            call("xor", "champion")
    aliases.set("xor", "champion", 3)
    with pytest.raises(Conflict, match="no earlier move"):
        aliases.rollback("xor", "champion")
    assert moves_of(aliases) == [(None, 1, False), (1, 2, False), (2, None, False), (None, 3, False)]
    with pytest.raises(NotFound, match="its aliases are champion"):
        aliases.moves("xor", "canary")


@pytest.mark.parametrize("damage", [lambda file: file.write_bytes(b"PK" + bytes(100)), lambda file: file.unlink()])
def test_53_a_version_that_cannot_be_loaded_is_not_promoted_and_the_old_one_stays(
    stores: Stores,
    aliases: Aliases,
    four: list[Version],
    settings: Settings,
    damage: Callable[[Path], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    aliases.set("xor", "champion", 2)
    aliases.set("xor", "champion", 3)
    for version in (four[1], four[3]):
        damage(model_file(settings, version))

    with pytest.raises(Conflict, match=r"version 4 of xor cannot be served: .*; the alias was not moved") as caught:
        aliases.set("xor", "champion", 4)
    with pytest.raises(Conflict, match="version 2 of xor cannot be served"):
        aliases.rollback("xor", "champion")

    assert (caught.value.reason, caught.value.grpc_code, caught.value.pointer) == ("VERSION_UNUSABLE", 9, "version")
    assert stores.versions.get("xor").aliases == {"champion": 3}


def test_a_repeated_request_moves_an_alias_once(stores: Stores, aliases: Aliases, four: list[Version]) -> None:
    for number in (1, 2, 3):
        aliases.set("xor", "champion", number)

    for _ in range(2):
        assert aliases.rollback("xor", "champion", Condition(3, "r1")).aliases == {"champion": 2}
    for _ in range(2):
        assert aliases.set("xor", "champion", 4, Condition(2, "r2")).aliases == {"champion": 4}
    for _ in range(2):
        assert aliases.delete("xor", "champion", Condition(4, "r3")).aliases == {}
    calls: list[Callable[[], object]] = [
        lambda: aliases.set("xor", "champion", 3, Condition(request_id="r2")),
        lambda: aliases.set("xor", "canary", 4, Condition(request_id="r2")),
        lambda: aliases.rollback("xor", "champion", Condition(request_id="r3")),
        lambda: aliases.delete("xor", "champion", Condition(request_id="r1")),
    ]
    for call in calls:
        with pytest.raises(AlreadyExists, match="of champion of xor; take a new one"):
            call()
    assert len(moves_of(aliases)) == 6


def test_only_the_last_moves_are_kept(stores: Stores, aliases: Aliases, four: list[Version]) -> None:
    for number in range(MOST_MOVES + 20):
        stores.aliases.set("xor", "champion", number % 4 + 1)

    assert len(aliases.moves("xor", "champion")) == MOST_MOVES
    led: list[int] = []
    with pytest.raises(Conflict, match="no earlier move"):  # noqa: PT012
        while True:
            led.append(stores.aliases.rollback_target("xor", "champion"))
            stores.aliases.rollback("xor", "champion", led[-1])
    went = [number % 4 + 1 for number in range(MOST_MOVES + 19)]
    assert len(led) == MOST_MOVES // 2  # each rollback is a move as well
    assert led == went[: -len(led) - 1 : -1]


def test_an_alias_that_is_set_to_where_it_points_is_not_moved(aliases: Aliases, four: list[Version]) -> None:
    aliases.set("xor", "champion", 1)

    assert aliases.set("xor", "champion", 1, Condition(1)).aliases == {"champion": 1}
    assert moves_of(aliases) == [(None, 1, False)]


def test_an_alias_of_an_older_release_is_rolled_back_to_where_it_pointed() -> None:
    assert versions_to_go_back_to([AliasMove(0, 7, 8, rollback=False)]) == [7]


@pytest.mark.parametrize(("condition", "pointer"), [({"expected": -1}, "expected"), ({"request_id": ""}, "request_id")])
def test_a_condition_that_says_nothing_is_refused(condition: dict[str, object], pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Condition(**condition)  # type: ignore[arg-type]
    assert caught.value.pointer == pointer
