"""Initial weights: tensors that trainings begin with, from a file of any run or any other program."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import KEYPOINT_SETS
from posenas.contract.normalisation import Normalisation
from posenas.contract.weights import ImportedWeights, WeightsImporter
from posenas.networks.identity_start import begin_as_identity
from posenas.networks.keypoint_rows import with_own_rows
from posenas.networks.transfer import transfer
from posenas.networks.weights_files.content import read_tensors
from posenas.networks.weights_files.state_dicts import AVERAGES, without_mmpose
from posenas.networks.wrapped import BACKBONE, within
from posenas.runs.checksums import read_result
from posenas.runs.keypoint_files import keypoints_from

_MOST_BYTES = 4 * 2**30
"""The largest pose network with its optimizer's state has a quarter of that."""
_LEAST_KNOWN = 1 / 3
"""The least share of tensors that two backbones of one family have in common by name, of the smaller one's.

Of 13 published networks in 36 of the zoo, those of one family have 0.55 or more, all others 0.21 at most.
"""


@dataclass(frozen=True)
class InitialWeights:
    """Tensors from a file that trainings begin with.

    Attributes:
        file: where they were read.
        digest: SHA-256 of the file's content, hexadecimal.
        tensors: the tensors by the names that a network has for them.
        key: what they lay under in the file, where that is one of several things there.
        told: whose network they are of and which importer knew it; empty for this project's own names.
        remark: what else a user must know of them.
        keypoints: the names of the keypoints that the head's rows are for; empty where nobody knows.
        options: what a recipe must say for them, by path.
        not_asked: which importers could not be asked, told where nothing fits; empty where all were.
        normalisation: how images were fed to the network; None where nobody knows.
    """

    file: Path
    digest: str
    tensors: Mapping[str, Tensor]
    key: str = ""
    told: str = ""
    remark: str = ""
    keypoints: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    not_asked: str = ""
    normalisation: Normalisation | None = None

    def fill(self, network: nn.Module, *, keypoints: Sequence[str] = ()) -> str:
        """Fill the network in place, and return a sentence that says how much was taken.

        Args:
            network: filled. Layers that the weights lack begin as identities where they can.
            keypoints: the names of its keypoints; none to take the head's rows as they are.

        Raises:
            PosenasError: where nothing fits.
        """
        return self._filled(network, keypoints)[0]

    def fill_whole(self, network: nn.Module, *, keypoints: Sequence[str]) -> str:
        """Fill the network in place like `fill`, but refuse weights that leave any of it fresh.

        Args:
            network: filled.
            keypoints: the names of its keypoints.

        Raises:
            PosenasError: where a part of the network, or a keypoint's row of the head, takes nothing.
        """
        told, is_whole = self._filled(network, keypoints)
        if not is_whole:
            raise PosenasError(
                f"{told}; what is fresh is random: give weights of the whole network, or train from these "
                "with `posenas train`"
            )
        return told

    def _filled(self, network: nn.Module, keypoints: Sequence[str]) -> tuple[str, bool]:
        """Fill the network, and return the sentence and whether nothing of it stayed fresh."""
        own = network.state_dict()
        tensors, own_rows = within(self.tensors, own), 0
        if keypoints:
            tensors, own_rows = with_own_rows(tensors, own, theirs=self.keypoints, ours=keypoints)
        took = transfer(network, tensors)
        if not took.share:
            ours, theirs = _first(list(own)), _first(sorted(self.tensors))
            raise PosenasError(
                f"init {self.file}: nothing of it fits: it has {theirs}, and the network has {ours}; "
                "give weights of a network of this space" + (f"; {self.not_asked}" if self.not_asked else "")
            )
        self._check_family(tensors, own)
        begun = begin_as_identity(network, known=tensors.keys(), fresh=frozenset(took.fresh))
        sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
        kept = own_rows + sum(sizes[name] for name in begun.difference(took.fresh))
        lacking = _lacking(keypoints, self.keypoints) if own_rows else ()
        fresh = [name for name in took.fresh if name not in begun]
        identity = "; layers that it lacks begin as identities" if begun else ""
        cut = [name for name in sizes if name in tensors and tensors[name].shape != own[name].shape]
        in_part = f"; taken in part, since sizes differ, are {_first(cut)}" if cut else ""
        told = self._sentence(took.share - kept / sum(sizes.values()), fresh, lacking) + in_part + identity
        return told, not own_rows and not _unfilled(own, tensors, begun)

    def _check_family(self, tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
        """Refuse a published network of another family, some of whose names this network has by chance.

        What runs here wrote is not judged: small parts of it may be meant.

        Args:
            tensors: the weights, by the names under which most of them lie in the network.
            own: the network's tensors.

        Raises:
            PosenasError: where the network has too few of the backbone's tensors.
        """
        if not self.told and all(name.startswith((BACKBONE, "head.")) for name in self.tensors):
            return
        of_part = _of_backbone if self.told else list
        published, ours = of_part(tensors), of_part(own)
        known = sum(name in own for name in published)
        if known < _LEAST_KNOWN * min(len(published), len(ours)):
            whose = f"are of {self.told}, another network" if self.told else "are of another network"
            raise PosenasError(
                f"init {self.file}: its weights {whose}: this one has {known} of their {len(published)} "
                f"tensors, and lacks {_first([name for name in published if name not in own])}; give weights "
                "of a network of this space"
            )

    def _sentence(self, share: float, fresh: Sequence[str], lacking: Sequence[str]) -> str:
        whose = f"weights of {self.told}" if self.told else ""
        whose += f"{' ' if whose else ''}under {self.key!r}" if self.key in AVERAGES else ""
        percent = 100.0 if share == 1.0 else min(100 * share, 99.9)  # some heads are 0.002 %
        parts = [f"init {self.file}: {whose}{': ' if whose else ''}{percent:.1f} % of the parameters"]
        parts[0] += " taken from it"
        parts += [f"fresh are {_first(fresh)}"] if fresh else []
        parts += [f"fresh are the head's rows of {_first(lacking)}"] if lacking else []
        parts += [self.remark] if self.remark else []
        return "; ".join(parts)


def _unfilled(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], begun: Collection[str]) -> list[str]:
    """Return the names of a network's tensors that are neither the weights' nor begun as identities.

    Batch norm's count of batches does not matter.

    Args:
        own: the network's tensors.
        tensors: the weights.
        begun: names of parameters; the buffers of their modules began with them.
    """
    modules = {name.rpartition(".")[0] for name in begun}
    return [
        name
        for name, tensor in own.items()
        if (name not in tensors or tensors[name].shape != tensor.shape)
        and name.rpartition(".")[0] not in modules
        and not name.endswith("num_batches_tracked")
    ]


