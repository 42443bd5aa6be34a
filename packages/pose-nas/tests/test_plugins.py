"""Discovery and loading, with distributions written for the test."""

from __future__ import annotations

import importlib
import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import posenas
import pytest
from posenas.composing.loading import KNOWN_EXTRAS, load, load_entry, offering
from posenas.composing.plugins import KINDS, Owner, Plugin, find_misplaced, find_plugins
from posenas.composing.slow_imports import named_while_slow
from posenas.contract.errors import PosenasError
from posenas.runs.events import Events, hookimpl

GOOD = """
from __future__ import annotations
from dataclasses import dataclass

@dataclass(frozen=True)
class Good:
    option: int = 1
    def metrics(self): return ()
    def evaluate(self, predictions, truth): return {}
"""
Distribute = Callable[..., Path]


@pytest.fixture
def distribute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Distribute]:
    """Writes `NAME` with its modules and metadata into a folder that is on the path."""
    folders: set[Path] = set()
    before = set(sys.modules)

    def write(
        name: str,
        entry_points: str,
        *,
        modules: Mapping[str, str] | None = None,
        requires: tuple[str, ...] = (),
        version: str = "1.0",
        folder: str = "site",
    ) -> Path:
        site = tmp_path / folder
        if site not in folders:
            site.mkdir()
            folders.add(site)
            monkeypatch.syspath_prepend(site)
        for module, source in (modules or {}).items():
            (site / f"{module}.py").write_text(source)
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {text}" for text in requires)]
        (info / "METADATA").write_text("Metadata-Version: 2.1\n" + "\n".join(lines) + "\n")
        (info / "entry_points.txt").write_text(entry_points)
        importlib.invalidate_caches()
        return info

    yield write
    for module in set(sys.modules) - before:
        if module.startswith("foreign_"):
            del sys.modules[module]


def evaluators(name: str) -> list[Plugin]:
    return [plugin for plugin in find_plugins(("evaluator",)) if plugin.name == name]


def only(name: str) -> Plugin:
    (plugin,) = evaluators(name)
    return plugin


def test_a_plugin_is_listed_without_being_imported(distribute: Distribute) -> None:
    distribute(
        "foreign-good",
        "[console_scripts]\nx = foreign_good:main\n\n[posenas.evaluator]\n# mine\nmine = foreign_good:Good\n",
        modules={"foreign_good": GOOD},
        requires=("pose-nas>=0.0.1,<99", 'absent-one; extra == "more"', 'absent-two; python_version < "3"'),
    )
    assert only("mine") == Plugin(
        kind="evaluator",
        name="mine",
        distribution="foreign-good",
        version="1.0",
        entry_point="foreign_good:Good",
        status="ok",
        problem="",
    )
    assert [plugin.name for plugin in find_plugins() if plugin.distribution == "foreign-good"] == ["mine"]
    assert "foreign_good" not in sys.modules
    assert load("evaluator", "mine") is sys.modules["foreign_good"].Good


BROKEN = {
    "no value": ("bad", GOOD, "malformed entry point ''"),
    "spaces": ("bad = foreign module : Good", GOOD, "malformed entry point 'foreign module : Good'"),
    "no object": ("bad = foreign_bad", GOOD, "malformed entry point 'foreign_bad'"),
    "no module": ("bad = foreign_absent:Good", GOOD, "there is no module foreign_absent"),
    "no submodule": ("bad = foreign_bad.sub:Good", GOOD, "there is no module foreign_bad.sub"),
    "no attribute": ("bad = foreign_bad:Goood", GOOD, "module foreign_bad defines no Goood"),
    "syntax": ("bad = foreign_bad:Good", GOOD + "\nclass Bad(:\n", "the source is broken"),
    "missing import": (
        "bad = foreign_bad:Good",
        GOOD + "\nimport absent_module\n",
        "it imports absent_module",
    ),
    "raise": ("bad = foreign_bad:Good", GOOD + "\nraise OSError('no\\nlicence')\n", "raise OSError("),
}


