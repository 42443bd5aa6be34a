# /// script
# dependencies = ["nox>=2024.10"]
# ///
"""The project's jobs. Most share one environment, `.venv`, which is made on first use.

`python -m nox -s tests` passes the tests, `python -m nox -s demo` runs a search on the built-in data.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

import nox
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parent
ENVIRONMENT = ROOT / ".venv"
CONSTRAINTS = ROOT / "constraints.txt"
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
TOOLS = ["hypothesis", "mypy", "onnx", "onnxruntime", "onnxscript", "pytest", "pytest-xdist", "ruff", "scipy"]
SITE_TOOLS = ["mkdocs-material>=9.5,<10", "mkdocstrings[python]>=1,<2", "ruff"]
TEST_TOOLS = ["hypothesis", "onnx", "onnxruntime", "onnxscript", "pytest", "scipy"]
BUILD_TOOLS = ["build", "check-wheel-contents", "hatchling", "twine"]
_SMALL = "-o dataset.train_images=24 -o dataset.val_images=8 -o training.batch_size=8 -o training.workers=0 "
_FEW = "-o strategy.epochs=1 -o strategy.candidates=2 -o strategy.final_epochs=1 "
_FEW_GENERATIONS = (
    "-o strategy.generations=1 -o strategy.children=2 -o strategy.parents=1 -o strategy.ancestor_epochs=1 "
    "-o strategy.child_epochs=1 -o strategy.final_epochs=1 "
)
_FEW_UPDATES = (
    "-o strategy.epochs=1 -o strategy.networks=1 -o strategy.controller_from=1 -o strategy.updates=1 "
    "-o strategy.candidates=1 -o strategy.final_epochs=1 "
)
FIRST_EXAMPLES = {
    "": ("pose-nas", _SMALL + "-o strategy.epochs=1"),
    "autopose": ("nas-autopose", _SMALL + _FEW_UPDATES + "-o head.input_size=64,64"),
    "bench": ("posenas-bench", ""),
    "cnf": ("nas-cnf", _SMALL + "-o strategy.epochs=1 -o head.input_size=64,64"),
    "evo": ("nas-evo", _SMALL + _FEW_GENERATIONS + "-o head.input_size=64,64"),
    "kapao": ("head-kapao", _SMALL + _FEW + "-o head.input_size=128,128"),
    "ofa": ("nas-ofa-elastic", _SMALL + _FEW + "-o head.input_size=64,64"),
    "sleap": ("data-sleap", ""),
    "wholebody": ("data-cocowholebody", _SMALL + _FEW),
    "zoom": ("head-zoom", _SMALL + _FEW),
    "all": ("nas-ofa-elastic", _SMALL + _FEW + "-o head.input_size=64,64"),
}
"""By the extra: the package whose README has the first example, and what makes its search tiny."""

nox.options.sessions = ["lint", "tests"]
nox.options.default_venv_backend = "none"


def executable(name: str, environment: Path = ENVIRONMENT) -> str:
    return str(environment / ("Scripts" if os.name == "nt" else "bin") / name)


def install(
    session: nox.Session, environment: Path, *arguments: str, constraints: Path = CONSTRAINTS
) -> None:
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
    session.run(*command, "-c", str(constraints), *arguments, external=True)


def prepare(session: nox.Session) -> dict[str, str]:
    """The environment with every package of this repository, editable; made anew only where a requirement
    changed. Returns the variables that jobs run under: one thread each, since spinning threads slow
    each other down on a busy machine."""
    digest = hashlib.sha256("".join(TOOLS).encode() + CONSTRAINTS.read_bytes())
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
def browser(session: nox.Session) -> None:
    """Tests of the report in Chromium; they are skipped where it is not installed with its chromedriver."""
    prepare(session)
    install(session, ENVIRONMENT, "selenium")
    run_tests(session, ENVIRONMENT, "-m", "browser", "-rs", "packages/pose-nas/tests", *session.posargs)


@nox.session
def ray(session: nox.Session) -> None:
    """Tests of searches on Ray, with machines and workers that are killed, in an environment of their own."""
    environment = ROOT / ".venv-ray"
    editable = [word for package in PACKAGES for word in ("-e", str(package))]
    install(session, environment, *editable, *TEST_TOOLS, "ray[client]")
    run_tests(session, environment, "-m", "slow", "integration_tests/test_ray.py", *session.posargs)


@nox.session
def logs(session: nox.Session) -> None:
    """Tests of the logs for TensorBoard and MLflow, in an environment of their own."""
    environment, core = ROOT / ".venv-logs", ROOT / "packages" / "pose-nas"
    install(session, environment, "-e", f"{core}[mlflow,tensorboard]", *TEST_TOOLS)
    tests = str(core / "tests" / "test_logs.py")
    run_tests(session, environment, "-p", "no:anyio", tests, *session.posargs)  # brought by mlflow, and warns


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
    """Builds `dist/`, and runs the first example of each extra, which is installed from there alone; then
    pose-run without torch.

    `python -m nox -s wheels -- ofa evo` tries two of the extras, `-- run` pose-run alone."""
    house = build(session)
    for extra, (package, tiny) in FIRST_EXAMPLES.items():
        if session.posargs and extra not in session.posargs:
            continue
        with tempfile.TemporaryDirectory() as folder:
            environment = Path(folder) / "venv"
            requirement = f"pose-nas[{extra}]" if extra else "pose-nas"
            install(session, environment, requirement, constraints=house / "constraints.txt")
            posenas = executable("posenas", environment)
            session.run(posenas, "plugins", external=True)
            example = first_example(package) if extra else ["posenas", "compose"]
            if example[1] == "compose":
                session.run(posenas, *example[1:], "--dry-run", external=True)
                example += [*tiny.split(), "--run", str(Path(folder) / "run")]
            session.run(posenas, *example[1:], external=True, env={"OMP_NUM_THREADS": "1"})
    if not session.posargs or "run" in session.posargs:
        run_without_torch(session, house)


def run_without_torch(session: nox.Session, house: Path) -> None:
    """Installs pose-run from the wheels, and sees that it starts and that torch did not come with it."""
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder) / "venv"
        install(session, environment, "pose-run", constraints=house / "constraints.txt")
        session.run(executable("pose-run", environment), "--version", external=True)
        check = "import importlib.util as found, pose_run; assert found.find_spec('torch') is None"
        session.run(executable("python", environment), "-c", check, external=True)


def build(session: nox.Session) -> Path:
    """Returns the folder with a wheel and an sdist of each package, checked, and with constraints that name
    the wheels: no package of an index takes the place of ours."""
    house, environment = ROOT / "dist", ROOT / ".venv-build"
    shutil.rmtree(house, ignore_errors=True)
    install(session, environment, *BUILD_TOOLS)
    python = executable("python", environment)
    for package in PACKAGES:
        command = [python, "-m", "build", "--no-isolation", "--outdir", str(house), str(package)]
        session.run(*command, external=True, silent=True)
    files = [str(file) for file in sorted(house.iterdir())]
    session.run(python, "-m", "twine", "check", "--strict", *files, external=True)
    built = [file for file in files if file.endswith(".whl")]
    session.run(executable("check-wheel-contents", environment), *built, external=True)
    ours = [f"{Path(file).name.partition('-')[0]} @ {Path(file).as_uri()}\n" for file in built]
    (house / "constraints.txt").write_text(CONSTRAINTS.read_text() + "".join(ours))
    return house


def first_example(package: str) -> list[str]:
    """Returns the words of the README's first search, or of its first command where it shows none."""
    lines = (ROOT / "packages" / package / "README.md").read_text().splitlines()
    commands = [line.strip() for line in lines if line.startswith("    posenas ")]
    return shlex.split(next((each for each in commands if " compose" in each), commands[0]))


