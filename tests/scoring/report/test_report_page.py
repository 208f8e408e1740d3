"""The pages in a real browser, headless, without a network."""

import csv
import functools
import http.server
import json
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from scoring.cli import main
from scoring.formats import LandingStatus, SensorStatus
from scoring.report import encoding
from scoring.report.facts import RunFacts, Trouble
from scoring.report.index import RunRow, write_index
from scoring.report.page import write_report
from tests.scoring.report.finished_runs import MadeRun, MadeSensor, episode, landing, normal, with_spikes

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.slow]

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ASSETS = Path(encoding.__file__).parent / "assets"
HOSTILE = [
    "<script>hacked = 1</script>",
    "</script><script>hacked = 1</script>",
    '"><img src=x onerror="hacked = 1">',
]

SENSORS = [
    MadeSensor("pump-1", "pressure", with_spikes(720, [10, 11, 12, 300, 700])),
    MadeSensor("pump-1", "flow", normal(720, 1)),
    MadeSensor("pump-2", "pressure", [*normal(700, 2), *[62.0] * 20]),
    MadeSensor("pump-2", "flow", [value + 40 for value in normal(720, 3)]),
    MadeSensor("pump-3", "pressure", status=SensorStatus.FAILED, reason="the model is refused", readings=720),
    MadeSensor("pump-3", "flow", status=SensorStatus.MISSING, reason="no step wrote a result", readings=720),
    MadeSensor("pump-4", "pressure", status=SensorStatus.NO_MODEL, reason="no such model", readings=720),
    MadeSensor("pump-4", "flow", status=SensorStatus.NO_READINGS),
    MadeSensor(HOSTILE[0], HOSTILE[2], with_spikes(720, [400])),
]


