"""The downloader against a server that does everything wrong, and lists that are not as they should be."""

import contextlib
import hashlib
import http.server
import io
import json
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from fer_jax.cli import download_images
from fer_jax.cli.download_images import COLUMNS, Failed, Limits
from fer_jax.core.errors import RunFailed, UsageError

QUICK = Limits(timeout=0.5, total=1.0, max_bytes=20_000)


def encoded(kind="JPEG", size=(20, 16), seed=0):
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(values).save(buffer := io.BytesIO(), kind)
    return buffer.getvalue()


JPEG, PNG = encoded(), encoded("PNG")
_HEADER = b"IHDR" + struct.pack(">IIBBBBB", 1 << 13, 1 << 13, 8, 2, 0, 0, 0)  # 64 megapixels, it says
BOMB = PNG[:12] + _HEADER + struct.pack(">I", zlib.crc32(_HEADER)) + PNG[33:]


class Handler(http.server.BaseHTTPRequestHandler):
    """Each path is a behaviour."""

    protocol_version = "HTTP/1.1"
    asked: list[str] = []

    def do_GET(self):
        self.asked.append(self.path)
        name = self.path.strip("/").split("/")[0].split("?")[0]
        with contextlib.suppress(OSError):  # clients may leave
            getattr(self, name, self.gone)()

    def log_message(self, *args):
        pass

    def answer(self, data, *, length=None, status=200, kind="image/jpeg", **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if length != -1:
            self.send_header("Content-Length", str(len(data) if length is None else length))
        for header, value in headers.items():
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = True

    def good(self):
        self.answer(encoded(seed=len(self.path)))

    def gone(self):
        self.answer(b"not here", status=404)

    def html(self):
        self.answer(b"<html>This picture is no longer available</html>", kind="image/jpeg")

    def empty(self):
        self.answer(b"")

    def png(self):
        self.answer(PNG)

    def bomb(self):
        self.answer(BOMB)

    def damaged(self):
        self.answer(JPEG[:-100])

    def truncated(self):
        self.answer(JPEG[:100], length=len(JPEG))

    def announced(self):
        self.answer(b"", length=1 << 40)

    def endless(self):
        self.answer(b"x" * 65536, length=-1)
        while True:
            self.wfile.write(b"x" * 65536)

    def keeps_the_connection_open(self):
        self.answer(JPEG)
        time.sleep(3)

    def without_length(self):
        self.answer(JPEG, length=-1)

    def chunked(self):
        data = b"%x\r\n%s\r\n0\r\n\r\n" % (len(JPEG), JPEG)
        self.answer(data, length=-1, **{"Transfer-Encoding": "chunked"})

    def chunked_cut_off(self):
        self.answer(b"%x\r\n%s" % (len(JPEG), JPEG[:50]), length=-1, **{"Transfer-Encoding": "chunked"})

    def drips(self):
        self.answer(b"", length=10_000)
        while True:
            self.wfile.write(b"x")
            time.sleep(0.05)

    def drips_headers(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            self.wfile.write(b"x")
            time.sleep(0.05)

    def silent(self):
        time.sleep(3)

    def resets(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def no_http(self):
        self.wfile.write(b"\0\1\2\n\n")
        self.close_connection = True

    def moved(self):
        self.answer(b"", status=302, Location="/good/moved")

    def round(self):
        self.answer(b"", status=302, Location=f"/round?{self.path.count('x') * 'x'}x")

    def moved_to_file(self):
        self.answer(b"", status=302, Location="file:///etc/hostname")

    def moved_endlessly(self):
        self.answer(b"x", status=302, length=-1, Location="/good")
        while True:
            self.wfile.write(b"x" * 65536)

    def says_nonsense(self):
        self.send_response(404, "no \x1b[31m red")
        self.end_headers()
        self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *args):
        pass


@contextlib.contextmanager
def serving(context=None):
    server = Server(("127.0.0.1", 0), Handler)
    scheme = "http"
    if context:
        scheme, server.socket = "https", context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"{scheme}://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def server():
    with serving() as address:
        yield address


@pytest.fixture(autouse=True)
def directly(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    Handler.asked.clear()


def write_list(file, rows):
    lines = ["\t".join(COLUMNS), *("\t".join([*urls, *["0"] * 60]) for urls in rows)]
    file.write_text("\n".join([*lines, ""]))
    return file


def entries(out):
    lines = (out / download_images.MANIFEST).read_text().splitlines()
    return {entry["file"]: entry for entry in map(json.loads, lines)}


def fetch(url, limits=QUICK):
    return download_images.fetch(url, limits, ssl.create_default_context())


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("gone", "HTTP 404 Not Found"),
        ("html", "not a picture"),
        ("empty", "not a picture"),
        ("damaged", "no usable picture"),
        ("bomb", r"no usable picture: 8192 x 8192 pixels, more than"),
        ("truncated", r"cut off after 100 of \d+ bytes"),
        ("chunked_cut_off", "IncompleteRead"),
        ("announced", "1099511627776 bytes, more than 20000"),
        ("endless", "more than 20000 bytes"),
        ("drips", "not done in 1 s"),
        ("drips_headers", "not done in 1 s"),
        ("silent", "no answer for 0.5 s"),
        ("resets", "reset|closed connection"),
        ("no_http", "BadStatusLine"),
        ("round", "HTTP 302 .*redirect"),
        ("moved_to_file", "HTTP 302 .*not allowed"),
        ("moved_endlessly", "more than 20000 bytes"),
        ("says_nonsense", r"^HTTP 404 no \[31m red$"),
    ],
)
def test_what_is_no_picture(server, path, reason):
    start = time.monotonic()
    with pytest.raises(Failed, match=reason):
        fetch(f"{server}/{path}")
    assert time.monotonic() - start < 2.5
    assert Handler.asked.count("/round?x") <= 1 and len(Handler.asked) <= 7


def test_addresses_that_are_none(server, tmp_path):
    (tmp_path / "x.jpg").write_bytes(JPEG)
    for url in (f"file://{tmp_path}/x.jpg", "ftp://127.0.0.1/x", "x", "http://[", "http://127.0.0.1:1/x", "data:,x"):
        with pytest.raises(Failed) as caught:
            fetch(url)
        assert str(caught.value)


@pytest.mark.parametrize("path", ["keeps_the_connection_open", "without_length", "chunked"])
def test_pictures(server, path):
    start = time.monotonic()
    assert fetch(f"{server}/{path}") == JPEG and time.monotonic() - start < 2
    assert fetch(f"{server}/good/a b\u00e9") and Handler.asked[-1] == "/good/a%20b%C3%A9"
    assert fetch(f"{server}/moved") and Handler.asked[-1] == "/good/moved"


def test_other_formats_become_jpeg(server):
    data = fetch(f"{server}/png")
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "JPEG" and image.size == (20, 16)


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl to make a certificate with")
def test_certificates_are_checked(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(context) as address:
        with pytest.raises(Failed, match="certificate verify failed"):
            fetch(f"{address}/good")
        trusting = ssl.create_default_context(cafile=certificate)
        assert download_images.fetch(f"{address}/keeps_the_connection_open", QUICK, trusting) == JPEG
        with pytest.raises(Failed, match="not done in 1 s"):
            download_images.fetch(f"{address}/drips", QUICK, trusting)


# ---- whole runs -----------------------------------------------------------------------------------------------------


@pytest.fixture
def run(server, tmp_path, capsys, command):
    """Runs the tool on {list name: rows}, with a path of the server in place of each address; -> what it printed."""

    def call(lists, *options, fails=None):
        files = []
        for name, rows in lists.items():
            rows = [[f"{server}/{url}" if url and "://" not in url else url for url in row] for row in rows]
            files.append(str(write_list(tmp_path / name, rows)))
        quick = ["--timeout=0.5", "--total=1", "--max-bytes=20000", f"--out={tmp_path / 'out'}"]
        with pytest.raises(RunFailed, match=fails) if fails else contextlib.nullcontext():
            command(download_images, *quick, *options, *files)
        return capsys.readouterr().out

    return call


def test_a_run(run, server, tmp_path):
    rows = [("good/1", "good/2"), ("gone", "good/2"), ("html", "truncated"), ("good/3", ""), ("", ""), ("", "good/4")]
    said = run({"a.txt": rows, "b.txt": [("good/5", "x")]}, fails="2 of 7 rows gave no picture")
    out = tmp_path / "out"
    found = entries(out)
    assert list(found) == sorted(found) and len(found) == 7
    for name, entry in found.items():
        assert list(entry) == ["file", "row", "url", "bytes", "sha256", "status", "reason"]
        assert (out / name).exists() == (entry["status"] == "ok")
        if entry["status"] == "ok":
            data = (out / name).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (entry["bytes"], entry["sha256"])
    assert found["a/EmotioNet/000001.jpg"]["url"] == f"{server}/good/2"
    assert found["a/EmotioNet/000002.jpg"]["reason"].startswith("not a picture; cut off after 100")
    assert found["a/EmotioNet/000004.jpg"]["reason"] == "no address"
    assert sorted(path.name for path in (out / "a" / "EmotioNet").iterdir()) == [f"{i:06d}.jpg" for i in (0, 1, 3, 5)]
    assert said.splitlines() == [
        f"a/EmotioNet/000002.jpg: {found['a/EmotioNet/000002.jpg']['reason']}",
        "a/EmotioNet/000004.jpg: no address",
        "7 rows: 5 fetched, 0 there already, 2 failed",
    ]


def test_a_run_again_fetches_what_is_missing(run, tmp_path):
    rows = [(f"good/{i}", "") for i in range(5)]
    assert run({"a.txt": rows}) == "5 rows: 5 fetched, 0 there already, 0 failed\n"
    folder = tmp_path / "out/a/EmotioNet"
    Handler.asked.clear()
    assert run({"a.txt": rows}) == "5 rows: 0 fetched, 5 there already, 0 failed\n" and not Handler.asked
    (folder / "000001.jpg").unlink()
    (folder / "000002.jpg").write_bytes((folder / "000002.jpg").read_bytes()[:-1] + b"\0")
    with open(tmp_path / "out" / download_images.MANIFEST, "a") as manifest:
        manifest.write('{"file": "a/Emo')  # a crash
    assert run({"a.txt": [*rows[:4], ("good/other", "")]}) == "5 rows: 3 fetched, 2 there already, 0 failed\n"
    assert sorted(Handler.asked) == ["/good/1", "/good/2", "/good/other"]
    assert run({"a.txt": [*rows[:4], ("good/other", "")]}) == "5 rows: 0 fetched, 5 there already, 0 failed\n"
    assert all(entry["status"] == "ok" for entry in entries(tmp_path / "out").values())


def test_failures_are_tried_again(run, tmp_path):
    assert "1 failed" in run({"a.txt": [("gone", ""), ("good", "")]}, fails="1 of 2 rows")
    assert run({"a.txt": [("good", ""), ("good", "")]}) == "2 rows: 1 fetched, 1 there already, 0 failed\n"
    assert len(entries(tmp_path / "out")) == 2


@pytest.mark.parametrize("limit", [1, 3, 4, 9])
def test_limit_is_exact(run, limit):
    rows = [(f"good/{i}", "") for i in range(4)]
    count = 2 * min(limit, 4)
    said = run({"a.txt": rows, "b.txt": rows}, f"--limit={limit}", "--workers=2")
    assert said == f"{count} rows: {count} fetched, 0 there already, 0 failed\n"


def test_many_failures_are_counted_and_some_shown(run):
    said = run({"a.txt": [("gone", "")] * 30}, fails="30 of 30 rows").splitlines()
    assert len(said) == 22 and said[20].startswith("... and 10 more, see ") and said[21].endswith(" 30 failed")


def test_a_run_that_is_interrupted(server, tmp_path):
    """What was fetched before Ctrl-C is in the manifest; the next run goes on from there."""
    rows = [(f"{server}/good/{i}", "") for i in range(4)] + [(f"{server}/drips", "")] * 4
    path = write_list(tmp_path / "a.txt", rows)
    command = [sys.executable, "-m", "fer_jax", "download-images", str(path), f"--out={tmp_path / 'out'}"]
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}  # tests in background ignore it
    process = subprocess.Popen([*command, "--workers=2"], stderr=subprocess.PIPE, text=True, **heard)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and Handler.asked.count("/drips") < 2:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1] == "error: interrupted; run the same command again to go on\n"
    assert process.returncode == 1
    assert sorted(entries(tmp_path / "out")) == [f"a/EmotioNet/{i:06d}.jpg" for i in range(4)]
    Handler.asked.clear()
    write_list(path, rows[:4] + [(f"{server}/good/x", "")] * 4)
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert again.stdout == "8 rows: 4 fetched, 4 there already, 0 failed\n" and again.stderr == ""
    assert Handler.asked == ["/good/x"] * 4
    assert not list(tmp_path.rglob("*.partial"))


