"""`posenas check` and the page `posenas.testing`, on packages of strangers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any
from unittest import SkipTest

import pytest
from documented_plugins import FILES
from posenas import PosenasError
from posenas.testing import checks_of
from running import Answer, refusal

Posenas = Callable[..., Answer]
Install = Callable[..., None]

PLAIN = FILES["plain-space/plain_space.py"]
ENTRY = {"posenas.space": {"plain": "plain_space:PlainSpace"}}
DETACHED = PLAIN.replace("self.layers(images)}", "self.layers(images).detach()}")


def test_every_check_is_a_line_and_the_status_is_0(posenas: Posenas, install: Install) -> None:
    install("plain-space", PLAIN, entry_points=ENTRY)
    answer = posenas("check", "plain-space", "-o", "space.widest=8")
    assert answer.status == 0, answer.err
    *lines, blank, last = answer.out.splitlines()
    assert all(line.startswith("ok      space plain") for line in lines)
    assert {"levels_are_true", "networks_nest"} <= {line.split()[3].rstrip(":") for line in lines}
    assert (blank, last) == ("", f"{len(lines)} ok, 0 failed, 0 not run")


def test_a_failure_is_a_line_with_a_remedy_and_the_status_is_1(posenas: Posenas, install: Install) -> None:
    install("plain-space", DETACHED, entry_points=ENTRY)
    answer = posenas("check", "space:plain")
    assert answer.status == 1
    failed = [line for line in answer.out.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 2
    assert "every_parameter_gets_a_gradient" in failed[0]
    assert failed[0].endswith("leave out modules that forward does not use, and detach nothing")


def test_an_option_that_no_component_has_is_refused(posenas: Posenas, install: Install) -> None:
    install("plain-space", PLAIN, entry_points=ENTRY)
    line = refusal(posenas("check", "plain-space", "-o", "space.widst=8"))
    assert "unknown option 'space.widst' of what is checked; did you mean 'space.widest'?" in line


def test_json_has_a_row_for_each_check(posenas: Posenas, install: Install) -> None:
    install("plain-space", DETACHED, entry_points=ENTRY)
    answer = posenas("check", "plain-space", "--json")
    assert answer.status == 1
    rows = {row["check"]: row for row in answer.json}
    assert rows["levels_are_true"]["status"] == "ok"
    row = rows["every_parameter_gets_a_gradient"]
    assert (row["distribution"], row["version"], row["status"]) == ("plain-space", "1.0", "failed")


def test_what_cannot_be_made_fails_in_one_line(posenas: Posenas, install: Install) -> None:
    install("plain-space", "raise RuntimeError('no licence')", entry_points=ENTRY)
    answer = posenas("check", "plain-space")
    assert answer.status == 1
    line, _, _ = answer.out.splitlines()
    assert line.startswith(
        "FAILED  space plain             is_made: space plain of plain-space 1.0 is broken"
    )
    assert "no licence" in line


def test_a_package_that_offers_nothing_is_refused(posenas: Posenas) -> None:
    assert "click offers no component: name an installed package" in refusal(posenas("check", "click"))


ALWAYS = """
from dataclasses import dataclass
from posenas import Evaluation, Metric

@dataclass(frozen=True)
class Always:
    def metrics(self): return (Metric("one"),)
    def evaluate(self, predictions, truth): return Evaluation({"one": 1.0})
"""


@pytest.mark.parametrize("name", ["one-score", "One_Score:always", "evaluator:one-score:always"])
def test_a_package_is_chosen_where_two_offer_a_name(posenas: Posenas, install: Install, name: str) -> None:
    for package, module in (("one-score", "one_score"), ("other-score", "other_score")):
        install(package, ALWAYS, entry_points={"posenas.evaluator": {"always": f"{module}:Always"}})
    rows = {(row["distribution"], row["check"]) for row in posenas("check", name, "--json").json}
    assert ("one-score", "metrics_are_declared") in rows
    assert {distribution for distribution, _ in rows} == {"one-score"}


def test_a_name_that_two_offer_is_not_checked(posenas: Posenas, install: Install) -> None:
    for package, module in (("one-score", "one_score"), ("other-score", "other_score")):
        install(package, ALWAYS, entry_points={"posenas.evaluator": {"always": f"{module}:Always"}})
    answer = posenas("check", "evaluator:always")
    assert answer.status == 1
    assert answer.out.count("is_made: evaluator always of") == 2
    assert "choose one-score:always" in answer.out


def test_one_line_of_pytest_runs_them(install: Install) -> None:
    install("plain-space", PLAIN, entry_points=ENTRY)
    module: dict[str, Any] = {}
    exec(FILES["plain-space/test_plain_space.py"], module)
    test = module["test_the_kit_finds_nothing"]
    (mark,) = test.pytestmark
    ids = [mark.kwargs["ids"](check) for check in mark.args[1]]
    assert "space-plain-networks_nest" in ids
    for check in mark.args[1]:
        test(check)


def test_an_error_in_pytest_names_the_plugin_with_its_version(install: Install) -> None:
    install("plain-space", DETACHED, entry_points=ENTRY)
    (check,) = (each for each in checks_of("plain-space") if each.check.name.startswith("every_parameter"))
    with pytest.raises(PosenasError, match=r"^space plain of plain-space 1\.0: every_parameter_gets_a_gr"):
        check()


def test_the_page_loads_neither_torch_nor_pytest() -> None:
    code = "import sys, posenas.testing; assert not {'torch', 'pytest'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


FILES_OF_ITS_OWN = """
from dataclasses import dataclass
from pathlib import Path
from posenas import PosenasError, keypoint_set_from_names

@dataclass(frozen=True)
class Files:
    root: str = ""
    def keypoints(self): raise PosenasError("there is no folder")
    def splits(self): return ("train", "val")
    def split(self, name): raise PosenasError("there is no folder")
    def instructions(self): return "Take them from anywhere."
"""


def test_a_dataset_without_its_files_is_one_test_that_is_skipped(install: Install) -> None:
    install("own-files", FILES_OF_ITS_OWN, entry_points={"posenas.dataset": {"files": "own_files:Files"}})
    (check,) = checks_of("own-files")
    with pytest.raises(SkipTest, match=r"there is no folder; give its files by -o"):
        check()


IMPORTER = '''
def read(published):
    """Files of a trunk network."""
    return None
'''


def test_importers_of_weights_are_shown_and_not_checked(posenas: Posenas, install: Install) -> None:
    install("own-trunk", IMPORTER, entry_points={"posenas.weights": {"trunk": "own_trunk:read"}})
    assert "`posenas train NETWORK --init FILE --dry-run`" in refusal(posenas("check", "own-trunk"))
    shown = posenas("show", "weights", "trunk")
    assert shown.out.startswith(
        "weights trunk, of own-trunk 1.0 (own_trunk:read)\n\nFiles of a trunk network."
    )
    assert "did you mean 'trunk'?" in refusal(posenas("show", "weights", "trunc"))
    assert "docs/plugins/weights.md" in refusal(posenas("new", "my-trunk", "--kind", "weights"))
