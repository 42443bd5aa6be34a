# /// script
# dependencies = ["nox>=2024.10"]
# ///
"""The project's jobs. Most share one environment, `.venv`, which is made on first use.

`python -m nox -s tests` passes the tests, `python -m nox -s demo` runs a search on the built-in data.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

import nox

ROOT = Path(__file__).parent
ENVIRONMENT = ROOT / ".venv"
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
TOOLS = ["hypothesis", "mypy", "onnx", "onnxruntime", "pytest", "pytest-xdist", "ruff", "scipy"]
SITE_TOOLS = ["mkdocs-material>=9.5,<10", "mkdocstrings[python]>=1,<2", "ruff"]

nox.options.sessions = ["lint", "tests"]
nox.options.default_venv_backend = "none"


def executable(name: str, environment: Path = ENVIRONMENT) -> str:
    return str(environment / ("Scripts" if os.name == "nt" else "bin") / name)


def install(session: nox.Session, environment: Path, *arguments: str) -> None:
    """Makes the environment where it is missing; installs into it in one call, by uv where it is there."""
    uv = shutil.which("uv")
    if uv:
        if "PIP_FIND_LINKS" in os.environ:  # uv does not read pip's own variable
            os.environ.setdefault("UV_FIND_LINKS", ",".join(os.environ["PIP_FIND_LINKS"].split()))
        if not environment.exists():
            session.run(uv, "venv", "--quiet", "--python", sys.executable, str(environment), external=True)
        command = [uv, "pip", "install", "--quiet", "--python", executable("python", environment)]
    else:
        if not environment.exists():
            session.run(sys.executable, "-m", "venv", str(environment), external=True)
        command = [executable("python", environment), "-m", "pip", "install", "--quiet"]
    session.run(*command, "-c", str(ROOT / "constraints.txt"), *arguments, external=True)


def prepare(session: nox.Session) -> dict[str, str]:
    """The environment with every package of this repository, editable; made anew only where a requirement
    changed. Returns the variables that jobs run under: one thread each, since spinning threads slow
    each other down on a busy machine."""
    digest = hashlib.sha256("".join(TOOLS).encode() + (ROOT / "constraints.txt").read_bytes())
    for package in PACKAGES:
        digest.update((package / "pyproject.toml").read_bytes())
    stamp = ENVIRONMENT / "posenas-requirements"
    if not stamp.exists() or stamp.read_text() != digest.hexdigest():
        session.log("preparing .venv: about a minute the first time")
        editable = [word for package in PACKAGES for word in ("-e", str(package))]
        install(session, ENVIRONMENT, *editable, *TOOLS)
        stamp.write_text(digest.hexdigest())
    return {"OMP_NUM_THREADS": "1"}


@nox.session
def demo(session: nox.Session) -> None:
    """A search on drawn people, under a limit that binds: about five minutes on two cores."""
    prepare(session)
    session.run(
        executable("posenas"),
        "compose",
        "--space",
        "ofa",
        "--strategy",
        "sandwich",
        "--limit",
        "gmacs<=0.025",
        *session.posargs,
        external=True,
    )


@nox.session
def tests(session: nox.Session) -> None:
    """Everything but the slow tests."""
    environment = prepare(session)
    session.run(
        executable("python"), "-m", "pytest", "-n", "2", *session.posargs, env=environment, external=True
    )


@nox.session
def slow(session: nox.Session) -> None:
    """Tests that train for minutes."""
    environment = prepare(session)
    session.run(
        executable("python"), "-m", "pytest", "-m", "slow", *session.posargs, env=environment, external=True
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Style and strict types."""
    prepare(session)
    session.run(executable("ruff"), "check", ".", external=True)
    session.run(executable("ruff"), "format", "--check", ".", external=True)
    sources = [str(next((package / "src").iterdir())) for package in PACKAGES]
    for source in sources:
        session.run(executable("mypy"), source, external=True)


@nox.session
def docs(session: nox.Session) -> None:
    """The site, built into `site/` from docs/ and the docstrings; a warning is an error. It needs no torch.

    `python -m nox -s docs -- serve` shows it while it is written."""
    environment = ROOT / ".venv-docs"
    install(session, environment, *SITE_TOOLS)
    command = session.posargs or ["build", "--strict", "--quiet"]
    session.run(executable("mkdocs", environment), *command, env={"NO_MKDOCS_2_WARNING": "1"}, external=True)


@nox.session
def wheels(session: nox.Session) -> None:
    """Builds every package and installs them, with nothing else, as a user would."""
    with tempfile.TemporaryDirectory() as folder:
        house, environment = Path(folder) / "wheels", Path(folder) / "venv"
        build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(house)]
        session.run(*build, *map(str, PACKAGES), external=True)
        install(session, environment, *(str(wheel) for wheel in sorted(house.iterdir())))
        session.run(executable("posenas", environment), "plugins", external=True)
        session.run(executable("posenas", environment), "compose", "--dry-run", external=True)


if __name__ == "__main__":
    nox.main()
