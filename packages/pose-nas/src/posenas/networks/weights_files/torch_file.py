"""Files of `torch.save` read without torch's own reader: zip archives, and the form before torch 1.6.

A storage is a run of the file's bytes. Zip entries must be stored as they are, as torch writes them: what is
compressed could be of any size.
"""

from __future__ import annotations

import io
import struct
import sys
import zipfile
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from posenas.networks.weights_files.inert_pickle import (
    Inert,
    Name,
    PickleError,
    Resolver,
    read_pickle,
)
from posenas.networks.weights_files.rebuilt_tensors import (
    Storage,
    View,
    made_tensor,
    rebuilder_for,
)

_MAGIC = 0x1950A86A20F9469CFC6C
_MOST_ENTRIES = 100_000

Bytes = Callable[[Storage], memoryview]


def read_torch_file(content: bytes) -> Any:
    """Return what a torch file holds: plain values, mappings by text, tensors, and `Inert` for all else.

    Raises:
        PickleError: where it is no torch file, is damaged, or is made to harm.
    """
    rebuilder = rebuilder_for(len(content))
    resolver = Resolver(rebuilder.rebuild, rebuilder.storage)
    if content[:4] == b"PK\x03\x04":
        found, find = _zipped(content, resolver)
    else:
        found, find = _old(content, resolver)
    return _with_tensors(found, _Tensors(find, len(content)))


def _zipped(content: bytes, resolver: Resolver) -> tuple[Any, Bytes]:
    entries = _entries(content)
    program = next((name for name in entries if name == "data.pkl" or name.endswith("/data.pkl")), None)
    if program is None:
        raise PickleError("is an archive without weights")
    folder = program.removesuffix("data.pkl")
    order = bytes(entries.get(f"{folder}byteorder", memoryview(b"little")))
    if order.decode("ascii", "replace") != sys.byteorder:
        raise PickleError("has the bytes of its numbers in another order")
    found, _ = read_pickle(entries[program], resolver)

    def find(storage: Storage) -> memoryview:
        entry = entries.get(f"{folder}data/{storage.key}")
        if entry is None:
            raise PickleError(f"lacks the storage {storage.key:.40}")
        return entry

    return found, find


def _entries(content: bytes) -> dict[str, memoryview]:
    """Return the archive's entries by name, as parts of the content."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, ValueError, struct.error) as error:
        raise PickleError("is a damaged archive") from error
    if len(infos) > _MOST_ENTRIES:
        raise PickleError(f"is an archive of {len(infos)} entries")
    return {info.filename: _stored(content, info) for info in infos}


def _stored(content: bytes, info: zipfile.ZipInfo) -> memoryview:
    start = info.header_offset
    header = content[start : start + 30] if start >= 0 else b""
    if len(header) < 30 or header[:4] != b"PK\x03\x04" or info.flag_bits & 1:
        raise PickleError("is a damaged archive")
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        raise PickleError("is a compressed archive, which torch does not write")
    name, extra = struct.unpack("<HH", header[26:30])
    begin = start + 30 + name + extra
    if begin + info.file_size > len(content):
        raise PickleError("is an archive that ends in the middle")
    return memoryview(content)[begin : begin + info.file_size]


def _old(content: bytes, resolver: Resolver) -> tuple[Any, Bytes]:
    """Read four pickles, the list of the storages' keys, and the storages one after the other."""
    whole = memoryview(content)
    nothing = Resolver(Inert, Inert)
    magic, place = read_pickle(whole, nothing)
    if type(magic) is not int or magic != _MAGIC:
        raise PickleError("is no file of torch")
    _, place = read_pickle(whole, nothing, start=place)
    system, place = read_pickle(whole, nothing, start=place)
    if isinstance(system, dict) and system.get("little_endian") is not (sys.byteorder == "little"):
        raise PickleError("has the bytes of its numbers in another order")
    storages: dict[str, Storage] = {}

    def storage(persistent: Any) -> Any:
        found = resolver.storage(persistent)
        if not isinstance(found, Name):
            storages[persistent[2]] = found
        return found

    found, place = read_pickle(whole, Resolver(resolver.rebuild, storage), start=place)
    keys, place = read_pickle(whole, nothing, start=place)
    parts = _runs(whole, keys if isinstance(keys, list) else [], storages, place)

    def find(storage: Storage) -> memoryview:
        if storage.key not in parts:
            raise PickleError(f"lacks the storage {storage.key:.40}")
        return parts[storage.key]

    return found, find


def _runs(whole: memoryview, keys: list[Any], storages: dict[str, Any], place: int) -> dict[str, memoryview]:
    """Return the storages' bytes by key.

    Args:
        whole: the file.
        keys: in the order in which the storages lie there.
        storages: what the file says about them, by key.
        place: where the first one begins.
    """
    parts = {}
    for key in keys:
        storage = storages.get(key) if type(key) is str else None
        if not isinstance(storage, Storage):
            raise PickleError("has a storage of a type that no weights have")
        if place + 8 > len(whole):
            raise PickleError("ends in the middle")
        count = struct.unpack("<Q", whole[place : place + 8])[0]
        end = place + 8 + count * storage.dtype.itemsize
        if end > len(whole):
            raise PickleError("ends in the middle")
        parts[key] = whole[place + 8 : end]
        place = end
    return parts


class _Tensors:
    """The tensors of a file, each storage copied once."""

    def __init__(self, find: Bytes, size: int) -> None:
        self._find, self._left = find, size
        self._storages: dict[tuple[str, torch.dtype, int], Tensor] = {}

    def of(self, view: View) -> Tensor:
        storage = view.storage
        key = (storage.key, storage.dtype, storage.count)
        if key not in self._storages:
            self._storages[key] = self._values(storage)
        return made_tensor(view, self._storages[key])

    def _values(self, storage: Storage) -> Tensor:
        size = storage.count * storage.dtype.itemsize
        part = self._find(storage)
        if size > len(part):
            raise PickleError(f"has a storage that says {size} bytes and has {len(part)}")
        self._left -= size
        if self._left < 0:
            raise PickleError("has storages that lie upon each other")
        if not storage.count:
            return torch.empty(0, dtype=storage.dtype)
        return torch.frombuffer(bytearray(part[:size]), dtype=storage.dtype)


def _with_tensors(found: Any, tensors: _Tensors) -> Any:
    """Put tensors into the places of their views, in place; return what stands for the whole.

    It goes from container to container without recursion, so that no nesting is too deep.
    """
    if isinstance(found, View):
        return tensors.of(found)
    todo, seen = [found], {id(found)}
    while todo:
        for part in _mappings(todo.pop()):
            for name, value in part.items():
                if isinstance(value, View):
                    part[name] = tensors.of(value)
                elif isinstance(value, (dict, Inert)) and id(value) not in seen:
                    seen.add(id(value))
                    todo.append(value)
    return found


def _mappings(found: Any) -> list[dict[str, Any]]:
    """Return the mappings in which an object may hold tensors by name."""
    if isinstance(found, dict):
        return [found]
    if isinstance(found, Inert):
        return [each for each in (found.items, found.state) if isinstance(each, dict)]
    return []
