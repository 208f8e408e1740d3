"""A hundred hostile names through every place where a name from outside goes."""

import csv
import io
import logging
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from azure.storage.blob import ContainerClient

from dev.azurite import connection_string
from pipeline import alerts
from pipeline.engines.local.placeholders import arguments
from pipeline.log_lines import keep_one_line
from pipeline.pages.fetch import file_names
from pipeline.published.build import step_name
from pipeline.runs import history
from pipeline.runs.landing import Landing, Manifest, skipped_because
from pipeline.runs.names import landing_key
from pipeline.runs.record import Cause, CauseKind, RunRecord, RunState
from pipeline.terminal.tables import show_table
from scoring import InvalidKey, SensorKey
from scoring.commands.failures import print_errors
from scoring.csv_quoting import csv_text
from scoring.printable import cell, printable
from scoring.readings.manifest import ManifestLanding, locate
from scoring.report.index import RunRow, write_index

_PARTS = (
    *(
        "../../etc/passwd",
        "..\\..\\windows",
        "/etc/passwd",
        "C:\\x",
        "a//b",
        "a/./b",
        ".",
        "..",
        " ",
        "~/.ssh/x",
    ),
    *("con", "NUL.csv", "aux", "COM1", "a.", "a ", "a:b", "x" * 300, "-rf", "--out=x"),
    *("$(reboot)", "`reboot`", "; reboot", "| reboot", "& reboot", "&& reboot", "$HOME", "${PATH}", "*", "?"),
    *(
        "${{inputs.run}}",
        "$[[--out=x]]",
        "${{parent.jobs.x.outputs.preds}}",
        "{{7*7}}",
        "{% x %}",
        "%s%n",
        "%(x)s",
    ),
    *(
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "'\"><svg/onload=alert(1)>",
        "</script>",
        "&lt;",
    ),
    *(
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example/x",
        "<!--",
        "]]>",
        "<!DOCTYPE x [<!ENTITY e 'x'>]>",
    ),
    *(
        '=HYPERLINK("http://evil.example")',
        "=1+1",
        "+1+1",
        "-1+1",
        "@SUM(1)",
        "=cmd|' /C calc'!A0",
        "'=1+1",
        "''@x",
    ),
    *(
        '"',
        '""',
        "'",
        ",",
        ";",
        'a"b,c',
        "a,b",
        "\\",
        "\\n",
        "#",
        "%2e%2e%2f",
        "%00",
        "%",
        "%zz",
        "+",
        "=",
        "@",
    ),
    *(
        "a\nb",
        "a\rb",
        "a\r\nb",
        f"\n{alerts.RUN_FAILED} run x",
        "\x1b[31mred",
        "\x1b]0;title\x07",
        "\x07",
        "\x08",
    ),
    *(
        "\x00",
        "a\x00b",
        "\x7f",
        "\x85",
        "\x9b31m",
        "\t=1",
        "\u2028",
        "\u202egnp.exe",
        "\u2066x",
        "\ufeff",
        "\u200b",
    ),
    *(
        "é",
        "e\u0301",
        "温度",
        "😀",
        "\ufffe",
        "\ud800",
        "İ",
        "K",
        "ß",
        "null",
        "true",
        "1e3",
        "- &a !!x",
        "nan",
    ),
)
NAMES = tuple(dict.fromkeys(_PARTS))


def _key(name: str) -> SensorKey | None:
    try:
        return SensorKey(name, name)
    except InvalidKey:
        return None


def as_key(name: str, folder: Path) -> None:
    if key := _key(name):
        assert SensorKey.from_encoded(key.encoded) == key
        assert SensorKey.from_model_name(key.model_name) == key
        for file in (key.encoded, key.model_name, key.preds_name):
            assert file.isascii()
            assert not set(file) & set("/\\:*?\"<>| '$`&;\n")


def as_step(name: str, folder: Path) -> None:
    if key := _key(name):
        assert step_name(key).replace("_", "a").isalnum()
        assert step_name(key).islower()


def as_local_file(name: str, folder: Path) -> None:
    """A landing is opened below its folder only; a file of results has a name that is safe everywhere."""
    (folder / "data").mkdir(exist_ok=True)
    try:
        path, _, reason = locate(ManifestLanding(name=name, etag="0x1", size=1), folder / "data")
    except UnicodeEncodeError:
        assert skipped_because(name)  # storage has no such name
    else:
        assert path is None
        assert reason
    for file in file_names([name, f"preds_{name}.csv"]).values():
        assert file.isascii()
        assert file.isprintable()
        assert (folder / file).parent == folder


def as_blob(name: str, folder: Path) -> None:
    if skipped_because(name):
        return
    client = ContainerClient.from_connection_string(connection_string(1), "data")
    address = urlsplit(client.get_blob_client(name).url)
    account, container, rest = address.path.removeprefix("/").split("/", 2)
    assert (address.hostname, container, bool(account)) == ("127.0.0.1", "data", True)
    assert (unquote(rest), address.query, address.fragment) == (name, "", "")