@dataclass
class Opened:
    """A page, its requests, and the errors that it reported."""

    page: Page
    requests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def card(self, device: str, sensor: str) -> Locator:
        return self.page.locator(f'.card[aria-label="Device {device}, sensor {sensor}"]')

    @property
    def hacked(self) -> bool:
        return bool(self.page.evaluate("'hacked' in window"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The installed Chromium or Chrome."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium or Chrome found: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with every kind of failure."""
    run = MadeRun(
        SENSORS,
        landings=[landing(name, LandingStatus.UNREADABLE, name) for name in HOSTILE],
        rejects=[[name] * 6 for name in HOSTILE],
    )
    path = run.write(tmp_path_factory.mktemp("run"))
    write_report(path, RunFacts(cause=HOSTILE[1], seconds=12.0))
    return path


@pytest.fixture
def opened(browser: Browser, folder: Path) -> Iterator[Opened]:
    """The report, opened from a file; at the end, requests and errors are checked."""
    with opening(browser, (folder / "report.html").as_uri()) as opened:
        yield opened


class opening:  # noqa: N801 - read as a verb: with opening(...)
    """Open an address; at the end there must be no error and no other request."""

    def __init__(self, browser: Browser, address: str, width: int = 1280, **options: Any) -> None:
        self._page = browser.new_page(viewport={"width": width, "height": 900}, **options)
        self._address = address
        self._opened = Opened(self._page)

    def __enter__(self) -> Opened:
        self._page.on("request", lambda request: self._opened.requests.append(request.url))
        self._page.on("pageerror", lambda error: self._opened.problems.append(str(error)))
        self._page.on("console", lambda message: self._opened.problems.append(message.text))
        self._page.on("dialog", lambda dialog: self._opened.problems.append(dialog.message))
        self._page.goto(self._address)
        return self._opened

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            assert self._opened.problems == []
            assert self._opened.requests == [self._address.partition("#")[0]]
        self._page.close()


def near(card: Locator) -> Locator:
    """The drawn chart of a card."""
    card.scroll_into_view_if_needed()
    plot = card.locator(".plot[data-marks]")
    plot.wait_for()
    return plot


def span(plot: Locator) -> float:
    return float(plot.get_attribute("data-to") or 0) - float(plot.get_attribute("data-from") or 0)


def test_the_number_of_marks_is_the_summarys_number_of_anomalies(opened: Opened, folder: Path) -> None:
    summary = json.loads((folder / "summary.json").read_text())
    marks = {}
    for row in summary["sensors"]:
        if row["file"]:
            plot = near(
                opened.card(row["device"], row["sensor"])
                if "<" not in row["device"]
                else hostile_card(opened)
            )
            marks[row["device"], row["sensor"]] = int(plot.get_attribute("data-marks") or -1)
    assert marks == {
        (row["device"], row["sensor"]): row["anomalies"] for row in summary["sensors"] if row["file"]
    }
    assert sum(marks.values()) == summary["totals"]["anomalies"]


def hostile_card(opened: Opened) -> Locator:
    return opened.page.locator(".card", has=opened.page.get_by_text(HOSTILE[0], exact=True))


def test_marks_and_readings_are_really_on_the_canvas(opened: Opened) -> None:
    plot = near(opened.card("pump-1", "pressure"))
    counted = plot.evaluate(
        """(plot) => {
          const canvas = plot.querySelector('.values canvas');
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          let red = 0, blue = 0;
          for (let i = 0; i < data.length; i += 4) {
            if (data[i + 3] < 60) continue;
            if (data[i] > data[i + 2] + 90) red += 1;
            if (data[i + 2] > data[i] + 40) blue += 1;
          }
          return { red, blue };
        }"""
    )
    assert counted["red"] > 5 * 10
    assert counted["blue"] > 1000


def test_a_name_is_text_and_never_runs(opened: Opened) -> None:
    near(hostile_card(opened))
    assert opened.page.locator("img").count() == 0
    assert opened.page.locator("script").count() == 3
    assert opened.page.locator(".findings").get_by_text(f"{HOSTILE[0]}/{HOSTILE[2]}").count() == 1
    assert HOSTILE[1] in (opened.page.locator(".run").text_content() or "")
    assert hostile_card(opened).locator("h3").text_content() == f"Device {HOSTILE[0]} · Sensor {HOSTILE[2]}"
    assert not opened.hacked


def test_search_finds_devices_and_sensors(opened: Opened) -> None:
    cards, search = opened.page.locator(".card"), opened.page.get_by_label("Search by device or sensor")
    assert cards.count() == len(SENSORS)
    for asked, expected in (
        ("pump-3", 2),
        ("FLOW", 4),
        ("pump-2/pressure", 1),
        ("device pump-1 sensor flow", 1),
        ("script", 1),
    ):
        search.fill(asked)
        assert cards.count() == expected, asked
    assert opened.page.locator(".found").text_content() == "1 sensor of 9"
    search.fill("nothing like this")
    assert cards.count() == 0
    assert "No sensor matches" in (opened.page.locator(".found").text_content() or "")
    search.fill("")
    assert cards.count() == len(SENSORS)


def test_groups_and_order_choose_what_is_listed(opened: Opened) -> None:
    names = opened.page.locator(".card h3")
    assert names.first.text_content() == "Device pump-3 · Sensor flow"
    opened.page.get_by_role("button", name="Some anomalies 2").click()
    assert names.count() == 2
    opened.page.get_by_role("button", name="All 9").click()
    opened.page.get_by_label("Order of sensors").select_option("name")
    assert names.nth(1).text_content() == "Device pump-1 · Sensor flow"
    opened.page.get_by_label("Order of sensors").select_option("share")
    assert names.first.text_content() == "Device pump-2 · Sensor flow"


def test_dragging_zooms_and_a_double_click_shows_all_again(opened: Opened) -> None:
    plot = near(opened.card("pump-1", "pressure"))
    whole = span(plot)
    box = plot.locator(".values .u-over").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    opened.page.mouse.move(box["x"] + box["width"] * 0.25, y)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + box["width"] * 0.5, y, steps=5)
    opened.page.mouse.up()
    opened.page.wait_for_function(
        "([plot, whole]) => plot.dataset.to - plot.dataset.from < whole / 2",
        arg=[plot.element_handle(), whole],
    )
    assert span(plot) == pytest.approx(whole * 0.25, rel=0.05)
    assert plot.get_attribute("data-marks") == "1"
    plot.locator(".scores .u-over").dblclick()
    assert span(plot) == pytest.approx(whole)


def test_all_of_a_chart_can_be_reached_by_keyboard(opened: Opened) -> None:
    plot = near(opened.card("pump-1", "pressure"))
    plot.focus()
    readout, whole = plot.locator(".readout"), span(plot)
    opened.page.keyboard.press("Shift+ArrowRight")
    assert readout.text_content() == "2026-01-01 00:00:50 · 66.00 · score -6 · anomaly"
    opened.page.keyboard.press("ArrowLeft")
    assert (readout.text_content() or "").startswith("2026-01-01 00:00:45 · ")
    assert (readout.text_content() or "").endswith(" · normal")
    opened.page.keyboard.press("+")
    opened.page.keyboard.press("+")
    assert span(plot) < whole / 3
    opened.page.keyboard.press("0")
    assert span(plot) == pytest.approx(whole)
    assert plot.get_attribute("data-marks") == "5"


def test_hovering_reads_out_time_value_and_score(opened: Opened) -> None:
    plot = near(opened.card("pump-2", "pressure"))
    plot.locator(".scores .u-over").hover()
    readout = plot.locator(".readout").text_content() or ""
    assert readout.startswith("2026-01-01 00:")
    assert " · score " in readout
    assert readout.endswith("normal")


def test_clicking_a_cell_of_the_fleet_shows_its_sensor(opened: Opened) -> None:
    cell = opened.page.get_by_role(
        "gridcell", name="Device pump-2, sensor pressure: 20 of 720 readings anomalous (2.8 %)"
    )
    assert cell.text_content() == "2.8 %"
    cell.click()
    assert opened.page.evaluate("document.activeElement.ariaLabel") == "Device pump-2, sensor pressure"
    near(opened.card("pump-2", "pressure"))


def test_the_fleet_is_one_tab_stop_and_arrows_move_in_it(opened: Opened) -> None:
    grid = opened.page.get_by_role("grid")
    assert grid.locator('[tabindex="0"]').count() == 1
    first = opened.page.get_by_role("gridcell", name="Device pump-1, sensor flow")
    first.focus()
    for key, expected in (
        ("ArrowDown", "pump-2, sensor flow"),
        ("ArrowRight", "pump-2, sensor pressure"),
        ("ArrowUp", "pump-1, sensor pressure"),
    ):
        opened.page.keyboard.press(key)
        assert expected in str(opened.page.evaluate("document.activeElement.ariaLabel"))
    opened.page.keyboard.press("Enter")
    assert opened.page.evaluate("document.activeElement.className").startswith("card")


def test_sensors_that_were_not_scored_look_different(opened: Opened) -> None:
    looks = {}
    for name in (
        "pump-3, sensor pressure",
        "pump-3, sensor flow",
        "pump-4, sensor pressure",
        "pump-4, sensor flow",
        "pump-1, sensor flow",
    ):
        cell = opened.page.locator(f'[role=gridcell][aria-label^="Device {name}"]')
        looks[
            cell.text_content(),
            cell.evaluate(
                "(cell) => getComputedStyle(cell).backgroundImage + getComputedStyle(cell).borderStyle"
            ),
        ] = name
    assert len(looks) == 5
    assert [text for text, _ in looks] == ["✕", "!", "?", "○", "0 %"]


def test_clicking_a_finding_shows_its_sensor(opened: Opened) -> None:
    opened.page.locator(".findings a", has_text="pump-3/pressure").click()
    assert opened.page.evaluate("document.activeElement.ariaLabel") == "Device pump-3, sensor pressure"
    assert "the model is refused" in (opened.card("pump-3", "pressure").text_content() or "")


def test_each_sensor_links_to_its_file(opened: Opened, folder: Path) -> None:
    for card in (opened.card("pump-1", "flow"), hostile_card(opened)):
        link = card.get_by_role("link", name="CSV").evaluate("(link) => decodeURIComponent(link.pathname)")
        assert Path(str(link)).is_file()
        assert Path(str(link)).parent == folder


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_window(browser: Browser, folder: Path, width: int, scheme: str) -> None:
    with opening(browser, (folder / "report.html").as_uri(), width, color_scheme=scheme) as opened:
        near(hostile_card(opened))
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width


def test_colours_follow_the_system_while_the_page_is_open(opened: Opened) -> None:
    plot = near(opened.card("pump-1", "pressure"))
    ground = "getComputedStyle(document.body).backgroundColor"
    picture = "plot.querySelector('.values canvas').toDataURL()"
    light = opened.page.evaluate(ground), plot.evaluate(f"(plot) => {picture}")
    opened.page.emulate_media(color_scheme="dark")
    opened.page.wait_for_function(f"(light) => {ground} !== light", arg=light[0])
    now = [plot.element_handle(), light[1]]  # it is repainted a moment later
    opened.page.wait_for_function(f"([plot, light]) => {picture} !== light", arg=now)


def test_the_printed_page_is_light_and_has_its_charts(browser: Browser, folder: Path) -> None:
    with opening(browser, (folder / "report.html").as_uri(), color_scheme="dark") as opened:
        opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert opened.page.locator(".plot[data-marks]").count() == 5
        assert opened.page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
        opened.page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert opened.page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
        assert len(opened.page.pdf()) > 20_000


def test_a_printed_chart_fills_its_card(browser: Browser, folder: Path) -> None:
    with opening(browser, (folder / "report.html").as_uri()) as opened:
        opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        opened.page.set_viewport_size({"width": 718, "height": 1000})  # a page of A4
        opened.page.emulate_media(media="print")
        card = opened.card("pump-1", "pressure")
        width = card.evaluate("(card) => card.clientWidth")
        for canvas in card.locator("canvas").all():
            box = canvas.bounding_box()
            assert box is not None
            assert 0.93 * width < box["width"] <= width
            assert box["height"] < box["width"] / 2


RECORD_LABELS = """
const labels = window.labels = [];
const write = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
  const { a, e, b } = this.getTransform();
  const half = this.textAlign === 'center' ? this.measureText(text).width / 2 : 0;
  labels.push({ text, level: b === 0, right: a * (x + half) + e, width: this.canvas.width });
  return write.apply(this, arguments);
};
"""


@pytest.mark.parametrize("width", [390, 1280])
def test_no_label_of_a_chart_is_cut_off(browser: Browser, tmp_path: Path, width: int) -> None:
    day = MadeSensor("pump-1", "pressure", normal(289), seconds=300.0)  # from midnight to midnight
    path = write_report(MadeRun([day]).write(tmp_path))
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.add_init_script(RECORD_LABELS)
    page.goto(path.as_uri())
    near(Opened(page).card("pump-1", "pressure"))
    labels = [label for label in page.evaluate("labels") if label["level"]]
    assert sum("2026-01-02" in label["text"] for label in labels) >= 2
    assert [label for label in labels if label["right"] > label["width"]] == []
    page.close()


def test_an_axis_of_values_has_the_name_of_its_sensor(browser: Browser, tmp_path: Path) -> None:
    names = ["pressure", "a name that is longer than its chart is high"]
    path = write_report(MadeRun([MadeSensor("pump-1", name, normal(720)) for name in names]).write(tmp_path))
    page = browser.new_page()
    page.add_init_script(RECORD_LABELS)
    page.goto(path.as_uri())
    for name in names:
        near(Opened(page).card("pump-1", name))
    upright = {label["text"] for label in page.evaluate("labels") if not label["level"]}
    assert upright == {"Sensor pressure", "Sensor a name that is…", "score"}
    page.close()


@pytest.mark.parametrize("order", ["What needs attention", "Name"])
def test_after_a_search_the_title_of_a_card_is_below_the_bar(
    browser: Browser, tmp_path: Path, order: str
) -> None:
    run = MadeRun([MadeSensor(f"d{i}", "s", with_spikes(30, [i % 30] if i % 2 else [])) for i in range(60)])
    with opening(browser, write_report(run.write(tmp_path)).as_uri()) as opened:
        opened.page.get_by_label("Order of sensors").select_option(label=order)
        near(opened.page.locator(".card").nth(20))
        opened.page.get_by_label("Search by device or sensor").fill("d4")
        assert_title_below_bar(opened, opened.page.locator(".card").first)
        opened.page.get_by_label("Search by device or sensor").fill("")
        opened.page.get_by_role("gridcell", name="Device d9,").click()
        assert_title_below_bar(opened, opened.card("d9", "s"))


def assert_title_below_bar(opened: Opened, card: Locator) -> None:
    """The sensor's name is on the screen, and nothing is in front of it."""
    opened.page.wait_for_function(
        """(card) => {
          const { left, top, width, height } = card.querySelector('h3').getBoundingClientRect();
          const front = document.elementFromPoint(left + width / 2, top + height / 2);
          return front !== null && card.querySelector('h3').contains(front);
        }""",
        arg=card.element_handle(),
    )


def test_a_cell_of_a_large_fleet_has_the_name_of_its_sensor(browser: Browser, tmp_path: Path) -> None:
    sensors = [MadeSensor(f"device-{i // 10}", f"s{i % 10}", normal(3)) for i in range(999)]
    sensors.append(MadeSensor("device-99", "s9", status=SensorStatus.NO_MODEL, readings=3))
    with opening(browser, write_report(MadeRun(sensors).write(tmp_path)).as_uri()) as opened:
        cells = opened.page.get_by_role("gridcell")
        assert cells.count() == 1000
        assert opened.page.get_by_role("gridcell", name="Device device-7, sensor s3:").text_content() == "s3"
        assert (
            opened.page.get_by_role("gridcell", name="Device device-99, sensor s9:").text_content() == "?s9"
        )
        clipped = cells.evaluate_all(
            "(all) => all.filter((cell) => cell.scrollWidth > cell.clientWidth).length"
        )
        assert clipped == 0


@pytest.fixture
def eventful(tmp_path: Path) -> Path:
    """The report of a run with three episodes."""
    sensors = [
        MadeSensor("pump-1", "a/b é", with_spikes(720, [*range(100, 160), 400, 401])),
        MadeSensor("pump-2", "flow", [*normal(700, 2), *[62.0] * 20]),
        MadeSensor("pump-3", "flow", normal(720, 3)),
    ]
    rows = [
        episode("pump-1", "a/b é", 100, 159),
        episode("pump-1", "a/b é", 400, 401),
        episode("pump-2", "flow", 700, 719),
    ]
    return write_report(MadeRun(sensors, episodes=rows).write(tmp_path))


def test_episodes_are_bands_behind_a_chart(browser: Browser, eventful: Path) -> None:
    with opening(browser, eventful.as_uri()) as opened:
        assert opened.page.locator(".lead").text_content() == (
            "2 sensors in 3 episodes, the last still open at 00:59 UTC"
        )
        plot = near(opened.card("pump-1", "a/b é"))
        runs = plot.evaluate(
            """(plot) => {
              const canvas = plot.querySelector('.scores canvas');
              const { data } = canvas.getContext('2d').getImageData(0, 12, canvas.width, 1);
              const red = Array.from({ length: canvas.width }, (_, x) => data[4 * x] > data[4 * x + 2] + 40);
              return red.filter((each, x) => each && !red.slice(Math.max(0, x - 9), x).includes(true)).length;
            }"""
        )
        assert runs == 2
        assert "Last anomaly 2026-01-01 00:33:25 · 2 episodes · model of pump-1/a/b é, SHA-256 abab" in (
            opened.card("pump-1", "a/b é").locator(".when").text_content() or ""
        )
        assert "1 episode, the last still open" in (
            opened.card("pump-2", "flow").locator(".when").text_content() or ""
        )


def test_sensors_can_be_in_the_order_of_their_latest_anomaly(browser: Browser, eventful: Path) -> None:
    with opening(browser, eventful.as_uri()) as opened:
        opened.page.get_by_label("Order of sensors").select_option(label="Latest anomaly")
        names = opened.page.locator(".card h3").all_text_contents()
        assert [name.split(" ")[1] for name in names] == ["pump-2", "pump-1", "pump-3"]


def test_an_address_with_a_sensor_opens_it(browser: Browser, eventful: Path) -> None:
    address = f"{eventful.as_uri()}#pump-1/a%2Fb%20%C3%A9"
    with opening(browser, address) as opened:
        assert_title_below_bar(opened, opened.card("pump-1", "a/b é"))
        assert "pointed-at" in (opened.card("pump-1", "a/b é").get_attribute("class") or "")
        opened.page.evaluate("location.hash = '#pump-3/flow'")
        opened.page.locator('.pointed-at[aria-label="Device pump-3, sensor flow"]').wait_for()


def test_all_anomalies_can_be_downloaded(browser: Browser, eventful: Path) -> None:
    page = browser.new_page()
    page.goto(eventful.as_uri())
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download anomalies.csv").click()
    assert waiting.value.suggested_filename == "anomalies.csv"
    rows = list(csv.DictReader(waiting.value.path().read_text().splitlines()))
    assert Counter((row["Device"], row["Sensor"]) for row in rows) == {
        ("pump-1", "a/b é"): 62,
        ("pump-2", "flow"): 20,
    }
    last = next(row for row in rows if row["Device"] == "pump-2")
    assert (last["TS"], last["Value"], float(last["Score"])) == ("2026-01-01T00:58:20.000Z", "62.00", -2.0)
    page.close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def site(folder: Path) -> Iterator[str]:
    """The folder of the run behind a web server, as a container is."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_the_page_works_from_a_signed_address(browser: Browser, site: str) -> None:
    with opening(browser, f"{site}/report.html?sv=1&sig=secret") as opened:
        near(opened.card("pump-1", "pressure"))
        link = opened.card("pump-1", "pressure").get_by_role("link", name="CSV")
        assert link.get_attribute("href") == "preds_pump-1_pressure.csv?sv=1&sig=secret"
        assert opened.page.locator("a.file").first.get_attribute("href") == "summary.json?sv=1&sig=secret"


def test_the_page_works_from_an_object_address(browser: Browser, folder: Path, site: str) -> None:
    page = browser.new_page()
    page.goto(f"{site}/summary.json")
    page.evaluate(
        "(text) => { const page = new Blob([text], { type: 'text/html' });"
        " setTimeout(() => { location.href = URL.createObjectURL(page); }); }",
        (folder / "report.html").read_text(),
    )
    page.wait_for_url("blob:**")
    near(Opened(page).card("pump-1", "pressure"))
    page.close()


def test_charts_of_a_fleet_are_drawn_on_scrolling_near(browser: Browser, tmp_path: Path) -> None:
    run = MadeRun([MadeSensor(f"d{i // 5}", f"s{i % 5}", with_spikes(30, [i % 30])) for i in range(400)])
    with opening(browser, write_report(run.write(tmp_path)).as_uri()) as opened:
        assert opened.page.get_by_role("gridcell").count() == 400
        near(opened.page.locator(".card").first)
        assert opened.page.locator(".card").count() < 100
        assert opened.page.locator(".plot[data-marks]").count() < 40
        opened.page.get_by_role("gridcell", name="Device d79, sensor s4:").click()
        near(opened.card("d79", "s4"))
        assert opened.page.locator(".plot[data-marks]").count() < 40


def test_values_that_overflow_do_not_break_a_chart(browser: Browser, tmp_path: Path) -> None:
    odd = [[1.7e308, -1.7e308, 50.0], [5e-324, 0.0, 50.0], [50.0], [50.0] * 3, [1e15 + 0.5, 1e15, 50.0]]
    run = MadeRun([MadeSensor("odd", str(i), values) for i, values in enumerate(odd)])
    with opening(browser, write_report(run.write(tmp_path)).as_uri()) as opened:
        for i, values in enumerate(odd):
            plot = near(opened.card("odd", str(i)))
            assert plot.get_attribute("data-marks") == str(sum(not 40 < value < 60 for value in values))


def test_the_script_decodes_the_numbers_that_were_encoded(browser: Browser) -> None:
    rng = np.random.default_rng(5)
    page = browser.new_page()
    page.add_script_tag(content=(ASSETS / "decode.js").read_text() + "window.readings = readings;")
    for scale in (1.0, 0.01, 1e-9, 1e12, np.pi):
        times = np.cumsum(rng.integers(0, 10**6, 50)) * 1000 + rng.integers(-(10**12), 10**12)
        values = rng.integers(-500, 500, 50) * scale
        marks = np.flatnonzero(rng.random(50) < 0.3)
        chart = {
            "times": encoding.times(times),
            "values": encoding.numbers(values),
            "scores": encoding.floats(values),
            "marks": encoding.whole(np.diff(marks, prepend=0)),
        }
        read = page.evaluate(
            "(chart) => { const { times, values, scores, marks } = readings(chart); "
            "return { times: [...times], values: [...values], scores: [...scores], marks }; }",
            chart,
        )
        assert read["times"] == (times / 1000).tolist()
        assert read["marks"] == marks.tolist()
        np.testing.assert_allclose(read["values"], values, rtol=1e-6)
        np.testing.assert_allclose(read["scores"], values, rtol=1e-6)
    page.close()


def test_the_page_of_runs_lists_draws_and_finds(browser: Browser, tmp_path: Path) -> None:
    runs = [
        RunRow(
            run=f"blob-{i:032x}",
            state="failed" if i == 3 else "succeeded",
            cause=HOSTILE[0] if i == 4 else "site-a.csv arrived",
            started=f"2026-01-{i + 1:02}T00:00:00Z",
            seconds=12.5,
            readings=1000,
            anomalies=i,
            sensors=15,
            unscored=2 if i == 3 else 0,
            error=HOSTILE[1] if i == 3 else None,
            report=f"blob-{i:032x}/report.html",
        )
        for i in range(8)
    ]
    with opening(browser, write_index(runs, tmp_path / "index.html").as_uri()) as opened:
        assert "8 runs: 1 failed, 7 succeeded" in (opened.page.locator("h1").text_content() or "")
        opened.page.locator("#over-time canvas").wait_for()
        rows = opened.page.locator("tbody tr:visible")
        assert rows.count() == 8
        opened.page.get_by_label("Search runs").fill("failed")
        assert rows.count() == 1
        assert "2 not scored" in (rows.first.text_content() or "")
        link = rows.first.get_by_role("link")
        assert link.get_attribute("href") == f"blob-{3:032x}/report.html"
        assert not opened.hacked


@pytest.mark.parametrize(("hours", "late"), [(2.9, False), (3.1, True)], ids=["in time", "late"])
def test_the_page_of_runs_calls_a_sweep_late_when_it_is(
    browser: Browser, tmp_path: Path, hours: float, late: bool
) -> None:
    at = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    rows = [RunRow("a", "succeeded")]
    page = write_index(rows, tmp_path / "index.html", swept=at, late_after_seconds=10_800)
    with opening(browser, page.as_uri()) as opened:
        swept = opened.page.locator(".swept").text_content() or ""
    assert swept.startswith("Last sweep: 20")
    assert ("The next one is late" in swept) is late


def test_the_page_of_runs_fits_a_phone(browser: Browser, tmp_path: Path) -> None:
    runs = [RunRow("manual-20260101-000000-abcdef", "partly", "started by hand " * 9, error="word" * 60)] * 3
    with opening(browser, write_index(runs, tmp_path / "index.html").as_uri(), 390) as opened:
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_real_run_has_a_mark_for_each_of_its_anomalies(
    browser: Browser, seed: Path, tmp_path: Path
) -> None:
    models, out = tmp_path / "models", tmp_path / "out"
    assert main(["import-models", str(seed / "models"), str(models)]) == 0
    data = str(seed / "sensor_data.csv")
    assert main(["score", "--data", data, "--models", str(models), "--out", str(out)]) == 0
    assert main(["report", "--preds", str(out), "--models", str(models)]) == 0
    with opening(browser, (out / "report.html").as_uri()) as opened:
        title = opened.page.locator("h1").text_content()
        assert title == "4 of 15 sensors are anomalous at every reading, 11 had some anomalies"
        cards = opened.page.locator(".card")
        marks = [int(near(cards.nth(i)).get_attribute("data-marks") or -1) for i in range(15)]
    assert sum(marks) == json.loads((out / "summary.json").read_text())["totals"]["anomalies"]


def test_the_page_of_runs_adds_its_signature_to_links(browser: Browser, site: str, folder: Path) -> None:
    write_index([RunRow("a", "succeeded", report="a/report.html")], folder / "index.html")
    with opening(browser, f"{site}/index.html?sv=1&sig=secret") as opened:
        assert opened.page.locator("tbody a").get_attribute("href") == "a/report.html?sv=1&sig=secret"


def test_a_run_without_results_has_a_page_with_the_reason(browser: Browser, tmp_path: Path) -> None:
    troubles = tuple(Trouble(f"score_1_{i}", "failed", HOSTILE[i % 3]) for i in range(6))
    facts = RunFacts(run="blob-1", state="failed", cause=HOSTILE[0], error=HOSTILE[1], troubles=troubles)
    with opening(browser, write_report(tmp_path, facts).as_uri(), 390) as opened:
        assert "The run failed" in (opened.page.locator("h1").text_content() or "")
        assert HOSTILE[1] in (opened.page.locator(".findings").text_content() or "")
        assert opened.page.locator("tbody tr").count() == 6
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert not opened.hacked
