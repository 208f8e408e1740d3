"""The page of a fleet in a real browser."""

import copy
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from scoring.report.fleet import write_fleet
from scoring.report.fleet_state import FleetState
from tests.scoring.report.fleet_states import make_state, write_state
from tests.scoring.report.test_report_page import HOSTILE, browser, opening

__all__ = ["browser"]

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.slow]

FLEET = make_state()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of 1,000 sensors, one of which has a hostile name."""
    folder = tmp_path_factory.mktemp("fleet")
    state = copy.deepcopy(FLEET)
    state["sensors"][500] |= {"device": HOSTILE[0], "sensor": HOSTILE[2]}
    return write_fleet(FleetState.read(write_state(folder / "state.json.gz", state)), folder / "fleet.html")


def test_only_rows_near_the_window_exist(browser: Browser, fleet: Path) -> None:
    with opening(browser, fleet.as_uri()) as opened:
        rows = opened.page.locator(".row[data-at]")
        assert 10 < rows.count() < 120
        assert opened.page.locator(".map").get_attribute("aria-rowcount") == "1000"
        opened.page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        opened.page.locator('.row[data-at="999"]').wait_for()
        assert rows.count() < 120


def test_silence_anomalies_and_rejects_differ_without_colour(browser: Browser, fleet: Path) -> None:
    with opening(browser, fleet.as_uri()) as opened:

        def last(name: str) -> tuple[str, str]:
            cell = opened.page.locator(".row", has_text=name).locator(".day").last
            image = cell.evaluate("(cell) => getComputedStyle(cell).backgroundImage.split('(')[0]")
            return cell.text_content() or "", image

        assert last("site-12/flow-3") == ("", "repeating-linear-gradient")
        assert last("site-7/flow-0") == ("■", "none")
        assert last("site-3/flow-0") == ("✕", "none")
        assert last("site-32/flow-4") == ("", "none")


def test_a_name_and_a_cell_link_to_the_report_at_the_sensor(browser: Browser, fleet: Path) -> None:
    with opening(browser, fleet.as_uri()) as opened:
        link = opened.page.get_by_role("link", name="site-12/flow-3", exact=True).last
        assert link.get_attribute("href") == "timer-20261125-050000/report.html#site-12/flow-3"
        opened.page.get_by_label("Filter by device or sensor").fill("script")
        (row,) = opened.page.locator(".row[data-at]").all()
        name = row.locator("a")
        assert "model abababababab since 2026-10-01 00:00:00 UTC" in (name.get_attribute("title") or "")
        assert name.text_content() == f"{HOSTILE[0]}/{HOSTILE[2]}"
        href = name.get_attribute("href") or ""
        assert href.startswith("timer-20261128-050000/report.html#%3Cscript%3E")
        assert not opened.hacked


def test_a_device_can_be_chosen_by_its_finding_and_by_the_filter(browser: Browser, fleet: Path) -> None:
    with opening(browser, fleet.as_uri()) as opened:
        rows = opened.page.locator(".row[data-at]")
        opened.page.get_by_role("link", name="show them").click()
        assert rows.count() == 10
        assert opened.page.locator(".found").text_content() == "10 sensors of 1,000"
        opened.page.get_by_label("Filter by device or sensor").fill("")
        opened.page.get_by_role("button", name="Silent 2").click()
        assert rows.count() == 2
        opened.page.get_by_label("Filter by device or sensor").fill("nothing like this")
        assert "No sensor matches" in (opened.page.locator(".found").text_content() or "")


def test_all_cells_can_be_reached_by_keyboard(browser: Browser, fleet: Path) -> None:
    page = browser.new_page()
    page.goto(fleet.as_uri())
    page.locator(".map").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
    pointed = page.locator(".pointed")
    assert pointed.text_content() == (
        "Device site-7, sensor flow-0, 2026-11-27: 144 of 288 readings anomalous"
        " · model abababababab since 2026-10-01 00:00:00 UTC"
    )
    page.keyboard.press("End")
    page.locator('.row.current[data-at="999"]').wait_for()
    page.keyboard.press("Home")
    page.locator('.row.current[data-at="0"]').wait_for()
    page.keyboard.press("ArrowRight")
    assert "2026-11-28: no readings · model" in (pointed.text_content() or "")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    with page.expect_request("**/timer-20261128-050000/report.html**") as asked:
        page.keyboard.press("Enter")
    assert asked.value.is_navigation_request()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_fleet_fits_the_window(browser: Browser, fleet: Path, width: int, scheme: str) -> None:
    with opening(browser, fleet.as_uri(), width, color_scheme=scheme) as opened:
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        boxes = (
            opened.page.locator(".row[data-at]")
            .first.locator(".day")
            .evaluate_all("(all) => all.map((cell) => cell.getBoundingClientRect().width)")
        )
        assert min(boxes) >= 8


def test_printed_rows_do_not_overlap(browser: Browser, fleet: Path) -> None:
    with opening(browser, fleet.as_uri(), 718) as opened:
        opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        opened.page.emulate_media(media="print")
        boxes = opened.page.locator(".row[data-at]").evaluate_all(
            "(all) => all.map((row) => [row.offsetTop, row.offsetTop + row.scrollHeight])"
        )
        assert len(boxes) == 100
        boxes.sort()
        assert [above for above, below in pairwise(boxes) if above[1] > below[0] + 1] == []
