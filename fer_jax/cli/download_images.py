"""Fetches the pictures of EmotioNet's lists, for OpenFace to be run on, and keeps account of every one.

fer-jax download-images emotioNet_URLs/*.txt --out=faces --limit=1000
FeatureExtraction -fdir faces/<list>/EmotioNet -out_dir faces/<list>/processed -aus -simalign     # for every list

A list is a text file of tab-separated columns URL, URL_orig, AU1 ... AU60 under one header line. Row 12 (from 0) of
list.txt becomes <out>/list/EmotioNet/000012.jpg. Where the first address gives no picture, the second is tried.

<out>/manifest.jsonl has a line for each row: its file, address used, size, SHA-256, and what went wrong if it did. Run
again, only rows are fetched whose picture is not there or has changed. Exit status 1 if any row failed. Unlike the
reference, which ends at the first such row and trusts every certificate.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import http.client
import io
import itertools
import json
import os
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from fer_jax.core.errors import RunFailed, UsageError

TAKES_NAMES = True
MANIFEST = "manifest.jsonl"
FOLDER = "EmotioNet"  # below each list's; OpenFace names its table after it
COLUMNS = ("URL", "URL_orig", *(f"AU{number}" for number in range(1, 61)))
_SHOWN = 20  # failures printed; the manifest has all
_PIXELS = 1 << 25  # of a picture; a small file may claim to have any number
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")  # not those whose readers start programs or are little tried
_REDIRECTS = 5
_HANDLERS = ("HTTPRedirectHandler", "ProxyHandler", "UnknownHandler", "HTTPDefaultErrorHandler", "HTTPErrorProcessor")
_KINDS = ("fetched", "there already", "failed")
_stop = threading.Event()


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of a list: where its picture goes in the output folder, and from where; if nowhere, what is wrong."""

    file: str
    row: int
    urls: tuple[str, ...]
    problem: str = ""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A line of the manifest. `url` is the address that gave the picture, the first one of a row that failed."""

    file: str
    row: int
    url: str
    bytes: int
    sha256: str
    status: str  # "ok" or "failed"
    reason: str = ""


# ---- lists and manifest ---------------------------------------------------------------------------------------------


def read_list(path: Path, limit: int = 0) -> Iterator[Row]:
    """The rows of a list, the first `limit` of them (0 = all).

    Raises:
      UsageError: it cannot be read, or its first line has not as many columns as EmotioNet's.
    """
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as stream:
            header = next(stream, "").rstrip("\r\n").split("\t")
            if len(header) != len(COLUMNS) or "://" in header[0]:
                raise UsageError(
                    f"{path}: its first line is not a header of {len(COLUMNS)} columns ({', '.join(COLUMNS[:3])}, ... "
                    f"{COLUMNS[-1]}) with tabs between; is this a list of EmotioNet's?"
                )
            lines = (line for line in stream if line.strip())
            for row, line in enumerate(itertools.islice(lines, limit or None)):
                fields = [field.strip() for field in line.rstrip("\r\n").split("\t")]
                whole = len(fields) == len(COLUMNS)
                urls = tuple(dict.fromkeys(url for url in fields[:2] if url)) if whole else ()
                problem = "no address" if whole else f"{len(fields)} columns, not {len(COLUMNS)}"
                yield Row(f"{path.stem}/{FOLDER}/{row:06d}.jpg", row, urls, "" if urls else problem)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None


def read_manifest(path: Path) -> dict[str, Entry]:
    """Entries by file, the last of each. A line that is none, cut off by a crash, counts for nothing.

    Raises:
      UsageError: it cannot be read.
    """
    entries: dict[str, Entry] = {}
    try:
        lines = path.read_bytes().splitlines() if path.exists() else []
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    for line in lines:
        with contextlib.suppress(TypeError, ValueError):
            entry = Entry(**json.loads(line))
            entries[entry.file] = entry
    return entries


def is_there(row: Row, entry: Entry, out: Path) -> bool:
    """Whether a row's picture lies in the folder as the manifest says, got from an address that the row has."""
    if entry.status != "ok" or entry.url not in row.urls:
        return False
    try:
        return hashlib.sha256((out / row.file).read_bytes()).hexdigest() == entry.sha256
    except OSError:
        return False


