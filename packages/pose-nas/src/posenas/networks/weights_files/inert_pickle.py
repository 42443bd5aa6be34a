"""Pickles read without running them: a machine that knows plain values and calls nothing but `rebuild`.

A pickle is a program. Python's reader imports what it names and calls what it finds. This one imports
nothing: a name stays a pair of words, and what the program makes of it stays an `Inert` record of the
arguments and the state that it was given. The few names that rebuild tensors are the caller's affair.

Every instruction takes its bytes from the file and makes at most one small object, so memory and time are
bounded by the file's size and by `MOST_INSTRUCTIONS`. No value is ever hashed but text, compared or printed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

MOST_INSTRUCTIONS = 1_000_000
"""A tensor takes about 40, and the largest network here has 2000. This many take about a second."""
_LONGEST_NUMBER = 1024
"""The bytes of the longest whole number that is read."""


class PickleError(Exception):
    """What is wrong with a pickle, in words that follow its file's name."""


class Name(NamedTuple):
    """A name that a pickle mentions, never looked up."""

    module: str
    name: str


@dataclass(eq=False, repr=False)
class Inert:
    """An object of a class that is not known, as the pickle describes it.

    Attributes:
        of: the name that was to be called, or whatever stands in its place.
        arguments: what it was to be called with.
        state: what the object was to be filled with, mostly its attributes.
        items: entries that it was to hold, by their texts.
    """

    of: Any
    arguments: tuple[Any, ...] = ()
    state: Any = None
    items: dict[str, Any] = field(default_factory=dict)


Rebuild = Callable[[Name, tuple[Any, ...]], Any]
"""What a known name makes of its arguments; an `Inert` where it is not known."""


@dataclass(frozen=True)
class Resolver:
    """What the caller knows.

    Attributes:
        rebuild: makes objects of known names. It is given plain values, names and `Inert` objects.
        storage: gives what a persistent id stands for.
    """

    rebuild: Rebuild
    storage: Callable[[Any], Any]


_MARK = object()


class _Machine:
    """The state of one reading: the program, the stack, and what was remembered."""

    def __init__(self, program: memoryview, resolver: Resolver) -> None:
        self.program, self.resolver = program, resolver
        self.place = 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def take(self, count: int) -> bytes:
        """Return the next bytes of the program."""
        end = self.place + count
        if count < 0 or end > len(self.program):
            raise PickleError("ends in the middle")
        taken = bytes(self.program[self.place : end])
        self.place = end
        return taken

    def line(self) -> str:
        """Return the text up to the next line's end, which is at most a name's length away."""
        near = bytes(self.program[self.place : self.place + _LONGEST_NUMBER])
        text, end, _ = near.partition(b"\n")
        if not end:
            raise PickleError("has a name that does not end")
        self.place += len(text) + 1
        return text.decode("utf-8", "replace")

    def number(self, form: str) -> int:
        """Return the next bytes as a whole number of this form of `struct`."""
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def pop(self) -> Any:
        """Take the uppermost value from the stack."""
        if not self.stack or self.stack[-1] is _MARK:
            raise PickleError("takes a value from an empty stack")
        return self.stack.pop()

    def top(self) -> Any:
        """Return the uppermost value."""
        if not self.stack or self.stack[-1] is _MARK:
            raise PickleError("takes a value from an empty stack")
        return self.stack[-1]

    def to_mark(self) -> list[Any]:
        """Take all values above the last mark, and the mark."""
        for place in range(len(self.stack) - 1, -1, -1):
            if self.stack[place] is _MARK:
                values = self.stack[place + 1 :]
                del self.stack[place:]
                return values
        raise PickleError("has no mark where one is needed")

    def recall(self, place: int) -> Any:
        """Return what was remembered under a number."""
        if place not in self.memo:
            raise PickleError("recalls what it never remembered")
        return self.memo[place]

    def name(self, module: object, name: object) -> Name:
        """Return a name, whatever it may be of."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise PickleError("has a name that is no text")
        return Name(module, name)

    def call(self, of: Any, arguments: Any) -> Any:
        """Return what a known name makes of the arguments; an inert record for everything else."""
        if not isinstance(arguments, tuple):
            raise PickleError("calls something without arguments")
        return self.resolver.rebuild(of, arguments) if isinstance(of, Name) else Inert(of, arguments)

    def fill(self, target: Any, state: Any) -> None:
        """Record an object's state; what is known keeps what it has."""
        if isinstance(target, Inert):
            target.state = state

    def put(self, target: Any, entries: Sequence[Any]) -> None:
        """Put keys and values by turns into a mapping. Only entries under a text are kept."""
        if len(entries) % 2:
            raise PickleError("has a key without a value")
        kept = target.items if isinstance(target, Inert) else target
        if not isinstance(kept, dict):
            raise PickleError("puts entries into what is no mapping")
        kept.update((key, value) for key, value in zip(*[iter(entries)] * 2, strict=True) if type(key) is str)

    def add(self, target: Any, values: Sequence[Any]) -> None:
        """Add values to a list; what is not known forgets them."""
        if isinstance(target, list):
            target.extend(values)
        elif not isinstance(target, Inert):
            raise PickleError("adds to what is no list")

    def whole(self, count: int) -> int:
        """Return a whole number of so many bytes."""
        if count > _LONGEST_NUMBER:
            raise PickleError(f"has a whole number of {count} bytes")
        return int.from_bytes(self.take(count), "little", signed=True)


