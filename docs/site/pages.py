"""What the site has beside the files of docs/: README, changelog, navigation, and the API from docstrings.

Links stay as the repository's host needs them. On the site a link that leaves docs/ leads to the page of the
file, where it has one, and to the repository where it has none.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "packages/pose-nas/src/posenas"
COPIES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"(?<=\]\()[^)\s#:]+")


@dataclass(frozen=True)
class ApiPage:
    """A page of the API: a module of the core, and the names that it offers.

    Attributes:
        path: the page in the site, such as `api/layers.md`.
        title: what the navigation calls it.
        module: the file that defines or gathers the names.
        names: full names, such as `posenas.layers.hrnet`.
    """

    path: str
    title: str
    module: Path
    names: tuple[str, ...]

    def text(self) -> str:
        """Return the page's Markdown: the module's docstring, then every name."""
        shown = "false" if self.module.stem == "keypoint_sets" else "true"  # they are made of private lists
        options = f"    options:\n      show_attribute_values: {shown}\n"
        blocks = "".join(f"\n::: {name}\n{options}" for name in self.names)
        return f"# {self.title}\n\n{ast.get_docstring(ast.parse(self.module.read_text()))}\n{blocks}"


def face() -> Iterator[ApiPage]:
    """Yield a page for each module whose names `posenas` itself offers."""
    for node in ast.parse((SOURCES / "__init__.pyi").read_text()).body:
        if isinstance(node, ast.ImportFrom):
            home = str(node.module)
            file = SOURCES.joinpath(*home.split(".")).with_suffix(".py")
            title = "Searches" if home == "api" else file.stem.replace("_", " ").capitalize()
            names = tuple(f"posenas.{alias.name}" for alias in node.names)
            yield ApiPage(f"api/face/{file.stem}.md", title, file, names)


def public_modules() -> Iterator[ApiPage]:
    """Yield a page for each public module beside the face, such as `posenas.layers`."""
    for file in sorted(SOURCES.glob("*.py")):
        offered = re.search(r"^__all__ = (\[.*?\])", file.read_text(), flags=re.MULTILINE | re.DOTALL)
        if offered:
            names = tuple(f"posenas.{file.stem}.{name}" for name in ast.literal_eval(offered[1]))
            yield ApiPage(f"api/{file.stem}.md", f"posenas.{file.stem}", file, names)


FACE, MODULES = tuple(face()), tuple(public_modules())


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make the navigation; a new page of docs/ is in it by itself."""
    docs = Path(config.docs_dir)
    pages = {str(path.relative_to(docs)) for path in docs.rglob("*.md")}
    packages = [f"{path.name}.md" for path in sorted((ROOT / "packages").iterdir())]
    plugins = ["write-a-plugin.md", *sorted(page for page in pages if page.startswith("plugins/"))]
    tutorials = ["first-search.md", "your-data.md", "several-devices.md"]
    rest = sorted(pages - {*packages, *plugins, *tutorials})
    packages.sort(key=lambda page: page != "pose-nas.md")
    api = [{page.title: page.path} for page in FACE]
    config.nav = [
        {"Home": "index.md"},
        {"Tutorials": tutorials},
        {"Packages": packages},
        {"Plugins": plugins},
        {"API": ["api/index.md", {"posenas": api}, *({page.title: page.path} for page in MODULES)]},
        {"Project": [*rest, "contributing.md", "changelog.md"]},
    ]
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for source, page in COPIES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    for page in (*FACE, *MODULES):
        files.append(File.generated(config, page.path, content=page.text()))
    files.append(File.generated(config, "api/index.md", content=overview()))
    return files


def overview() -> str:
    """Return the page that lists every public name."""
    text = ast.get_docstring(ast.parse((SOURCES / "__init__.py").read_text()))
    rows = [
        f"| [{page.title}]({page.path.removeprefix('api/')}) | {', '.join(map(linked, page.names))} |\n"
        for page in (*FACE, *MODULES)
    ]
    return f"# API\n\n{text}\n\n| page | names |\n| --- | --- |\n{''.join(rows)}"


def linked(name: str) -> str:
    """Return a name of the API as a link to its description."""
    return f"[`{name.rpartition('.')[2]}`][{name}]"


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Return the page with links that lead somewhere on the site."""
    sources = {copy: source for source, copy in COPIES.items()}
    here = sources.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def led(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(here), match[0]))
        if not (ROOT / target).exists():
            return match[0]
        found = site_page(target)
        if found is None:
            return f"{config.repo_url}/blob/main/{target}"
        return posixpath.relpath(found, posixpath.dirname(page.file.src_uri) or ".")

    return LINK.sub(led, markdown)


def site_page(target: str) -> str | None:
    """Return the page or picture that shows a file of the repository; None where there is none."""
    pages = {str(page.module.relative_to(ROOT)): page.path for page in (*FACE, *MODULES)}
    pages |= {f"packages/{path.name}": f"{path.name}.md" for path in (ROOT / "packages").iterdir()}
    pages |= {str((SOURCES / "__init__.pyi").relative_to(ROOT)): "api/index.md", **COPIES}
    if target.startswith("docs/") and not target.endswith(".py"):
        return target.removeprefix("docs/")
    return pages.get(target)