def _write(path: Path, data: bytes) -> None:
    """Puts the whole file there or nothing. Raises UsageError."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from None


# ---- one address ----------------------------------------------------------------------------------------------------


class Failed(Exception):
    """An address gave no picture; the text says why."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """What an address may take: seconds without a byte, seconds with all redirects, bytes."""

    timeout: float = 10
    total: float = 60
    max_bytes: int = 1 << 24


class _Timed(io.RawIOBase):
    """A socket's bytes until the deadline and up to the limit, headers and redirects too.

    http.client itself waits for each byte anew, and reads all that a redirect sends.
    """

    def __init__(self, raw: io.RawIOBase, sock: Any, limits: Limits, deadline: float):
        self._raw, self._sock, self._limits, self._deadline = raw, sock, limits, deadline
        self._spare = limits.max_bytes + (1 << 20)  # for headers

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """As of any raw stream."""
        left = self._deadline - time.monotonic()
        if left <= 0 or _stop.is_set():
            raise TimeoutError
        self._sock.settimeout(min(self._limits.timeout, left))
        count = self._raw.readinto(buffer)
        self._spare -= count or 0
        if self._spare < 0:
            raise OSError(f"more than {self._limits.max_bytes} bytes")
        return count

    def close(self) -> None:
        """Closes the socket's stream too."""
        self._raw.close()
        super().close()


