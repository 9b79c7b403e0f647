"""Room for large bodies and answers: how many bytes of them a process holds at the same time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from layerwise_service.errors import Unavailable

LEAST_RATE = 2**16
"""Bytes a second that must come of a body while another one waits for room."""
LONGEST_SECONDS = 60.0
"""How long a body may take meanwhile; a large one must therefore come faster."""
_GRACE_SECONDS, _LOOK_SECONDS = 2.0, 0.5


class Place:
    """The room that one body has; `end` stops receiving it."""

    __slots__ = ("_arrived_at", "_end", "_least_rate", "_room", "_seen", "_seen_at", "arrived", "size", "too_slow")

    def __init__(self, room: Room, size: int, end: Callable[[], None], *, promised: bool) -> None:
        self._room = room
        self._least_rate = max(LEAST_RATE, size / LONGEST_SECONDS if promised else 0.0)
        self._end: Callable[[], None] | None = end
        self._arrived_at = self._seen_at = 0.0
        self._seen = 0
        self.size = size
        self.arrived = 0
        """The bytes that have been received."""
        self.too_slow = False
        """Whether the body came too slowly while others waited, and nothing more of it is wanted."""

    def begin(self) -> None:
        """Let the body be received from now on."""
        self._arrived_at = self._seen_at = _now()

    def has(self, arrived: int) -> None:
        """Note that so many bytes have been received."""
        self.arrived, self._arrived_at = arrived, _now()

    def has_arrived(self) -> None:
        """Note that nothing more will be received, and give back the room that was not needed."""
        self._end = None
        self._room.shrink(self, self.arrived)

    def free(self) -> None:
        """Give the room back, and let go of what was to be ended."""
        self._end = None
        self._room.leave(self)

    def end_if_slow(self) -> None:
        """Stop receiving the body if nothing came for some time, or less than should have since this was last asked."""
        now, grace = _now(), self._room.grace_seconds
        if self._end is None or now - self._seen_at < grace:
            return
        enough = self.arrived - self._seen >= self._least_rate * (now - self._seen_at)
        self._seen, self._seen_at = self.arrived, now
        if not enough or now - self._arrived_at > grace:
            self.too_slow = True
            self._end()


class Room:
    """Room for bodies of `size` bytes in total; one body alone may be larger. `most_waiting` bytes may wait besides.

    A body waits, in order of arrival, until there is room for all of it, so that each one that begins can end. While
    one waits, those that arrive too slowly are ended: else a few callers that hardly send could keep out all others.
    Answers have room in the same way: what is said here of arriving is then said of how far they are read.
    """

    def __init__(self, size: int, *, most_waiting: int | None = None, grace_seconds: float = _GRACE_SECONDS) -> None:
        """`grace_seconds` is how long nothing may come of a body while others wait."""
        self.grace_seconds = grace_seconds
        self._free = size
        self._most_waiting = most_waiting
        self._held: set[Place] = set()
        self._waiting: deque[tuple[Place, asyncio.Future[None]]] = deque()

    async def place(self, size: int, end: Callable[[], None], *, seconds: float, promised: bool = True) -> Place:
        """Return room for a body, when there is some. Raises `Unavailable` if there is none within `seconds`.

        `end` is called in this event loop if the body comes too slowly. `promised`: it has exactly
        `size` bytes; otherwise it has at most so many.
        """
        place = Place(self, size, end, promised=promised)
        if not self._waiting and self._fits(place):
            self._take(place)
            return place
        self._check_waiting(size)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((place, turn))
        deadline = _now() + seconds
        try:
            self._end_slow()
            while not turn.done():
                if _now() > deadline:
                    raise _too_many(f"this one waited for {seconds:g} s")
                await asyncio.wait([turn], timeout=_LOOK_SECONDS)
                self._end_slow()
        except BaseException:
            if turn.done():
                self.leave(place)
            else:
                self._waiting.remove((place, turn))
                self._let_in()  # those behind it may be smaller
            raise
        return place

    def leave(self, place: Place) -> None:
        """Take back the room of a body."""
        if place in self._held:
            self._held.remove(place)
            self._free += place.size
            self._let_in()

    def shrink(self, place: Place, size: int) -> None:
        """Take back what a body does not need of its room beyond `size` bytes."""
        if place in self._held and size < place.size:
            self._free += place.size - size
            place.size = size
            self._let_in()

    def _check_waiting(self, size: int) -> None:
        """Raise `Unavailable` if too many bytes wait already."""
        if self._most_waiting is not None:
            held = sum(place.size for place, _ in self._waiting)
            if held and held + size > self._most_waiting:
                raise _too_many(f"{len(self._waiting)} wait already")

    def _fits(self, place: Place) -> bool:
        return not self._held or place.size <= self._free

    def _take(self, place: Place) -> None:
        place.begin()
        self._held.add(place)
        self._free -= place.size

    def _let_in(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            place, turn = self._waiting.popleft()
            self._take(place)
            turn.set_result(None)

    def _end_slow(self) -> None:
        for place in list(self._held):
            place.end_if_slow()


def _too_many(detail: str) -> Unavailable:
    detail = f"too many large requests are sent, or their answers read, at the same time: {detail}; try again in 5 s"
    return Unavailable(detail, reason="TOO_MANY_LARGE_REQUESTS", retry_after=5)


def too_slow(place: Place) -> Unavailable:
    """Return the error for a body that came too slowly."""
    wanted = f"{LEAST_RATE} bytes a second, and within {LONGEST_SECONDS:g} s"
    detail = (
        f"other large bodies wait, and of this one {place.arrived} bytes came, which is too slow; send fewer rows in a"
        f" request, or send it again later: while others wait, a body must come at {wanted}"
    )
    return Unavailable(detail, reason="BODY_TOO_SLOW", retry_after=5)


def _now() -> float:
    return asyncio.get_running_loop().time()