@pytest.mark.parametrize("case", sorted(BROKEN))
def test_a_broken_plugin_is_one_line_and_harms_no_other(distribute: Distribute, case: str) -> None:
    line, source, reason = BROKEN[case]
    distribute(
        "foreign-good", "[posenas.evaluator]\nmine = foreign_good:Good", modules={"foreign_good": GOOD}
    )
    distribute(
        "foreign-bad",
        f"[posenas.evaluator]\n{line}\nneighbour = foreign_neighbour:Good",
        modules={"foreign_bad": source, "foreign_neighbour": GOOD},
    )
    bad = only("bad")
    assert bad.status == "broken"
    assert reason in bad.problem
    assert "\n" not in bad.problem
    assert only("mine").status == only("neighbour").status == "ok"
    assert load("evaluator", "mine")
    assert load("evaluator", "neighbour")
    with pytest.raises(PosenasError) as caught:
        load("evaluator", "bad")
    assert str(caught.value).startswith("evaluator bad of foreign-bad 1.0 is broken: ")
    assert reason in str(caught.value)
    assert "pip install --upgrade foreign-bad" in str(caught.value)


def damage_nothing(info: Path) -> None:
    (info / "METADATA").unlink()


def damage_text(info: Path) -> None:
    (info / "METADATA").write_bytes(b"Name: \xff\xfe\nVersion: 1.0\n")


def damage_requirement(info: Path) -> None:
    (info / "METADATA").write_text("Name: foreign-bad\nVersion: 1.0\nRequires-Dist: ???\n")


def damage_marker(info: Path) -> None:
    (info / "METADATA").write_text("Name: foreign-bad\nVersion: 1.0\nRequires-Dist: x; moon == 'full'\n")


@pytest.mark.parametrize("damage", [damage_nothing, damage_text, damage_requirement, damage_marker])
def test_unreadable_metadata_is_one_line(distribute: Distribute, damage: Callable[[Path], None]) -> None:
    distribute(
        "foreign-good", "[posenas.evaluator]\nmine = foreign_good:Good", modules={"foreign_good": GOOD}
    )
    damage(distribute("foreign-bad", "[posenas.evaluator]\nbad = foreign_good:Good"))
    importlib.invalidate_caches()
    bad = only("bad")
    assert bad.status == "broken"
    assert bad.problem.startswith("its metadata cannot be read: ")
    assert "\n" not in bad.problem
    assert bad.distribution.replace("_", "-") == "foreign-bad"
    assert only("mine").status == "ok"


def test_undecodable_entry_points_harm_nothing(distribute: Distribute) -> None:
    info = distribute("foreign-bad", "")
    (info / "entry_points.txt").write_bytes(b"[posenas.evaluator]\nbad = \xff\xfe:Good\n")
    assert only("bad").problem == "malformed entry point '��:Good', expected module:object"


@pytest.mark.parametrize(
    ("specifier", "upgrade"),
    [
        (">=99.3,<99.4", "'pose-nas>=99.3,<99.4'"),
        ("<0.0.1", "foreign-old"),
        ("==77", "'pose-nas==77'"),
        ("==77.*", "'pose-nas==77.*'"),
        ("~=0.0.1", "foreign-old"),
    ],
)
def test_an_outdated_plugin_names_the_range_and_the_remedy(
    distribute: Distribute, specifier: str, upgrade: str
) -> None:
    distribute(
        "foreign-old",
        "[posenas.evaluator]\nold = foreign_old:Good",
        modules={"foreign_old": GOOD},
        requires=(f"Pose_NAS{specifier}",),
    )
    plugin = only("old")
    needs = f"needs pose-nas{specifier}, this is {posenas.__version__}: pip install --upgrade {upgrade}"
    assert (plugin.status, plugin.problem) == ("outdated", needs)
    with pytest.raises(PosenasError, match=r"evaluator old of foreign-old 1.0 is outdated: needs pose-nas"):
        load("evaluator", "old")


