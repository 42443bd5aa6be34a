"""Torch files that mean harm run nothing, and are read or refused in little time and memory."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from hostile_files import damaged, hostile, tensor, zipped
from posenas.contract.errors import PosenasError
from posenas.networks.weights_files.content import read_tensors


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file that is made where something is run."""
    return tmp_path_factory.mktemp("hostile") / "canary"


@pytest.fixture(scope="module")
def files(canary: Path) -> dict[str, bytes]:
    return hostile(canary)


def outcome(content: bytes) -> str:
    """Return what becomes of a file: the refusal, or how many tensors were read."""
    try:
        tensors, _ = read_tensors(content)
    except PosenasError as error:
        return str(error)
    return f"{len(tensors)} tensors"


def test_nothing_is_run_and_little_is_used(canary: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        before = time.process_time()
        told = outcome(content)
        assert time.process_time() - before < 10, name
        assert "\n" not in told, name
        assert not told.endswith("tensors") or told == "0 tensors", (name, told)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a view of 10^12, zip", "a tensor of 1000000000000 values in a storage of 2"),
        ("a view of 10^12 by a stride of 0, zip", "a tensor of 1000000000000 values in a storage of 2"),
        ("a stride below 0, zip", "a tensor of no possible size"),
        ("an offset beyond the end, zip", "a tensor of 2 values in a storage of 2"),
        ("a storage larger than the file, zip", "a storage that says 4398046511104 bytes and has 8"),
        ("a zip that grows a thousand times", "is a compressed archive"),
        ("storages upon each other", "storages that lie upon each other"),
        ("100 views of one storage", "tensors of many times its own size"),
        ("an extension, old form", r"an instruction that no file of weights needs \(b'\\x82'\)"),
        ("a number of 2 GB, zip", "a whole number of 2147483647 bytes"),
        ("doubled 1,000,000 times, zip", "more than 1000000 instructions"),
        ("modules within themselves, zip", "modules without end"),
        ("modules in 2^60 ways, old form", "modules without end"),
        ("another order of bytes", "bytes of its numbers in another order"),
    ],
)
def test_each_refusal_says_why(files: dict[str, bytes], name: str, told: str) -> None:
    with pytest.raises(PosenasError, match=told):
        read_tensors(files[name])


def test_the_same_tensor_told_truly_is_read() -> None:
    content = zipped(tensor(), k0=b"\x00\x00\x80\x3f\x00\x00\x00\x40")
    assert read_tensors(content)[0]["w"].tolist() == [1, 2]


def fuzz(contents: Iterable[bytes]) -> tuple[int, float]:
    """Read files; return how many were read after all, and the longest time, seconds of CPU."""
    read, longest = 0, 0.0
    for content in contents:
        before = time.process_time()
        with contextlib.suppress(PosenasError):
            read_tensors(content)
            read += 1
        longest = max(longest, time.process_time() - before)
    return read, longest


def test_damaged_files_are_read_or_refused() -> None:
    read, longest = fuzz(damaged(300, seed=0))
    assert 0 < read < 300
    assert longest < 10


_CHILD = """
import json, resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
from hostile_files import damaged, hostile
from test_hostile_files import fuzz, outcome
import encodings.cp437  # of the names in archives
contents = list(damaged(10_000, seed=2))
fuzz(contents[:20])  # whatever is imported late is imported now
files = hostile(Path(sys.argv[2]))
for content in files.values():
    outcome(content)
heard = []
def listen(event, arguments):
    if event.partition(".")[0] in ("open", "os", "subprocess", "socket", "exec", "import", "pickle", "ctypes",
                                   "shutil", "urllib", "compile", "marshal", "glob", "pty", "tempfile"):
        heard.append(f"{event} {arguments!r:.100}")
sys.addaudithook(listen)
resource.setrlimit(resource.RLIMIT_CPU, (1200, 1200))
told = {name: outcome(content) for name, content in files.items()}
read, longest = fuzz(contents)
told_of = list(heard)
# Not getrusage: its peak is that of the parent where the parent had more.
status = Path("/proc/self/status").read_text().split()
peak = int(status[status.index("VmHWM:") + 1])
print(json.dumps({"heard": told_of, "files": len(told), "read": read, "longest": longest, "peak": peak}))
"""


@pytest.mark.slow
def test_ten_thousand_damaged_files_open_import_and_start_nothing(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    arguments = [sys.executable, "-c", _CHILD, str(Path(__file__).parent), str(canary)]
    answer = subprocess.run(arguments, capture_output=True, text=True, check=True)
    found = json.loads(answer.stdout)
    print(found)
    assert found["heard"] == []
    assert found["read"] < 10_000
    assert found["longest"] < 10
    assert found["peak"] < 2 * 2**20  # kB
    assert not canary.exists()
