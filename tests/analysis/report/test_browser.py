"""The report in a real browser, on a phone and a desk, light and dark; screenshots are kept in build/report/."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from fake_run import write_run
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from analysis.redraw import redraw
from analysis.study import study
from configuration.load import load
from testbed.process import PROJECT

pytestmark = pytest.mark.whole

SCREENSHOTS = PROJECT / "build" / "report"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip
VIEWS = [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")]

# The least contrast (WCAG 2, 1.4.3) of the page's texts with what is behind them, and whose it is.
CONTRAST = """
const channel = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const parse = s => s.match(/[\\d.]+/g).map(Number);
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] === 1) return c; } return [255, 255, 255]; };
let worst = [21, ""];
for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    const [a, b] = [luminance(parse(getComputedStyle(e).color)), luminance(behind(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < worst[0]) worst = [ratio, e.outerHTML.slice(0, 80)];
}
return worst;
"""


@pytest.fixture(name="browser", scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


@pytest.fixture(name="page", scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    bars = load(PROJECT / "experiments.toml").bars.model_copy(update={"resamples": 199})
    conditions = ("figure1", "baseline", "baseline-again", "siblings", "working-set")
    run = write_run(tmp_path_factory.mktemp("run"), conditions, 6, invalid=["02-baseline", "03-siblings"])
    (run / "configuration.toml").write_text((PROJECT / "experiments.toml").read_text())
    return redraw(study(run, bars))[-1].as_uri()


def show(browser: webdriver.Chrome, page: str, width: int, scheme: str) -> Any:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(page)
    return browser.execute_script


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_the_report_on_a_screen(browser: webdriver.Chrome, page: str, width: int, scheme: str) -> None:
    script = show(browser, page, width, scheme)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(SCREENSHOTS / f"{width}-{scheme}.png"))
    assert script("return document.documentElement.scrollWidth") <= width, "the page itself never scrolls sideways"
    assert script("return [...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert script("return document.images.length") == 6
    ratio, whose = script(CONTRAST)
    assert ratio >= 4.5, whose
    assert script("return performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:'))") == []
    logged = browser.get_log("browser")  # type: ignore[no-untyped-call]
    assert [entry for entry in logged if entry["level"] == "SEVERE"] == []


def test_the_report_without_eyes_and_without_a_mouse(browser: webdriver.Chrome, page: str) -> None:
    script = show(browser, page, 1280, "light")
    for image in browser.find_elements(By.CSS_SELECTOR, "#figures img"):
        assert "Median major faults from request to response: figure1: httpd " in str(image.get_attribute("alt"))
    for image in browser.find_elements(By.CSS_SELECTOR, "#suite-own img"):
        assert " Medians: working-set: " in str(image.get_attribute("alt"))
    assert script("return document.documentElement.lang") == "en"
    assert script("return [...document.querySelectorAll('table')].every(t => t.querySelector('th[scope]'))")
    links = script("return [...document.querySelectorAll('nav a')].map(a => a.hash)")
    assert len(links) >= 10
    assert all(script("return document.querySelector(arguments[0])", link) for link in links)
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert script("return document.activeElement.className") == "skip", "the first stop skips what stands before"
    reached = script("return [...document.querySelectorAll('.scroll')].every(e => e.tabIndex === 0 && e.ariaLabel)")
    assert reached, "what scrolls sideways can be reached and scrolled by keys"


def test_the_figures_can_be_downloaded_as_svg(browser: webdriver.Chrome, page: str) -> None:
    script = show(browser, page, 1280, "light")
    names = script("return [...document.querySelectorAll('a[download]')].map(a => a.download)")
    assert [name.partition("-")[2] or name for name in names]
    assert all(name.endswith(".svg") for name in names)
    folder = Path(unquote(urlsplit(page).path)).parent
    beside = script("return [...document.querySelectorAll('a[download]')].map(a => a.getAttribute('href'))")
    assert all((folder / file).is_file() for file in beside), "without scripts, or with another page"
    click = "const a = document.querySelector('a[download]'); a.addEventListener('click', e => e.preventDefault()); "
    text = script(f"{click} a.click(); return fetch(a.href).then(r => r.text())")
    assert text.startswith("<?xml")
    assert text == (folder / beside[0]).read_text(), "the page alone suffices"


def test_the_report_on_paper_has_no_navigation(browser: webdriver.Chrome, page: str) -> None:
    script = show(browser, page, 1280, "light")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert script("return getComputedStyle(document.querySelector('nav')).display") == "none"
    assert script("return getComputedStyle(document.querySelector('.scroll')).overflowX") == "visible"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
