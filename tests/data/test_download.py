"""Downloads from a local server: stopped and resumed, checked; archives that want out."""

import hashlib
import io
import stat
import tarfile
import zipfile
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from vqaudio.data.download import Remote, download, fetch, unpack
from vqaudio.errors import VqaudioError

DATA = bytes(range(256)) * 4000


class Answers(BaseHTTPRequestHandler):
    """Serves DATA; breaks off after `most` bytes an answer."""

    def __init__(self, log, most, ranges, *arguments):
        self.log, self.most, self.ranges = log, most, ranges
        super().__init__(*arguments)

    def do_GET(self):
        if self.path != "/data.bin":
            self.send_error(404, "Not Found")
            return
        wanted = self.headers.get("Range")
        self.log.append(wanted)
        start = int(wanted[6:-1]) if wanted and self.ranges else 0
        if start >= len(DATA):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(DATA) - start))
        self.end_headers()
        self.wfile.write(DATA[start : start + self.most])

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    servers = []

    def start(most=10**9, ranges=True):
        log = []
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Answers, log, most, ranges))
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}/data.bin", log

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def remote(url, data=DATA):
    return Remote(url, hashlib.md5(data).hexdigest())


def test_a_broken_connection_goes_on_where_it_stopped(serve, tmp_path):
    url, log = serve(most=400_000)
    path = download(remote(url), tmp_path, wait=0)
    assert path.read_bytes() == DATA
    assert log == [None, "bytes=400000-", "bytes=800000-"]
    assert download(remote(url), tmp_path) == path
    assert len(log) == 3  # what is there is not fetched again
    assert not list(tmp_path.glob("*.part"))


def test_a_server_without_ranges_starts_again(serve, tmp_path):
    url, _ = serve(ranges=False)
    (tmp_path / "data.bin.part").write_bytes(DATA[:1000])
    assert download(remote(url), tmp_path, wait=0).read_bytes() == DATA


def test_a_whole_part_is_only_checked(serve, tmp_path):
    url, _ = serve()
    (tmp_path / "data.bin.part").write_bytes(DATA)
    assert download(remote(url), tmp_path, wait=0).read_bytes() == DATA


def test_a_wrong_digest_leaves_nothing(serve, tmp_path):
    url, _ = serve()
    with pytest.raises(VqaudioError, match=r"data\.bin is damaged"):
        download(remote(url, b"other"), tmp_path, wait=0)
    assert not list(tmp_path.iterdir())


def test_what_is_not_there_and_who_does_not_answer(serve, tmp_path):
    url, _ = serve()
    with pytest.raises(VqaudioError, match="404"):
        download(remote(url.replace("data", "none")), tmp_path, wait=0)
    with pytest.raises(VqaudioError, match=r"127\.0\.0\.1:9"):
        download(remote("http://127.0.0.1:9/data.bin"), tmp_path, wait=0)


def archive(path, members):
    with tarfile.open(path, "w:gz") as tar:
        for name, data, kind in members:
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(data)
            if kind == tarfile.SYMTYPE:
                info.linkname, info.size = data.decode(), 0
            tar.addfile(info, io.BytesIO(data))
    return path


def test_unpacking_is_done_once(tmp_path):
    path = archive(tmp_path / "a.tar.gz", [("x/y.txt", b"hello", tarfile.REGTYPE)])
    unpack(path, tmp_path / "out")
    assert (tmp_path / "out/x/y.txt").read_bytes() == b"hello"
    (tmp_path / "out/x/y.txt").write_bytes(b"changed")
    unpack(path, tmp_path / "out")
    assert (tmp_path / "out/x/y.txt").read_bytes() == b"changed"


@pytest.mark.parametrize(
    "members",
    [
        [("../escaped", b"x", tarfile.REGTYPE)],
        [("link", b"..", tarfile.SYMTYPE), ("link/escaped", b"x", tarfile.REGTYPE)],
    ],
)
def test_nothing_gets_out_of_the_folder(tmp_path, members):
    path = archive(tmp_path / "a.tar.gz", members)
    with pytest.raises(VqaudioError):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "escaped").exists()


def test_a_cut_archive_is_refused(tmp_path):
    path = archive(tmp_path / "a.tar.gz", [("x", DATA, tarfile.REGTYPE)])
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(VqaudioError, match=r"a\.tar\.gz"):
        unpack(path, tmp_path / "out")


def zip_archive(path, members, kind=0):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = kind << 16
            archive.writestr(info, data)
    return path


def test_a_zip_file_is_unpacked_once_too(tmp_path):
    path = zip_archive(tmp_path / "a.zip", [("x/", b""), ("x/y.txt", b"hello"), ("z/w", DATA)])
    unpack(path, tmp_path / "out")
    assert (tmp_path / "out/x/y.txt").read_bytes() == b"hello"
    assert (tmp_path / "out/z/w").read_bytes() == DATA
    (tmp_path / "out/x/y.txt").write_bytes(b"changed")
    unpack(path, tmp_path / "out")
    assert (tmp_path / "out/x/y.txt").read_bytes() == b"changed"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../escaped", 0),
        ("x/../../escaped", 0),
        ("/escaped", 0),
        ("x\\..\\escaped", 0),
        ("link", stat.S_IFLNK),
        ("pipe", stat.S_IFIFO),
    ],
)
def test_nothing_of_a_zip_file_is_written_if_a_member_wants_out(tmp_path, name, kind):
    path = zip_archive(tmp_path / "a.zip", [("first", b"x"), (name, b"..")], kind)
    with pytest.raises(VqaudioError, match=r"a\.zip"):
        unpack(path, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize("name", ["x/y", "x/y/z", "x/y/"])
def test_a_link_in_the_way_of_a_zip_file_is_not_followed(name, tmp_path):
    path = zip_archive(tmp_path / "a.zip", [(name, b"")])
    (tmp_path / "out").mkdir()
    (tmp_path / "else").mkdir()
    (tmp_path / "out/x").symlink_to(tmp_path / "else")
    with pytest.raises(VqaudioError, match="in the way"):
        unpack(path, tmp_path / "out")
    assert not list((tmp_path / "else").iterdir())


def test_a_damaged_zip_file_is_refused_and_leaves_no_mark(tmp_path):
    path = zip_archive(tmp_path / "a.zip", [("x", DATA)])
    data = path.read_bytes()
    path.write_bytes(data[:200] + bytes([data[200] ^ 255]) + data[201:])
    with pytest.raises(VqaudioError, match=r"a\.zip"):
        unpack(path, tmp_path / "out")
    assert not list((tmp_path / "out").glob(".*"))


def test_what_was_fetched_or_is_at_hand_is_not_fetched_again(serve, tmp_path, capsys):
    path = zip_archive(tmp_path / "data.bin", [("x/y", DATA)])
    url, log = serve()
    wrong = Remote(url, "0")
    (tmp_path / "hand/x").mkdir(parents=True)
    fetch(wrong, tmp_path / "hand", tmp_path / "hand", made=tmp_path / "hand/x")
    assert log == []
    assert "there already" in capsys.readouterr().out

    # The same folder beside an archive that was not unpacked to its end is no copy at hand.
    half = tmp_path / "half"
    (half / "x").mkdir(parents=True)
    path.replace(half / "data.bin")
    fetch(wrong, half, half, made=half / "x")
    assert (half / "x/y").read_bytes() == DATA
    (half / "data.bin").unlink()  # to make room
    fetch(wrong, half, half, made=half / "x")
    assert log == []