def read_pickle(program: memoryview, resolver: Resolver, *, start: int = 0) -> tuple[Any, int]:
    """Return the value that a pickle describes, and the place after its end.

    Args:
        program: bytes with a pickle, protocol 2 to 4 or what Python 2 wrote as such.
        resolver: knows the names and persistent ids that mean something.
        start: the place where it begins.

    Raises:
        PickleError: where it is none, is damaged, or does more than any file of weights.
    """
    machine = _Machine(program, resolver)
    machine.place = start
    for _ in range(MOST_INSTRUCTIONS):
        code = machine.take(1)
        if code == b".":
            return machine.pop(), machine.place
        instruction = _INSTRUCTIONS.get(code)
        if instruction is None:
            raise PickleError(f"has an instruction that no file of weights needs ({code!r})")
        instruction(machine)
    raise PickleError(f"has more than {MOST_INSTRUCTIONS} instructions")


def _push(make: Callable[[_Machine], Any]) -> Callable[[_Machine], None]:
    return lambda machine: machine.stack.append(make(machine))


def _above(machine: _Machine, count: int) -> tuple[Any, ...]:
    return tuple(reversed([machine.pop() for _ in range(count)]))


def _mark(machine: _Machine) -> None:
    machine.stack.append(_MARK)


def _drop(machine: _Machine) -> None:
    if not machine.stack:
        raise PickleError("takes a value from an empty stack")
    machine.stack.pop()


def _drop_to_mark(machine: _Machine) -> None:
    machine.to_mark()


def _remember(form: str | None) -> Callable[[_Machine], None]:
    def remember(machine: _Machine) -> None:
        place = len(machine.memo) if form is None else machine.number(form)
        machine.memo[place] = machine.top()

    return remember


def _build(machine: _Machine) -> None:
    state = machine.pop()
    machine.fill(machine.top(), state)


def _append(machine: _Machine) -> None:
    value = machine.pop()
    machine.add(machine.top(), [value])


def _extend(machine: _Machine) -> None:
    values = machine.to_mark()
    machine.add(machine.top(), values)


def _set_item(machine: _Machine) -> None:
    entry = _above(machine, 2)
    machine.put(machine.top(), entry)


def _set_items(machine: _Machine) -> None:
    entries = machine.to_mark()
    machine.put(machine.top(), entries)


def _call(machine: _Machine) -> Any:
    of, arguments = _above(machine, 2)
    return machine.call(of, arguments)


def _call_with_words(machine: _Machine) -> Any:
    of, arguments, _ = _above(machine, 3)
    return machine.call(of, arguments)