def as_json(name: str, folder: Path) -> None:
    if skipped_because(name):
        return
    manifest = Manifest("run", (Landing(name, "0x1", 1, None),))
    assert Manifest.from_bytes(manifest.to_bytes(), "it") == manifest
    found = RunRecord.from_bytes(_record(name).to_bytes(), "it")
    assert (found.cause.detail, found.error) == (name, name)


def as_names_in_storage(name: str, folder: Path) -> None:
    if not skipped_because(name):
        key = landing_key("account", "data", name, "0x1")
        assert len(key) == 32
        assert key.isalnum()
        assert "\n" not in str(history.blob_name(_record("x")))


def as_csv(name: str, folder: Path) -> None:
    for text in (name, printable(name)):
        field = csv_text(text)
        [[read]] = csv.reader(io.StringIO(f"{field}\n", newline=""))
        assert read == cell(text)
        assert read[:1] not in {"=", "@", "+", "-"} or float(read) is not None
        assert read.removeprefix("'" if cell(text) != text else "") == text  # nothing is lost
    assert printable(name).isprintable() or "\u200d" in name


def as_argument(name: str, folder: Path) -> None:
    """A value is one argument, or part of one, whatever it holds; nothing interprets it again."""
    assert arguments("run --key=${{inputs.key}} x", {"inputs.key": name}) == ["run", f"--key={name}", "x"]
    assert shlex.split(shlex.quote(name)) == [name]


def as_page(name: str, folder: Path) -> None:
    name = name.encode(errors="replace").decode()  # as every document is read
    row = RunRow(run=name, state=name, cause=name, error=name, report=f"{name}/report.html")
    page = write_index([row], folder / "index.html", note=name).read_text("utf-8")
    plain = write_index(
        [RunRow("r", "s", "c", error="e", report="r/report.html")], folder / "plain.html", note="n"
    )
    assert _tags(page) == _tags(plain.read_text("utf-8"))
    assert not [one for one in page if ord(one) < 32 and one not in "\t\n"]
    assert not set(page) & set("\x7f\x85\x9b\u202e\u2066")


def _tags(page: str) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, [name for name, _ in attrs]))
            for attribute, value in attrs:
                if attribute in {"href", "src", "action"}:
                    assert not (value or "").strip().lower().startswith(("javascript:", "//evil"))

    Parser().feed(page)
    return found


def as_log_line(name: str, folder: Path) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("pipeline.hostile")
    logger.addHandler(handler)
    try:
        logger.error("run x is submitted: %s", name)
    finally:
        logger.removeHandler(handler)
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert len(text.splitlines()) == 1
    assert not text.startswith((alerts.RUN_FAILED, alerts.EVENTS_MISSING, alerts.SWEEP_FINISHED))


def as_terminal_output(name: str, folder: Path) -> None:
    show_table(["RUN", "CAUSE"], [["r", name]])
    print_errors([name])


PLACES: tuple[Callable[[str, Path], None], ...] = (
    as_key,
    as_step,
    as_local_file,
    as_blob,
    as_json,
    as_names_in_storage,
    as_csv,
    as_argument,
    as_page,
    as_log_line,
    as_terminal_output,
)


@pytest.fixture
def one_line_logs():
    before = logging.getLogRecordFactory()
    keep_one_line()
    yield
    logging.setLogRecordFactory(before)


@pytest.mark.usefixtures("one_line_logs")
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_a_hundred_hostile_names_stay_names(place, tmp_path, capsys):
    assert len(NAMES) >= 100
    harmed = {}
    for name in NAMES:
        try:
            place(name, tmp_path)
        except Exception as error:  # noqa: BLE001 - each is reported with its name
            harmed[name] = repr(error)
    assert harmed == {}
    output = capsys.readouterr()
    assert not [one for one in output.out + output.err if ord(one) < 32 and one != "\n"]
    assert not set(output.out + output.err) & set("\x7f\x85\x9b\u202e\u2066")


def test_a_spreadsheet_finds_numbers_as_numbers_and_no_formula():
    assert [cell(text) for text in ("-5", "+1.5", "-1e-3", ".5", "-.5")] == [
        "-5",
        "+1.5",
        "-1e-3",
        ".5",
        "-.5",
    ]
    assert [cell(text) for text in ("=1", "-a", "+", "@x", "'=1", "''-", "'a", "a=1", "--1")] == [
        *("'=1", "'-a", "'+", "'@x", "''=1", "'''-", "'a", "a=1", "'--1"),
    ]


def _record(text: str) -> RunRecord:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    cause = Cause(CauseKind.BLOB, text)
    state = RunState.FAILED
    return RunRecord(
        run="blob-1", cause=cause, state=state, published="v1", created=now, ended=now, error=text
    )