def test_a_release_candidate_of_the_core_meets_a_range(
    distribute: Distribute, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribute(
        "foreign-good",
        "[posenas.evaluator]\nmine = foreign_good:Good",
        modules={"foreign_good": GOOD},
        requires=("pose-nas>=0.1,<0.3",),
    )
    monkeypatch.setattr(posenas, "__version__", "0.2.0rc1")
    assert only("mine").status == "ok"


def test_missing_requirements_are_listed(distribute: Distribute) -> None:
    distribute(
        "foreign-needy",
        "[posenas.evaluator]\nneedy = foreign_needy:Good",
        modules={"foreign_needy": GOOD},
        requires=("packaging", "absent-one>=2", "absent-two"),
    )
    plugin = only("needy")
    problem = "needs absent-one absent-two, not installed: pip install absent-one absent-two"
    assert (plugin.status, plugin.problem) == ("broken", problem)


def test_doubly_offered_plugins_name_each_other(distribute: Distribute) -> None:
    for number in (1, 2):
        distribute(
            f"foreign-{number}",
            f"[posenas.evaluator]\ntwice = foreign_{number}:Good\nonce{number} = foreign_{number}:Good",
            modules={f"foreign_{number}": GOOD},
        )
    first, second = evaluators("twice")
    assert first.status == second.status == "doubled"
    for plugin, other in ((first, "foreign-2"), (second, "foreign-1")):
        choice = f"choose {plugin.distribution}:twice, or set POSENAS_DISABLE={other}"
        assert plugin.problem == f"also offered by {other} 1.0: {choice}"
    assert only("once1").status == only("once2").status == "ok"
    with pytest.raises(PosenasError, match=r"is doubled: also offered by foreign-2 1.0"):
        load("evaluator", "twice")
    assert load("evaluator", "foreign-2:twice") is sys.modules["foreign_2"].Good
    assert load("evaluator", "Foreign.1:twice") is sys.modules["foreign_1"].Good
    assert str(Owner("evaluator", "foreign-2:twice")) == "evaluator twice of foreign-2 1.0"
    assert offering("evaluator", "foreign-2:twice").distribution == "foreign-2"
    with pytest.raises(PosenasError, match=r"did you mean 'foreign-1:once1'\?"):
        load("evaluator", "foreign-1:once")


def test_one_of_two_is_left_out_by_the_environment(
    distribute: Distribute, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        distribute(
            f"foreign-{number}",
            f"[posenas.evaluator]\ntwice = foreign_{number}:Good",
            modules={f"foreign_{number}": GOOD},
        )
    monkeypatch.setenv("POSENAS_DISABLE", " Foreign_1,")
    assert [plugin.status for plugin in evaluators("twice")] == ["ok", "disabled"]
    assert load("evaluator", "twice") is sys.modules["foreign_2"].Good
    with pytest.raises(PosenasError, match=r"foreign-1 1.0 is disabled: POSENAS_DISABLE names foreign-1"):
        load("evaluator", "foreign-1:twice")


@pytest.mark.parametrize(("name", "why"), [("foreign-9", "is not installed"), ("pose_nas", "is the core")])
def test_what_cannot_be_left_out_is_told(name: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSENAS_DISABLE", name)
    with pytest.raises(PosenasError, match=f"POSENAS_DISABLE names '?{name}'?, which {why}"):
        find_plugins()


def test_two_at_fault_stay_so_when_chosen(distribute: Distribute) -> None:
    line = "[posenas.evaluator]\ntwice = foreign_2:Good"
    distribute("foreign-1", f"{line}\ntwice = foreign_2:Good", modules={"foreign_2": GOOD})
    distribute("foreign-2", line, requires=("absent-one",))
    with pytest.raises(PosenasError, match=r"is doubled: also offered by foreign-1 1.0"):
        load("evaluator", "foreign-1:twice")
    with pytest.raises(PosenasError, match=r"is broken: needs absent-one"):
        load("evaluator", "foreign-2:twice")


@pytest.mark.parametrize(
    ("group", "nearest"),
    [("posenas.spaces", "space"), ("PoseNAS.head", "head"), ("posnas.cost", "cost"), ("posenas.x", "")],
)
def test_a_misspelt_group_is_a_row(distribute: Distribute, group: str, nearest: str) -> None:
    distribute("foreign-good", f"[{group}]\nmine = foreign_good:Good\n[pose.spaces]\nmine = a:b")
    (row,) = find_misplaced()
    assert (row.kind, row.name, row.distribution, row.status) == (group, "mine", "foreign-good", "broken")
    assert row.problem.startswith(f"no group is called {group}: ")
    assert row.problem.endswith(f"did you mean 'posenas.{nearest}'?") or not nearest


def test_our_groups_are_spelt_well() -> None:
    assert find_misplaced() == ()


def test_a_misspelt_listener_is_a_row(distribute: Distribute) -> None:
    heard = "from posenas import hookimpl\n@hookimpl\ndef run_started(run): ...\n"
    distribute(
        "foreign-ears",
        "[posenas.hooks]\nfew = foreign_few\nodd = foreign_odd:EARS\n",
        modules={
            "foreign_few": heard + "def run_start(): ...\n",
            "foreign_odd": heard
            + "class Ears:\n    @hookimpl\n    def run_start(self): ...\nEARS = Ears()\n",
        },
    )
    few, odd = (plugin for plugin in find_plugins(("hooks",)) if plugin.distribution == "foreign-ears")
    assert few.status == "ok"
    assert (odd.status, odd.problem) == (
        "broken",
        "no event is called run_start: did you mean 'run_started'?",
    )


def test_listeners_of_one_name_are_both_heard(distribute: Distribute) -> None:
    for number in (1, 2):
        lines = f"[posenas.hooks]\nears = foreign_{number}\n"
        distribute(f"foreign-{number}", lines, modules={f"foreign_{number}": ""})
    found = [plugin.status for plugin in find_plugins(("hooks",)) if plugin.name == "ears"]
    assert found == ["ok", "ok"]


def test_a_long_import_is_named_while_it_lasts(capsys: pytest.CaptureFixture[str]) -> None:
    printed = ""
    with named_while_slow("space slow of foreign-slow 1.0", patience=0.01):
        until = time.monotonic() + 5
        while not printed and time.monotonic() < until:
            time.sleep(0.01)
            printed = capsys.readouterr().err
    assert printed == "posenas: still importing space slow of foreign-slow 1.0, after 0.01 s\n"
    with named_while_slow("space quick of foreign-quick 1.0", patience=0.05):
        pass
    time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_one_distribution_found_twice_is_not_doubled(distribute: Distribute) -> None:
    lines = "[posenas.evaluator]\nmine = foreign_good:Good"
    distribute("foreign-good", lines, modules={"foreign_good": GOOD}, folder="behind")
    distribute("Foreign.Good", lines, version="1.1", folder="before")
    plugin = only("mine")
    assert (plugin.status, plugin.version) == ("ok", "1.1")


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("open('/nowhere/at/all')", "FileNotFoundError: "),
        ("assert False, 'two\\nlines'", "AssertionError: two lines"),
        ("import sys; sys.exit('bye')", "SystemExit: bye"),
        ("from json import absent", "ImportError: cannot import name 'absent'"),
        ("del Good", "AttributeError: "),
    ],
)
def test_a_failing_import_is_one_line(distribute: Distribute, statement: str, reason: str) -> None:
    distribute(
        "foreign-bad",
        "[posenas.evaluator]\nbad = foreign_bad:Good",
        modules={"foreign_bad": GOOD + statement},
    )
    with pytest.raises(PosenasError) as caught:
        load("evaluator", "bad")
    message = str(caught.value)
    assert message.startswith("evaluator bad of foreign-bad 1.0 cannot be imported: " + reason)
    assert "\n" not in message
    assert caught.value.__cause__ is not None


def test_an_import_that_changes_the_directory_leaves_it_as_it_was(distribute: Distribute) -> None:
    source = GOOD + "\nimport os\nos.chdir('/')\n"
    distribute("foreign-bad", "[posenas.evaluator]\nbad = foreign_bad:Good", modules={"foreign_bad": source})
    before = Path.cwd()
    assert load("evaluator", "bad")
    assert Path.cwd() == before != Path("/")


def test_an_interrupt_during_an_import_is_not_swallowed(distribute: Distribute) -> None:
    source = GOOD + "\nif True:\n    raise KeyboardInterrupt\n"
    distribute("foreign-bad", "[posenas.evaluator]\nbad = foreign_bad:Good", modules={"foreign_bad": source})
    with pytest.raises(KeyboardInterrupt):
        load("evaluator", "bad")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("Good = 3", "is not a class"),
        ("class Good: ...", "is not a frozen dataclass"),
        (GOOD.replace("(frozen=True)", ""), "is not a frozen dataclass"),
        (GOOD.replace("def evaluate", "def evaluation"), "lacks evaluate"),
        (GOOD.replace("def ", "def its_"), "lacks metrics, evaluate"),
        (
            GOOD.replace("def evaluate(self, predictions, truth)", "evaluate = 3\n    def f(self)"),
            "lacks evaluate",
        ),
    ],
)
def test_an_object_that_is_no_component_is_refused(distribute: Distribute, source: str, reason: str) -> None:
    distribute("foreign-bad", "[posenas.evaluator]\nbad = foreign_bad:Good", modules={"foreign_bad": source})
    with pytest.raises(PosenasError, match="evaluator bad of foreign-bad 1.0 is no evaluator: .*" + reason):
        load("evaluator", "bad")


