"""What an index shows of our packages: metadata, licence and README hold away from this repository."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))


def project(package: Path) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    return table


def test_each_plugin_is_an_extra_and_all_brings_them_all() -> None:
    extras = project(ROOT / "packages" / "pose-nas")["optional-dependencies"]
    every = Requirement(extras.pop("all")[0])
    assert {Requirement(text).name for text in extras.pop("export")} == {"onnx", "onnxruntime", "onnxscript"}
    assert [Requirement(text).name for text in extras.pop("ray")] == ["ray"]  # 200 MB, for clusters alone
    for log, needed in {
        "mlflow": {"alembic", "mlflow-skinny", "sqlalchemy"},
        "tensorboard": {"tensorboard"},
    }.items():
        assert {Requirement(text).name for text in extras.pop(log)} == needed
    assert every.name == "pose-nas"
    assert every.extras == set(extras)
    brought = {Requirement(text).name for texts in extras.values() for text in texts}
    assert brought == {package.name for package in PACKAGES} - {"pose-nas", "pose-run"} | {"h5py"}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_package_tells_what_an_index_shows(package: Path) -> None:
    told = project(package)
    assert (package / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert next((package / "src").iterdir()).joinpath("py.typed").exists()
    assert {"Changelog", "Documentation", "Issues", "Source"} == set(told["urls"])
    for url in (told["urls"]["Documentation"], told["urls"]["Changelog"]):
        assert (ROOT / url.partition("/blob/main/")[2]).is_file()
    versions = {f"Programming Language :: Python :: {version}" for version in ("3.11", "3.12", "3.13")}
    assert versions | {"Typing :: Typed"} <= set(told["classifiers"])
    assert told["keywords"]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_links_of_a_readme_hold_on_an_index(package: Path) -> None:
    links = re.findall(r"\]\(([^)]+)\)", (package / "README.md").read_text())
    assert links
    for link in links:
        assert link.startswith("https://")
        ours = re.fullmatch(r"https://github\.com/posenas/posenas/(?:blob|tree)/main/([^#]+)(#.*)?", link)
        assert ours is None or (ROOT / ours[1]).exists()