def _object(machine: _Machine) -> Any:
    of, *arguments = machine.to_mark() or [None]
    return machine.call(of, tuple(arguments))


def _instance(machine: _Machine) -> Any:
    name = machine.name(machine.line(), machine.line())
    return machine.call(name, tuple(machine.to_mark()))


def _mapping(machine: _Machine) -> dict[str, Any]:
    entries = machine.to_mark()
    made: dict[str, Any] = {}
    machine.put(made, entries)
    return made


def _text(form: str) -> Callable[[_Machine], str]:
    return lambda machine: machine.take(machine.number(form)).decode("utf-8", "replace")


def _old_text(form: str) -> Callable[[_Machine], str]:
    """Return a reader of a text by Python 2, where text was bytes."""
    return lambda machine: machine.take(machine.number(form)).decode("latin-1")


def _bytes(form: str) -> Callable[[_Machine], bytes]:
    return lambda machine: machine.take(machine.number(form))


def _checked(form: str) -> Callable[[_Machine], None]:
    """Return an instruction whose number means nothing here: a protocol's or a frame's length."""

    def check(machine: _Machine) -> None:
        machine.number(form)

    return check


_INSTRUCTIONS: dict[bytes, Callable[[_Machine], None]] = {
    b"\x80": _checked("<B"),
    b"\x95": _checked("<Q"),
    b"(": _mark,
    b"0": _drop,
    b"1": _drop_to_mark,
    b"q": _remember("<B"),
    b"r": _remember("<I"),
    b"\x94": _remember(None),
    b"h": _push(lambda machine: machine.recall(machine.number("<B"))),
    b"j": _push(lambda machine: machine.recall(machine.number("<I"))),
    b"2": _push(lambda machine: machine.top()),
    b"N": _push(lambda _: None),
    b"\x88": _push(lambda _: True),
    b"\x89": _push(lambda _: False),
    b"J": _push(lambda machine: machine.number("<i")),
    b"K": _push(lambda machine: machine.number("<B")),
    b"M": _push(lambda machine: machine.number("<H")),
    b"\x8a": _push(lambda machine: machine.whole(machine.number("<B"))),
    b"\x8b": _push(lambda machine: machine.whole(machine.number("<i"))),
    b"G": _push(lambda machine: struct.unpack(">d", machine.take(8))[0]),
    b"T": _push(_old_text("<i")),
    b"U": _push(_old_text("<B")),
    b"X": _push(_text("<I")),
    b"\x8c": _push(_text("<B")),
    b"\x8d": _push(_text("<Q")),
    b"B": _push(_bytes("<I")),
    b"C": _push(_bytes("<B")),
    b"\x8e": _push(_bytes("<Q")),
    b"]": _push(lambda _: []),
    b"l": _push(lambda machine: machine.to_mark()),
    b"a": _append,
    b"e": _extend,
    b")": _push(lambda _: ()),
    b"\x85": _push(lambda machine: _above(machine, 1)),
    b"\x86": _push(lambda machine: _above(machine, 2)),
    b"\x87": _push(lambda machine: _above(machine, 3)),
    b"t": _push(lambda machine: tuple(machine.to_mark())),
    b"}": _push(lambda _: {}),
    b"d": _push(_mapping),
    b"s": _set_item,
    b"u": _set_items,
    b"\x8f": _push(lambda _: []),  # a set: nothing is hashed
    b"\x90": _extend,
    b"\x91": _push(lambda machine: machine.to_mark()),
    b"c": _push(lambda machine: machine.name(machine.line(), machine.line())),
    b"\x93": _push(lambda machine: machine.name(*_above(machine, 2))),
    b"R": _push(_call),
    b"\x81": _push(_call),
    b"\x92": _push(_call_with_words),
    b"o": _push(_object),
    b"i": _push(_instance),
    b"b": _build,
    b"Q": _push(lambda machine: machine.resolver.storage(machine.pop())),
}
"""What each instruction does, by its byte. Protocol 0's are missing but for those that Python 2 still wrote,
and so are extension codes and out-of-band buffers."""