def read_initial_weights(
    path: Path, importers: Mapping[str, WeightsImporter] | None = None
) -> InitialWeights:
    """Read weights from safetensors, a torch file, an HDF5 file of Keras, or a run's folder.

    A folder stands for its best network's weights. A torch file holds a state dict or a module, or one of
    them under `state_dict`, `model` or the like; averaged weights come first. What a wrapper or a
    super-network puts before the names is left out, so that either serves the other. No file's code is run.

    Args:
        path: the file, or a run's folder.
        importers: those of published files by name; the first that knows the file renames its tensors.

    Raises:
        PosenasError: where there are no weights.
    """
    file, content = _content(path)
    try:
        tensors, key = read_tensors(content)
    except PosenasError as error:
        raise PosenasError(f"init {file}: {error}") from error
    if not tensors:
        raise PosenasError(f"init {file}: holds no tensors; give a network's state dict")
    digest = hashlib.sha256(content).hexdigest()
    found = InitialWeights(file, digest, tensors, key, keypoints=_of_run(path) if path.is_dir() else ())
    for name, importer in (importers or {}).items():
        imported = _imported(importer, tensors, file)
        if imported is not None:
            found = _renamed(found, imported, name)
            break
    _check(found)
    return found


def _imported(importer: WeightsImporter, tensors: Mapping[str, Tensor], file: Path) -> ImportedWeights | None:
    try:
        return importer(without_mmpose(tensors))
    except PosenasError as error:
        raise PosenasError(f"init {file}: {error}") from error


def _renamed(found: InitialWeights, imported: ImportedWeights, importer: str) -> InitialWeights:
    keypoints = KEYPOINT_SETS[imported.keypoints].names if imported.keypoints else ()
    return replace(
        found,
        tensors=imported.tensors,
        told=f"{imported.source} (importer {importer})",
        remark=imported.remark,
        keypoints=keypoints,
        options=imported.options,
        normalisation=imported.normalisation,
    )


def _of_run(path: Path) -> tuple[str, ...]:
    """Return the names of the keypoints of a run's network; none where an old run does not say them."""
    file = path / "best" / "keypoints.json"
    return keypoints_from(file.read_bytes(), file).names if file.exists() else ()


def _check(weights: InitialWeights) -> None:
    """Raise PosenasError where a network cannot begin with one of the tensors."""
    tensors = weights.tensors
    faults = [(name, fault) for name, tensor in tensors.items() if (fault := _fault(name, tensor))]
    if faults:
        name, fault = faults[0]
        raise PosenasError(
            f"init {weights.file}: {len(faults)} of its {len(tensors)} tensors are not weights: {name!r} "
            f"{fault}; give weights of a training that did not diverge"
        )


def _of_backbone(names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(BACKBONE)]


def _lacking(ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    return [name for name in ours if name not in theirs]


def _content(path: Path) -> tuple[Path, bytes]:
    """Return the file of the weights, which is the path or lies in its folder, and its content."""
    file = path / "best" / "weights.safetensors" if path.is_dir() else path
    try:
        if path.is_dir():
            return file, read_result(path, "best/weights.safetensors")
        problem = _unreadable(path)
        if problem:
            raise PosenasError(f"init {file}: {problem}; give a file of weights or a run's folder")
        return file, path.read_bytes()
    except FileNotFoundError as error:
        hint = (
            "this folder is no finished run" if path.is_dir() else "give a file of weights or a run's folder"
        )
        raise PosenasError(f"init {file}: there is no such file; {hint}") from error
    except OSError as error:
        raise PosenasError(f"init {file}: cannot be read: {error.strerror}") from error


def _unreadable(path: Path) -> str:
    """Return why a path is no file of weights, before a byte of it is read; empty where it may be one."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        return "is no regular file"
    if status.st_size > _MOST_BYTES:
        return f"has {status.st_size / 2**30:.1f} GiB, and at most 4 are read"
    return ""


def _fault(name: str, tensor: Tensor) -> str:
    """Return why a network cannot begin with the tensor; empty where it can."""
    if not tensor.numel():
        return f"is empty, of shape {list(tensor.shape)}"
    if tensor.is_complex():
        return "holds complex numbers"
    # As a network holds them: a float of 64 bits may become infinite there.
    wrong = int((~tensor.float().isfinite()).sum()) if tensor.is_floating_point() else 0
    if wrong:
        return f"holds {wrong} values that are NaN or infinite"
    if name.endswith("running_var") and bool((tensor < 0).any()):
        return "is a variance below 0"
    return ""


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
