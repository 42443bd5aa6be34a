"""Torch files that mean harm, by name, and damaged ones: what a reader of weights must survive."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import nn

_MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
_HEAD = _MAGIC + pickle.dumps(1001, 2) + pickle.dumps({"protocol_version": 1001, "little_endian": True}, 2)


class Calls:
    """An object whose pickle calls a function with some arguments."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self._reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self._reduced


def old(program: bytes, rest: bytes = b"") -> bytes:
    """Return a file of the form before torch 1.6 with this program for its main pickle."""
    return _HEAD + program + pickle.dumps([], 2) + rest


def zipped(program: bytes, *, method: int = zipfile.ZIP_STORED, **entries: bytes) -> bytes:
    """Return a zip file of torch's form with this main pickle, and storages by key."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("archive/data.pkl", program)
        for key, content in entries.items():
            archive.writestr(f"archive/data/{key.removeprefix('k')}", content)
    return file.getvalue()


def text(words: str) -> bytes:
    """Return the instruction that pushes a text."""
    return b"X" + struct.pack("<I", len(words)) + words.encode()


def number(value: int) -> bytes:
    """Return the instruction that pushes a whole number."""
    digits = value.to_bytes(16, "little", signed=True)
    return b"\x8a" + bytes([len(digits)]) + digits


def tensor(
    *, offset: int = 0, size: tuple[int, ...] = (2,), stride: tuple[int, ...] = (1,), count: int = 2
) -> bytes:
    """Return the program of `{"w": tensor}`, whose tensor is a view of storage 0 as said."""
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + number(count)
    sizes, strides = (b"(" + b"".join(map(number, each)) + b"t" for each in (size, stride))
    view = b"(" + storage + b"tQ" + number(offset) + sizes + strides + b"t"
    return b"\x80\x02}" + text("w") + b"ctorch._utils\n_rebuild_tensor\n" + view + b"Rs."


def hostile(canary: Path) -> dict[str, bytes]:
    """Return files that would make the canary's file, or use up memory or time, were they run or believed."""
    touch = f"touch {canary}"
    values = struct.pack("<2f", 1, 2)
    programs = {
        "os.system": pickle.dumps({"w": Calls(os.system, touch)}, 2),
        "os.system by protocol 4": pickle.dumps({"w": Calls(os.system, touch)}, 4),
        "eval": pickle.dumps(Calls(eval, f"open({str(canary)!r}, 'w')"), 2),
        "a nested call": pickle.dumps(Calls(getattr, Calls(__import__, "os"), "system"), 2),
        "a state that calls": pickle.dumps(Calls(dict, state={"a": Calls(os.system, touch)}), 2),
        "a path": pickle.dumps({"w": canary}, 2),
        "a tensor's name with another's call": b"\x80\x02ctorch._utils\n_rebuild_parameter\n(cos\nsystem\n"
        + text(touch)
        + b"\x85R\x89ccollections\nOrderedDict\n)RtR.",
        "a subclass of tensors": b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\n"
        + b"cos\nsystem\n"
        + text(touch)
        + b"\x85}tR.",
        "a dotted name": b"\x80\x04"
        + b"".join(b"\x8c" + bytes([len(word)]) + word for word in (b"torch._utils", b"os.system"))
        + b"\x93"
        + text(touch)
        + b"\x85R.",
        "an instance by protocol 0": b"(" + text(touch) + b"ios\nsystem\n.",
        "an object by protocol 1": b"(cos\nsystem\n" + text(touch) + b"o.",
        "a state for a name": b"\x80\x02cposix\nsystem\n}" + text("a") + text("b") + b"sb.",
        "set state": b"\x80\x02ctorch.nn\nModule\n)\x81}"
        + text("__setstate__")
        + b"cos\nsystem\nsb"
        + text(touch)
        + b"b.",
        "an extension": b"\x80\x02\x82\x01)R.",
        "a persistent id that is a call": b"\x80\x02cos\nsystem\n" + text(touch) + b"\x85RQ.",
        "a huge memo": b"\x80\x02Nr\xff\xff\xff\xff.",
        "a memo that was never filled": b"\x80\x02j\xff\xff\xff\xff.",
        "a number of 2 GB": b"\x80\x02\x8b\xff\xff\xff\x7f.",
        "a number of less than nothing": b"\x80\x02\x8b\xff\xff\xff\xff.",
        "a number of 1 MB": b"\x80\x02\x8b" + struct.pack("<i", 2**20) + b"\x7f" * 2**20 + b".",
        "bytes of 2^62": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b".",
        "a text of 2^62": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b".",
        "an array out of band": b"\x80\x05\x97.",
        "a nesting of 100,000": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
        "tuples 100,000 deep": b"\x80\x02)" + b"\x85" * 100_000 + b".",
        "mappings 100,000 deep": b"\x80\x02" + (b"}" + text("a")) * 100_000 + b"}" + b"s" * 100_000 + b".",
        "doubled 1,000,000 times": b"\x80\x02N" + b"2" * 1_000_000 + b".",
        "tuples that double": b"\x80\x02)" + b"2\x86" * 100_000 + b".",
        "a list within itself": b"\x80\x02]2a.",
        "modules within themselves": _looped(),
        "modules in 2^60 ways": _doubled(60),
        "keys that are lists": b"\x80\x02}]Ns.",
        "a mark under a mark": b"\x80\x02((.",
        "an empty stack": b"\x80\x02.",
        "entries in a number": b"\x80\x02K\x01" + text("a") + b"Ns.",
        "a key without a value": b"\x80\x02}(" + text("a") + b"u.",
    }
    views = {
        "a view of 10^12": tensor(size=(10**12,)),
        "a view of 10^12 by a stride of 0": tensor(size=(10**12,), stride=(0,)),
        "a stride below 0": tensor(stride=(-1,), offset=1),
        "a size below 0": tensor(size=(-2,)),
        "an offset below 0": tensor(offset=-1),
        "an offset beyond the end": tensor(offset=1),
        "a stride beyond the end": tensor(stride=(2**60,)),
        "sizes without strides": tensor(size=(1, 2)),
        "a storage larger than the file": tensor(count=2**40),
        "a storage of less than nothing": tensor(count=-2),
        "a tensor of 1000 axes": tensor(size=(1,) * 1000, stride=(1,) * 1000),
    }
    files = {f"{name}, old form": old(program) for name, program in programs.items()}
    files |= {f"{name}, zip": zipped(program) for name, program in programs.items()}
    files |= {f"{name}, zip": zipped(program, k0=values) for name, program in views.items()}
    files["a zip that grows a thousand times"] = zipped(
        tensor(count=2**24, size=(2**24,)), method=zipfile.ZIP_DEFLATED, k0=bytes(2**26)
    )
    files["a zip that says 10 GB"] = _boasting(zipped(tensor(), method=zipfile.ZIP_DEFLATED, k0=values))
    files["storages upon each other"] = zipped(_many_storages(), k0=bytes(2**16))
    files["100 views of one storage"] = zipped(_many_views(100), k0=bytes(2**16))
    files["another order of bytes"] = old(pickle.dumps({}, 2)).replace(b"\x88", b"\x89")
    return files


