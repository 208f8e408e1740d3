"""Files that are not readings, by their first bytes, and what to do with them."""

_TO_CSV = "save it as CSV"
_UNPACK = "unpack it"
_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip file: unpack it, or if it is an Excel workbook, save that as CSV"),
    (b"\xd0\xcf\x11\xe0", f"an Excel workbook of an old format: {_TO_CSV}"),
    (b"\x28\xb5\x2f\xfd", f"a zstd file: {_UNPACK}, or pack it with gzip"),
    (b"BZh", f"a bzip2 file: {_UNPACK}, or pack it with gzip"),
    (b"\xfd7zXZ", f"an xz file: {_UNPACK}, or pack it with gzip"),
    (b"7z\xbc\xaf", f"a 7-Zip archive: {_UNPACK}"),
    (b"\x1f\x8b", f"a gzip file in a gzip file: {_UNPACK}"),
    (b"Obj\x01", "an Avro file: convert it to Parquet or CSV, or let the capture write Parquet"),
    (b"ORC", "an ORC file: convert it to Parquet"),
    (b"ARROW1", "an Arrow file: convert it to Parquet"),
    (b"FEA1", "a Feather file: convert it to Parquet"),
    (b"\x89HDF", "an HDF5 file: convert it to Parquet or CSV"),
    (b"SQLite format 3", "a SQLite database: export a table as CSV"),
    (b"MATLAB 5.0", "a MATLAB file: convert it to CSV"),
    (
        b"LabVIEW Measurement",
        "a LabVIEW measurement file, whose times count from its start: export CSV with dates",
    ),
    (b"TDSm", "a LabVIEW TDMS file: convert it to Parquet or CSV"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "an image"),
    (b"\x80\x03", "a pickle: save the DataFrame as Parquet"),
    (b"\x80\x04", "a pickle: save the DataFrame as Parquet"),
    (b"\x80\x05", "a pickle: save the DataFrame as Parquet"),
)
_JSON = "JSON: convert it to CSV or Parquet, such as with pandas.read_json(FILE, lines=True).to_parquet(OUT)"
_HTML = "a web page, not the file that was to be downloaded: open it in a browser"


def kind_of(start: bytes) -> str:
    """What a file is that is not CSV, and what to do; empty if its first bytes do not show it."""
    if start.startswith(b"PK\x03\x04") and b"[Content_Types].xml" in start[:100]:
        return f"an Excel workbook: {_TO_CSV} (UTF-8)"
    for magic, words in _KINDS:
        if start.startswith(magic):
            return words
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith((b"{", b"[{", b"[\n", b"[\r")):
        return _JSON
    return _HTML if text[:5].lower() in {b"<!doc", b"<html", b"<?xml"} else ""