class _Http(urllib.request.AbstractHTTPHandler):
    """Opens http and https addresses with `_Timed` responses."""

    def __init__(self, limits: Limits, deadline: float, context: ssl.SSLContext):
        super().__init__()
        self._limits, self._deadline, self._context = limits, deadline, context

    def _open(self, kind: Any, request: urllib.request.Request, **options: Any) -> Any:
        def response(sock: Any, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
            made: Any = http.client.HTTPResponse(sock, *args, **kwargs)
            made.fp = io.BufferedReader(_Timed(made.fp.detach(), sock, self._limits, self._deadline))
            return made

        def connection(host: str, **more: Any) -> Any:
            made = kind(host, **more)
            made.response_class = response
            return made

        return self.do_open(connection, request, **options)  # type: ignore[arg-type]

    def http_open(self, request: urllib.request.Request) -> Any:
        """For urllib."""
        return self._open(http.client.HTTPConnection, request)

    def https_open(self, request: urllib.request.Request) -> Any:
        """For urllib."""
        return self._open(http.client.HTTPSConnection, request, context=self._context)

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_


def fetch(url: str, limits: Limits, context: ssl.SSLContext) -> bytes:
    """The picture at an address, as JPEG. Raises Failed, which says why there is none."""
    deadline = time.monotonic() + limits.total
    opener = urllib.request.OpenerDirector()  # not build_opener's, which opens files and ftp as well
    redirects, *others = (getattr(urllib.request, name)() for name in _HANDLERS)
    redirects.max_redirections = _REDIRECTS
    for handler in (redirects, *others, _Http(limits, deadline, context)):
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", "fer_jax download_images"), ("Accept", "image/*")]
    try:
        safe = urllib.parse.quote(url, safe="%/:=&?~#+!$,;'@()*[]")
        with opener.open(safe, timeout=min(limits.timeout, limits.total)) as response:
            data = _body(response, limits)
    except urllib.error.HTTPError as error:
        error.close()
        raise Failed(_plain(f"HTTP {error.code} {error.reason}")) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, TimeoutError):
            late = time.monotonic() >= deadline
            reason = f"not done in {limits.total:g} s" if late else f"no answer for {limits.timeout:g} s"
        raise Failed(_plain(str(reason)) or type(reason).__name__) from None
    return as_jpeg(data)


def _body(response: Any, limits: Limits) -> bytes:
    """The whole body; Failed where it is too large or not all there."""
    announced, body = response.length, bytearray()
    if (announced or 0) > limits.max_bytes:
        raise Failed(f"{announced} bytes, more than {limits.max_bytes}")
    while len(body) != announced and (chunk := response.read1(1 << 16)):  # not all servers close the connection
        body += chunk
        if len(body) > limits.max_bytes:
            raise Failed(f"more than {limits.max_bytes} bytes")
    if announced not in (None, len(body)):
        raise Failed(f"cut off after {len(body)} of {announced} bytes")
    return bytes(body)


def _plain(text: str) -> str:
    """One short line without control characters, whatever a server sent."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]


def as_jpeg(data: bytes) -> bytes:
    """A picture's bytes if they are JPEG, else its first frame encoded so, since the file is named .jpg.

    Raises Failed if it is no picture, damaged, or has too many pixels.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > _PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels, more than {_PIXELS}")
            image.load()
            if image.format in ("JPEG", "MPO"):
                return data
            buffer = io.BytesIO()
            image.convert("RGB").save(buffer, "JPEG", quality=95)
            return buffer.getvalue()
    except Exception as error:  # decoders of damaged data raise what they like
        unknown = isinstance(error, Image.UnidentifiedImageError)
        raise Failed("not a picture" if unknown else _plain(f"no usable picture: {error}")) from None


# ---- the work -------------------------------------------------------------------------------------------------------


def get(row: Row, known: Entry | None, out: Path, picture_at: Callable[[str], bytes]) -> tuple[Entry, bool]:
    """A row's entry, and whether its picture was there already; else it is fetched and written.

    The reasons why no address gave a picture are in the entry. Raises UsageError if the picture cannot be written.
    """
    if known and is_there(row, known, out):
        return known, True
    reasons = [row.problem] if row.problem else []
    for url in row.urls:
        try:
            data = picture_at(url)
        except Failed as error:
            reasons.append(str(error))
            continue
        _write(out / row.file, data)
        return Entry(row.file, row.row, url, len(data), hashlib.sha256(data).hexdigest(), "ok"), False
    return Entry(row.file, row.row, next(iter(row.urls), ""), 0, "", "failed", "; ".join(reasons)), False


def download(
    rows: Iterable[Row], out: Path, picture_at: Callable[[str], bytes], *, workers: int
) -> tuple[collections.Counter[str], list[Entry]]:
    """Gets all rows. Every one is in the manifest as soon as it is done, so that nothing is lost by stopping.

    Returns:
      How many were "there already", "fetched" and "failed", and the entries of the last.

    Raises:
      UsageError: a list cannot be read, or the folder cannot be written.
    """
    from tqdm import tqdm

    entries, counts = read_manifest(out / MANIFEST), collections.Counter[str]()
    failures: list[Entry] = []
    _write(out / MANIFEST, _lines(entries.values()))  # a line that was cut off would spoil the next
    executor = concurrent.futures.ThreadPoolExecutor(workers)
    rows, pending = iter(rows), set[concurrent.futures.Future[tuple[Entry, bool]]]()
    try:
        with open(out / MANIFEST, "ab", buffering=0) as manifest, tqdm(leave=False, disable=None, unit=" rows") as bar:
            while True:
                for row in itertools.islice(rows, 4 * workers - len(pending)):
                    pending.add(executor.submit(get, row, entries.get(row.file), out, picture_at))
                if not pending:
                    break
                done, pending = concurrent.futures.wait(pending, return_when=concurrent.futures.FIRST_COMPLETED)
                for entry, was_there in (future.result() for future in done):
                    entries[entry.file] = entry
                    counts["there already" if was_there else "fetched" if entry.status == "ok" else "failed"] += 1
                    failures += [entry] if entry.status != "ok" else []
                    manifest.write(b"" if was_there else _lines([entry]))
                    bar.update()
    except OSError as error:
        raise UsageError(f"{out / MANIFEST}: cannot be written: {error.strerror or error}") from None
    finally:
        _stop.set()  # fetches under way end at their next byte
        executor.shutdown(cancel_futures=True)
        _stop.clear()
    _write(out / MANIFEST, _lines(sorted(entries.values(), key=lambda entry: entry.file)))
    return counts, sorted(failures, key=lambda entry: entry.file)


def _lines(entries: Iterable[Entry]) -> bytes:
    return "".join(json.dumps(dataclasses.asdict(entry)) + "\n" for entry in entries).encode()


def define_flags() -> None:
    """The flags."""
    flags.DEFINE_string("out", None, "Folder for the pictures and the manifest.")
    flags.DEFINE_integer("limit", 0, "Rows of each list to take, from its first; 0 = all.", lower_bound=0)
    flags.DEFINE_integer("workers", 16, "Addresses that are fetched at once.", lower_bound=1)
    flags.DEFINE_float("timeout", Limits.timeout, "Seconds to wait for a server's next byte.", lower_bound=0.1)
    flags.DEFINE_float("total", Limits.total, "Seconds that an address may take in total.", lower_bound=0.1)
    flags.DEFINE_integer("max_bytes", Limits.max_bytes, "Size that a picture may have.", lower_bound=1)
    flags.DEFINE_alias("max-bytes", "max_bytes")


def run(lists: Sequence[str]) -> None:
    """Does what the parsed flags and arguments say."""
    from PIL import Image

    given = flags.FLAGS
    if not lists or not given.out:
        raise UsageError("needed are EmotioNet's lists and --out, e.g. emotioNet_URLs/*.txt --out=faces; see --help")
    paths = [Path(name) for name in lists]
    for path in paths:
        if sum(other.stem == path.stem for other in paths) > 1:
            raise UsageError(f"{path}: another list has this name, and would share its folder; rename one")
        next(read_list(path), None)  # what is wrong with a list shows before the first one is fetched
    warnings.filterwarnings("ignore", module="PIL")  # of odd pictures
    Image.init()  # before there are threads
    limits = Limits(given.timeout, given.total, given.max_bytes)
    picture_at = functools.partial(fetch, limits=limits, context=ssl.create_default_context())
    rows = itertools.chain.from_iterable(read_list(path, given.limit) for path in paths)
    counts, failures = download(rows, out := Path(given.out), picture_at, workers=given.workers)
    for entry in failures[:_SHOWN]:
        print(f"{entry.file}: {entry.reason}")
    if len(failures) > _SHOWN:
        print(f"... and {len(failures) - _SHOWN} more, see {out / MANIFEST}")
    print(f"{counts.total()} rows:", ", ".join(f"{counts[kind]} {kind}" for kind in _KINDS))
    if failures:
        raise RunFailed(f"{len(failures)} of {counts.total()} rows gave no picture; run the same command to try again")