def test_zoo_entries_and_hooks_are_loaded_as_they_are(distribute: Distribute) -> None:
    distribute(
        "foreign-extra",
        "[posenas.zoo]\nnet = foreign_extra:NETS.first\n[posenas.hooks]\nhooks = foreign_extra\n",
        modules={"foreign_extra": "class NETS:\n    first = (1, 2)\n"},
    )
    zoo, hooks = (
        plugin for plugin in find_plugins(("zoo", "hooks")) if plugin.distribution == "foreign-extra"
    )
    assert load_entry(zoo) == (1, 2)
    assert load_entry(hooks) is sys.modules["foreign_extra"]


def test_an_unknown_name_is_answered_with_the_nearest_and_the_installed() -> None:
    installed = ", ".join(sorted({plugin.name for plugin in find_plugins(("evaluator",))}))
    with pytest.raises(PosenasError) as caught:
        load("evaluator", "okss")
    assert str(caught.value) == f"unknown evaluator 'okss' (installed: {installed}); did you mean 'oks'?"


@pytest.mark.parametrize(("kind", "name"), sorted(KNOWN_EXTRAS))
def test_a_known_name_that_is_not_installed_names_its_extra(
    kind: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posenas.composing.distributions.metadata.distributions", lambda: iter(()))
    with pytest.raises(PosenasError) as caught:
        load(kind, name)
    extra = KNOWN_EXTRAS[kind, name]
    assert str(caught.value) == f"{kind} {name} is not installed: pip install pose-nas[{extra}]"


def test_plugins_come_by_kind_then_name() -> None:
    plugins = find_plugins()
    assert plugins == tuple(sorted(plugins, key=lambda plugin: (KINDS.index(plugin.kind), plugin.name)))
    assert {"oks", "pck"} <= {plugin.name for plugin in plugins if plugin.kind == "evaluator"}
    assert find_plugins(()) == ()
    for first, second in itertools.pairwise(plugins):
        assert (first.kind, first.name) != (second.kind, second.name)


def test_the_built_in_plugins_are_ok() -> None:
    own = [plugin for plugin in find_plugins() if plugin.distribution == "pose-nas"]
    assert own
    assert [str(plugin) for plugin in own if plugin.status != "ok"] == []


def test_finding_imports_nothing_heavy() -> None:
    heavy = "('torch', 'numpy', 'pydantic', 'rich', 'cv2', 'matplotlib')"
    script = (
        "import sys, posenas.composing.plugins\n"
        "assert posenas.composing.plugins.find_plugins()\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_showing_what_needs_no_torch_imports_none() -> None:
    script = """
import sys
from posenas.cli import posenas
for words in ("dataset coco", "evaluator oks", "strategy evolution", "strategy random", "strategy single"):
    posenas.main(["show", *words.split()], standalone_mode=False)
    assert "torch" not in sys.modules, words
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.count(", of pose-nas") == 5


def test_a_listener_to_no_event_is_left_out_with_a_word() -> None:
    class Ears:
        @hookimpl
        def run_start(self) -> None: ...

    told: list[str] = []
    Events({"odd": Ears()}, complain=told.append)
    (line,) = told
    assert line.startswith("listener 'odd' is left out: unknown hook 'run_start' in plugin ")