def test_mistakes(run, command, tmp_path, server):
    with pytest.raises(UsageError, match="EmotioNet's lists and --out"):
        command(download_images, "x.txt")
    for text, says in (
        ("URL\tURL_orig\n", "not a header of 62 columns"),
        ("", "not a header"),
        ("\t".join([f"{server}/good"] * 62), "not a header"),
    ):
        (tmp_path / "x.txt").write_text(text)
        with pytest.raises(UsageError, match=rf"x\.txt: its first line is {says}"):
            command(download_images, f"--out={tmp_path}", tmp_path / "x.txt")
    with pytest.raises(UsageError, match="none.txt: cannot be read"):
        command(download_images, f"--out={tmp_path}", tmp_path / "none.txt")
    (tmp_path / "b").mkdir()
    same = [str(write_list(tmp_path / name, [])) for name in ("x.txt", "b/x.txt")]
    with pytest.raises(UsageError, match=r"x\.txt: another list has this name"):
        command(download_images, f"--out={tmp_path}", *same)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"file/manifest\.jsonl: cannot be written"):
        run({"a.txt": [("good", "")]}, f"--out={tmp_path / 'file'}")
    assert not Handler.asked


def test_rows_that_are_malformed(run, tmp_path, server):
    path = write_list(tmp_path / "a.txt", [])
    path.write_text(f"{path.read_text()}{server}/good\t{server}/good\n\n")
    rows = list(download_images.read_list(path))
    assert [(row.row, row.urls, row.problem) for row in rows] == [(0, (), "2 columns, not 62")]