def _boasting(content: bytes) -> bytes:
    """Return an archive whose entries say that they hold 4 GB."""
    size = struct.pack("<I", 8)
    return content.replace(size, struct.pack("<I", 2**32 - 2))


def _looped() -> bytes:
    """Return a module that is its own child."""
    return b"\x80\x02ctorch.nn\nModule\n)\x81q\x00}" + text("_modules") + b"}" + text("a") + b"h\x00ssb."


def _doubled(depth: int) -> bytes:
    """Return modules each of which has the next one twice."""
    made = b"ctorch.nn\nModule\n)\x81"
    for _ in range(depth):
        modules = b"}(" + text("a") + b"h\x00" + text("b") + b"h\x00u"
        made += b"q\x000ctorch.nn\nModule\n)\x81}" + text("_modules") + modules + b"sb"
    return b"\x80\x02" + made + b"."


def _view(place: int, key: str, count: int) -> bytes:
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + number(count)
    view = b"(" + storage + b"tQ" + number(0) + number(count) + b"\x85" + number(1) + b"\x85t"
    return text(str(place)) + b"ctorch._utils\n_rebuild_tensor\n" + view + b"R"


def _many_storages() -> bytes:
    """Return tensors of one storage that is said to be of another length each time."""
    return b"\x80\x02}(" + b"".join(_view(place, "0", 2**14 - place) for place in range(7)) + b"u."


def _many_views(count: int) -> bytes:
    return b"\x80\x02}(" + b"".join(_view(place, "0", 2**14) for place in range(count)) + b"u."


def real() -> list[bytes]:
    """Return small files as torch writes them: a training's record and a whole network, in both forms."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 3, 4, 4)).sum().backward()
    optimizer.step()
    record = {"epoch": 3, "state_dict": network.state_dict(), "optimizer": optimizer.state_dict()}
    files = []
    for content in (record, {"model": network.half(), "ema": None}):
        for is_zip in (True, False):
            file = io.BytesIO()
            torch.save(content, file, _use_new_zipfile_serialization=is_zip)
            files.append(file.getvalue())
    return files


def damaged(count: int, *, seed: int) -> Iterator[bytes]:
    """Yield real files in which bytes were changed, doubled, left out, or taken from one another."""
    rng, files = Random(seed), real()
    for _ in range(count):
        content = bytearray(rng.choice(files))
        for _ in range(rng.randint(1, 6)):
            place = rng.randrange(min(len(content), rng.choice((200, 3000, 1 << 20))))
            match rng.randrange(5):
                case 0:
                    content[place] = rng.randrange(256)
                case 1:
                    content[place : place + 4] = rng.choice((b"\xff" * 4, b"\x00" * 4, b"\xff\xff\xff\x7f"))
                case 2:
                    del content[place : place + rng.randint(1, 40)]
                case 3:
                    content[place:place] = content[place : place + rng.randint(1, 200)]
                case _:
                    other = rng.choice(files)
                    start = rng.randrange(len(other))
                    content[place : place + 30] = other[start : start + 30]
        yield _mended(bytes(content)) if rng.random() < 0.5 else bytes(content)


def _mended(content: bytes) -> bytes:
    """Return a zip file with right checksums, so that damage is not found by them; others as they are."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, UnicodeDecodeError):
        return content
    for info in infos:
        start = info.header_offset + 30 + len(info.filename)
        content = content.replace(struct.pack("<I", info.CRC), struct.pack("<I", zlib.crc32(content[start:])))
    return content