@nox.session
def alone(session: nox.Session) -> None:
    """Tests of each package with what it declares: the core or nothing, and no other package of ours.

    `python -m nox -s alone -- head-zoom` tries one of them."""
    core = ROOT / "packages" / "pose-nas"
    for package in PACKAGES:
        if session.posargs and package.name not in session.posargs:
            continue
        with tempfile.TemporaryDirectory() as folder:
            environment = Path(folder) / "venv"
            ours = {package} | ({core} if needs(package, "pose-nas") else set())
            editable = [word for path in sorted(ours) for word in ("-e", str(path))]
            install(session, environment, *editable, *TEST_TOOLS)
            run_tests(session, environment, str(package / "tests"))


def needs(package: Path, name: str) -> bool:
    """Tells whether a package declares another one."""
    return name in {Requirement(text).name for text in requirements(package)}


def requirements(package: Path) -> list[str]:
    texts: list[str] = tomllib.loads((package / "pyproject.toml").read_text())["project"]["dependencies"]
    return texts


@nox.session
def minimums(session: nox.Session) -> None:
    """Tests of all packages with the oldest versions that they allow, but for torch: its older releases come
    with several gigabytes of libraries for graphics cards, so it stays as pinned."""
    with tempfile.TemporaryDirectory() as folder:
        environment, constraints = Path(folder) / "venv", Path(folder) / "constraints.txt"
        constraints.write_text(lower_bounds())
        editable = [word for package in PACKAGES for word in ("-e", str(package))]
        install(session, environment, *editable, *TEST_TOOLS, constraints=constraints)
        words = session.posargs or [str(package / "tests") for package in PACKAGES]
        # Old releases call what newer ones of others deprecate.
        run_tests(session, environment, "-W", "default::DeprecationWarning", *words)


def lower_bounds() -> str:
    """Returns constraints: the highest lower bound that our packages declare of each of their requirements,
    and the pin of torch."""
    bounds: dict[str, Version] = {}
    for package in PACKAGES:
        for text in requirements(package):
            requirement = Requirement(text)
            if requirement.name not in ("pose-nas", "torch"):
                lowest = min(Version(each.version) for each in requirement.specifier)
                bounds[requirement.name] = max(lowest, bounds.get(requirement.name, lowest))
    pins = [line for line in CONSTRAINTS.read_text().splitlines() if line.startswith("torch==")]
    return "\n".join([*pins, *(f"{name}=={version}" for name, version in bounds.items())])


def run_tests(session: nox.Session, environment: Path, *words: str) -> None:
    command = [executable("python", environment), "-m", "pytest", "-q", *words]
    session.run(*command, external=True, env={"OMP_NUM_THREADS": "1"})


if __name__ == "__main__":
    nox.main()
