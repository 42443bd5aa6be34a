"""Files of initial weights: what can be read, by which names, and what is refused."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings, strategies as st
from posenas.contract.errors import PosenasError
from posenas.networks.initial_weights import read_initial_weights
from posenas.searching.candidate import Job
from safetensors.torch import save_file
from torch import Tensor, nn

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


def same(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> bool:
    return found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)


def prefixed(prefix: str) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in WEIGHTS.items()}


@pytest.mark.parametrize("prefix", ["", "module.", "shared.largest.", "module.shared.largest."])
def test_safetensors_without_the_prefixes_of_wrappers(tmp_path: Path, prefix: str) -> None:
    save_file(prefixed(prefix), tmp_path / "file")
    found = read_initial_weights(tmp_path / "file")
    assert same(found.tensors, WEIGHTS)
    assert found.digest == hashlib.sha256((tmp_path / "file").read_bytes()).hexdigest()


def test_a_prefix_of_some_names_is_a_modules_own(tmp_path: Path) -> None:
    tensors = {**prefixed("module."), "head.weight": torch.zeros(3)}
    save_file(tensors, tmp_path / "file")
    assert same(read_initial_weights(tmp_path / "file").tensors, tensors)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("key", [None, "state_dict", "model", "network"])
def test_torch_files(tmp_path: Path, key: str | None, legacy: bool) -> None:
    content: dict[str, Any] = prefixed("module.") if key is None else {"epoch": 3, key: prefixed("module.")}
    torch.save(content, tmp_path / "weights.pth", _use_new_zipfile_serialization=not legacy)
    assert same(read_initial_weights(tmp_path / "weights.pth").tensors, WEIGHTS)


def test_what_is_no_plain_tensor_is_left_out(tmp_path: Path) -> None:
    others: dict[Any, Any] = {
        "epoch": 3,
        "sparse": torch.eye(3).to_sparse(),
        7: torch.ones(1),
        "list": [torch.ones(1)],
    }
    torch.save(others | WEIGHTS, tmp_path / "file")
    assert same(read_initial_weights(tmp_path / "file").tensors, WEIGHTS)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("key", [None, "model", "ema"])
def test_a_pickled_network_gives_what_its_state_dict_holds(
    tmp_path: Path, key: str | None, legacy: bool
) -> None:
    inner = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    whole = nn.ModuleDict({"a": inner, "b": nn.Linear(2, 3)}).half()
    content = whole if key is None else {"model": nn.Linear(1, 1), "epoch": 3, key: whole}
    torch.save(content, tmp_path / "file", _use_new_zipfile_serialization=not legacy)
    found = read_initial_weights(tmp_path / "file")
    assert list(found.tensors) == list(whole.state_dict())
    assert same(found.tensors, whole.state_dict())
    assert found.key == (key or "")


def test_averaged_weights_come_before_the_newest(tmp_path: Path) -> None:
    newest = {name: tensor + 1 for name, tensor in WEIGHTS.items()}
    for key in ("ema", "state_dict_ema", "model_ema", "best_state_dict"):
        torch.save({"state_dict": newest, key: WEIGHTS}, tmp_path / "file")
        assert same(read_initial_weights(tmp_path / "file").tensors, WEIGHTS), key
    torch.save({"state_dict": newest, "ema": None}, tmp_path / "file")
    assert same(read_initial_weights(tmp_path / "file").tensors, newest)


def test_what_is_no_file_or_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PosenasError, match=r"pipe: is no regular file; give"):
        read_initial_weights(tmp_path / "pipe")
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(5 * 2**30)
    with pytest.raises(PosenasError, match=r"hole: has 5\.0 GiB, and at most 4 are read"):
        read_initial_weights(tmp_path / "hole")


def test_a_runs_folder_means_its_answer(tmp_path: Path) -> None:
    with pytest.raises(
        PosenasError, match=r"best/weights\.safetensors: there is no such file; .*no finished run"
    ):
        read_initial_weights(tmp_path)
    (tmp_path / "best").mkdir()
    save_file(WEIGHTS, tmp_path / "best" / "weights.safetensors")
    assert same(read_initial_weights(tmp_path).tensors, WEIGHTS)


def contents() -> dict[str, tuple[bytes, str]]:
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a.txt", "text")
    weights = io.BytesIO()
    torch.save(WEIGHTS, weights)
    none, number, empty = io.BytesIO(), io.BytesIO(), io.BytesIO()
    torch.save({"state_dict": {}}, none)
    torch.save(3, number)
    torch.save({}, empty)
    neither = "is neither a whole safetensors file nor a whole torch file of tensors"
    return {
        "code in a bare pickle": (pickle.dumps(Path("a"), protocol=2), f"{neither}: it is no file of torch"),
        "another pickle": (pickle.dumps({"a": 1}, protocol=5), neither),
        "an archive": (zipped.getvalue(), neither),
        "half a file": (weights.getvalue()[:700], neither),
        "nothing": (b"", neither),
        "text": (b"seed = 0\n", neither),
        "JSON": (b'{"depth": 3}', neither),
        "an empty state dict": (none.getvalue(), "holds no tensors"),
        "an empty mapping": (empty.getvalue(), "holds no tensors"),
        "a number": (number.getvalue(), "holds no tensors"),
    }


@pytest.mark.parametrize("name", contents())
def test_other_files_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    content, problem = contents()[name]
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(PosenasError, match=f"^init .*/file: {problem}") as caught:
        read_initial_weights(tmp_path / "file")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_not_to_be_read(tmp_path: Path) -> None:
    with pytest.raises(
        PosenasError, match=r"^init .*/file: there is no such file; give a file of weights or"
    ):
        read_initial_weights(tmp_path / "file")
    (tmp_path / "file").write_text("")
    with pytest.raises(PosenasError, match=r"^init .*/file/inner: cannot be read: Not a directory"):
        read_initial_weights(tmp_path / "file" / "inner")


@settings(max_examples=100, deadline=None)
@given(data=st.data(), legacy=st.booleans())
def test_damaged_files_are_refused_or_read(tmp_path_factory: Any, data: st.DataObject, legacy: bool) -> None:
    """Whatever torch makes of them."""
    whole = io.BytesIO()
    torch.save(WEIGHTS, whole, _use_new_zipfile_serialization=not legacy)
    content = bytearray(whole.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "file"
    path.write_bytes(content)
    with contextlib.suppress(PosenasError):
        assert read_initial_weights(path).tensors


def test_a_candidate_is_known_by_the_weights_that_it_begins_with() -> None:
    jobs = [Job({"a": 1}, init, 2, initial) for init in (None, "file") for initial in (None, "digest")]
    assert len({job.key for job in jobs}) == 4
    assert "initial" not in jobs[0].inputs


def network(**layers: nn.Module) -> nn.ModuleDict:
    return nn.ModuleDict(layers)


def test_filling_tells_the_share_and_what_stays_fresh(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "file")
    initial = read_initial_weights(tmp_path / "file")
    alike = network(a=nn.Linear(3, 2))
    assert initial.fill(alike) == f"init {tmp_path}/file: 100.0 % of the parameters taken from it"
    assert same(alike.state_dict(), WEIGHTS)
    more = initial.fill(network(a=nn.Linear(3, 2), b=nn.Linear(3, 2), c=nn.Linear(3, 2)))
    assert more.endswith(
        ": 33.3 % of the parameters taken from it; fresh are b.weight, b.bias, c.weight and 1 more"
    )


def test_a_file_of_which_nothing_fits_is_refused_with_both_sides_names(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "file")
    initial = read_initial_weights(tmp_path / "file")
    wanted = (
        "file: nothing of it fits: it has a.bias, a.weight, and the network has b.weight, b.bias, "
        "b.running_mean and 2 more; give weights of a network of this space"
    )
    with pytest.raises(PosenasError) as caught:
        initial.fill(network(b=nn.BatchNorm1d(3)))
    assert str(caught.value).endswith(wanted)


@pytest.mark.parametrize(
    ("name", "tensor", "fault"),
    [
        ("a.bias", torch.tensor([1.0, float("nan")]), "'a.bias' holds 1 values that are NaN or infinite"),
        ("a.bias", torch.tensor([float("-inf")] * 3).bfloat16(), "'a.bias' holds 3 values that are NaN or"),
        ("a.bias", torch.tensor([1e300], dtype=torch.float64), "'a.bias' holds 1 values that are NaN or"),
        ("a.bias", torch.zeros(0), r"'a.bias' is empty, of shape \[0\]"),
        ("norm.running_var", torch.tensor([1.0, -1e-6]), "'norm.running_var' is a variance below 0"),
    ],
)
def test_tensors_that_are_no_weights_are_named(tmp_path: Path, name: str, tensor: Tensor, fault: str) -> None:
    save_file(WEIGHTS | {name: tensor}, tmp_path / "file")
    with pytest.raises(PosenasError, match=f"1 of its [23] tensors are not weights: {fault}"):
        read_initial_weights(tmp_path / "file")


def test_tensors_of_another_size_are_named(tmp_path: Path) -> None:
    save_file({"weight": torch.ones(9, 3), "bias": torch.ones(2)}, tmp_path / "file")
    told = read_initial_weights(tmp_path / "file").fill(nn.Linear(3, 2))
    assert told.endswith(
        "100.0 % of the parameters taken from it; taken in part, since sizes differ, are weight"
    )
