"""The report in a real browser: keyboard, pointer, links, contrast, and what it asks of the network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from posenas.reporting.report import write_report
from posenas.reporting.together import write_report_of_runs
from toy_runs import candidates, final, make_run, with_poses, write_dataset

pytestmark = pytest.mark.browser
selenium = pytest.importorskip("selenium", reason="selenium is not installed")
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
if BROWSER is None or DRIVER is None:
    pytest.skip("no Chromium with its chromedriver on the PATH", allow_module_level=True)

from selenium import webdriver  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1100,1200",
)
CONTRAST = """
const light = (text) => {
  const [r, g, b] = text.match(/[0-9.]+/g).slice(0, 3).map((n) => {
    const share = n / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const paper = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const found = getComputedStyle(each).backgroundColor;
    if (found !== "rgba(0, 0, 0, 0)") return found;
  }
  return "rgb(255, 255, 255)";
};
const words = "h1, p, td, th, a, li, dt, summary, figcaption, code, button, .chart text";
return [...document.querySelectorAll(words)]
  .filter((element) => element.getClientRects().length && element.textContent.trim())
  .map((element) => {
    const style = getComputedStyle(element);
    const ink = element.closest("svg") && element.tagName === "text" ? style.fill : style.color;
    const [low, high] = [light(ink), light(paper(element))].sort((a, b) => a - b);
    return [(high + 0.05) / (low + 0.05), element.tagName + " " + element.textContent.slice(0, 30)];
  });
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run's page, and the page of two runs. The last ranked candidate has no poses."""
    root = tmp_path_factory.mktemp("report")
    write_dataset(root / "dataset")
    trials = with_poses([trial for trial in candidates() if trial.metrics], root / "dataset")
    runs = [
        make_run(root / name, root / "dataset", found, evaluation={"held_out": 0.0}, limits=["AP>=0.99"])
        for name, found in {"run": [*trials, final(trials)], "other": trials[4:10]}.items()
    ]
    return {"one": write_report(runs[0]), "two": write_report_of_runs(runs, root / "runs.html")}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    driver.set_page_load_timeout(120)
    yield driver
    driver.quit()


@pytest.fixture(autouse=True)
def _quiet(browser: Any, pages: dict[str, Path]) -> Iterator[None]:
    """After each test: the console had no complaint, and nothing but the pages was asked for."""
    yield
    assert browser.get_log("browser") == []
    known = {path.as_uri() for path in pages.values()}
    asked = {address.partition("#")[0] for address in requests(browser)}
    assert {address for address in asked if not address.startswith("data:")} <= known


def requests(browser: Any) -> list[str]:
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


def visit(browser: Any, page: Path, link: str = "") -> None:
    browser.get("about:blank")
    requests(browser)  # what came before is read and forgotten
    browser.get(page.as_uri() + link)


def all_of(browser: Any, selector: str) -> Sequence[Any]:
    return browser.find_elements(By.CSS_SELECTOR, selector)


def one(browser: Any, selector: str) -> Any:
    return browser.find_element(By.CSS_SELECTOR, selector)


def link_of(point: Any) -> str:
    return str(point.get_dom_attribute("href"))


@contextmanager
def without_scripts(browser: Any) -> Iterator[None]:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@contextmanager
def scheme(browser: Any, name: str) -> Iterator[None]:
    features = [{"name": "prefers-color-scheme", "value": name}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_arrow_keys_walk_along_the_marks_and_enter_opens_one(browser: Any, pages: dict[str, Path]) -> None:
    visit(browser, pages["one"])
    points = all_of(browser, ".chart:first-child .point")
    for _ in range(60):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        if "point" in (browser.switch_to.active_element.get_dom_attribute("class") or ""):
            break
    start = browser.switch_to.active_element
    assert "winner" in start.get_dom_attribute("class")
    order = [link_of(point) for point in points]
    ActionChains(browser).send_keys(Keys.HOME).perform()
    walked = [link_of(browser.switch_to.active_element)]
    for _ in order[1:]:
        ActionChains(browser).send_keys(Keys.ARROW_RIGHT).perform()
        walked.append(link_of(browser.switch_to.active_element))
    assert walked == order
    ActionChains(browser).send_keys(Keys.ARROW_RIGHT, Keys.ARROW_LEFT).perform()
    reached = browser.switch_to.active_element
    assert link_of(reached) == order[-2]
    assert one(browser, "#readout").text == reached.get_dom_attribute("aria-label")
    ActionChains(browser).send_keys(Keys.ARROW_UP).perform()
    higher = browser.switch_to.active_element
    assert higher.location["y"] <= reached.location["y"]
    assert not one(browser, "#panel").is_displayed()
    ActionChains(browser).send_keys(Keys.ENTER).perform()
    assert one(browser, "#panel").is_displayed()
    assert browser.current_url.endswith(link_of(higher))
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    assert not one(browser, "#panel").is_displayed()
    assert link_of(browser.switch_to.active_element) == link_of(higher)
    ActionChains(browser).send_keys(Keys.TAB).perform()
    assert browser.switch_to.active_element.location["x"] > 500  # the next chart is one Tab away


def test_pointing_lights_a_candidate_in_every_chart(browser: Any, pages: dict[str, Path]) -> None:
    visit(browser, pages["one"])
    point = all_of(browser, ".chart:first-child .point.front")[0]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", point)
    ActionChains(browser).move_to_element(point).perform()
    lit = [link_of(each) for each in all_of(browser, ".point.lit")]
    assert lit == [link_of(point)] * 2
    assert one(browser, "#readout").text == point.get_dom_attribute("aria-label")
    ActionChains(browser).move_to_element(one(browser, "h1")).perform()
    assert all_of(browser, ".point.lit") == []


def test_a_click_shows_genotype_scores_and_poses(browser: Any, pages: dict[str, Path]) -> None:
    visit(browser, pages["one"])
    data = json.loads(one(browser, "#candidates").get_property("textContent"))
    winner = data["entries"][data["runs"][0]["winner"]]
    point = all_of(browser, ".point.candidate")[3]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", point)
    ActionChains(browser).move_to_element(point).click().perform()
    entry = data["entries"][link_of(point)[1:]]
    differing = sum(a != b for a, b in zip(entry["genotype"], winner["genotype"], strict=True))
    text = one(browser, "#panel").text
    assert entry["id"] in text
    assert f"{differing} of {len(entry['genotype'])} dimensions differ" in text
    assert len(all_of(browser, "#panel .genotype tr.other")) == differing > 0
    assert len(all_of(browser, "#panel .keypoints tbody tr")) == 17
    assert [each.text for each in all_of(browser, "#panel .people figcaption")] == [
        f"OKS {pose[1]:.3f}" for pose in entry["poses"]
    ]
    for view in all_of(browser, "#panel .people svg"):
        assert view.size["height"] > view.size["width"] > 80
    one(browser, "#panel button").click()
    assert not one(browser, "#panel").is_displayed()


def test_a_candidate_without_poses_says_so(browser: Any, pages: dict[str, Path]) -> None:
    visit(browser, pages["one"])
    data = json.loads(one(browser, "#candidates").get_property("textContent"))
    name = next(name for name, entry in data["entries"].items() if not entry["poses"])
    visit(browser, pages["one"], f"#{name}")
    assert "No poses of this candidate were kept." in one(browser, "#panel").text
    assert all_of(browser, "#panel .people") == []


def test_a_link_opens_its_candidate_and_going_back_closes_it(browser: Any, pages: dict[str, Path]) -> None:
    visit(browser, pages["one"])
    link = link_of(all_of(browser, ".point.candidate")[2])
    visit(browser, pages["one"], link)
    panel = one(browser, "#panel")
    assert link.split("-")[1] in panel.text
    top = browser.execute_script("return arguments[0].getBoundingClientRect().top", panel)
    assert 0 <= top < 1000
    visit(browser, pages["one"], "#candidate-nobody")
    assert not one(browser, "#panel").is_displayed()
    browser.execute_script("location.hash = arguments[0]", link)
    assert one(browser, "#panel").is_displayed()
    browser.back()
    assert not one(browser, "#panel").is_displayed()


def test_the_page_is_read_without_scripts(browser: Any, pages: dict[str, Path]) -> None:
    with without_scripts(browser):
        visit(browser, pages["one"])
        assert not one(browser, "#panel").is_displayed()
        points = all_of(browser, ".chart .point")
        assert len(points) == 2 * 17
        assert points[0].is_displayed()
        link = link_of(points[0])
        visit(browser, pages["one"], link)
        row = one(browser, f"[id='{link[1:]}']")
        if not row.is_displayed():  # not every browser opens what a link leads into
            one(browser, "summary").click()
        assert row.is_displayed()
        assert link[1:].split("-")[1] in row.text
        assert len(all_of(browser, ".people svg")) == 4


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize("page", ["one", "two"])
def test_every_word_stands_out_from_its_background(
    browser: Any, pages: dict[str, Path], name: str, page: str
) -> None:
    with scheme(browser, name):
        visit(browser, pages[page])
        link = link_of(all_of(browser, ".point.front")[0])
        visit(browser, pages[page], link)
        paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") is (name == "light")
        measured = browser.execute_script(CONTRAST)
        assert len(measured) > 100
        assert [words for contrast, words in measured if contrast < 4.5] == []


@pytest.mark.parametrize("page", ["one", "two"])
def test_a_narrow_window_does_not_scroll_sideways(browser: Any, pages: dict[str, Path], page: str) -> None:
    before = browser.get_window_size()
    browser.set_window_size(500, 800)
    try:
        visit(browser, pages[page])
        visit(browser, pages[page], link_of(all_of(browser, ".point.front")[0]))
        assert one(browser, "#panel").is_displayed()
        width, room = browser.execute_script(
            "const page = document.documentElement; return [page.scrollWidth, page.clientWidth]"
        )
        assert width <= room
    finally:
        browser.set_window_size(before["width"], before["height"])


def test_several_runs_have_marks_of_their_own_and_one_panel(browser: Any, pages: dict[str, Path]) -> None:
    visit(browser, pages["two"])
    assert [each.text for each in all_of(browser, ".legend li")][:2] == ["run", "other"]
    point = all_of(browser, ".chart:first-child .point.run-1")[0]
    fills = {
        browser.execute_script("return getComputedStyle(arguments[0].querySelector('use')).fill", each)
        for each in (point, all_of(browser, ".chart:first-child .point.run-0")[0])
    }
    assert len(fills) == 2
    visit(browser, pages["two"], link_of(point))
    assert one(browser, "#panel h3").text.startswith("other: ")
