"""Files from the web: resumed where they stopped, checked, and unpacked without trusting them."""

import hashlib
import shutil
import stat
import sys
import tarfile
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tqdm import tqdm

from vqaudio.errors import VqaudioError

BLOCK = 1 << 20
TIMEOUT = 60
ATTEMPTS = 5


@dataclass(frozen=True)
class Remote:
    """A file: `url`, and what its bytes hash to by `algorithm` (a name of hashlib's)."""

    url: str
    digest: str
    algorithm: str = "md5"

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[-1]


def download(remote: Remote, folder: Path, wait: float = 2.0) -> Path:
    """The file in `folder`; it appears under its name only when its digest is right.

    What came before an interruption is kept in NAME.part and goes on there, also after `wait`
    seconds when the connection breaks, up to five times without a byte more. Raises VqaudioError when
    it cannot be had, or is not what it should be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target, part = folder / remote.name, folder / (remote.name + ".part")
    if target.exists():
        return target
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _fetch(remote, part)
            break
        except (OSError, HTTPException) as error:
            if isinstance(error, HTTPError) and 400 <= error.code < 500:
                raise VqaudioError(f"{remote.url}: {error.code} {error.reason}") from None
            after = part.stat().st_size if part.exists() else 0
            failures = 0 if after > before else failures + 1
            if failures >= ATTEMPTS:
                raise VqaudioError(f"{remote.url}: {error}") from error
            time.sleep(wait)
    found = digest(part, remote.algorithm)
    if found != remote.digest:
        part.unlink()  # whatever is wrong with it, going on from here would not help
        raise VqaudioError(
            f"{remote.name} is damaged: its {remote.algorithm} is {found}, not {remote.digest}"
        )
    part.replace(target)
    return target


def digest(path: Path, algorithm: str) -> str:
    total = hashlib.new(algorithm)
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            total.update(block)
    return total.hexdigest()


def _fetch(remote: Remote, part: Path) -> None:
    """Append to `part` what it lacks. Raises OSError when less comes than was promised."""
    have = part.stat().st_size if part.exists() else 0
    request = Request(remote.url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urlopen(request, timeout=TIMEOUT)
    except HTTPError as error:
        if error.code == 416 and have:  # there is nothing after what is here
            return
        raise
    with answer:
        resumed = answer.status == 206
        size = answer.headers.get("Content-Length")
        total = int(size) + (have if resumed else 0) if size else None
        hidden = not sys.stderr.isatty()
        with (
            part.open("ab" if resumed else "wb") as stream,
            tqdm(
                desc=remote.name,
                total=total,
                initial=have if resumed else 0,
                unit="B",
                unit_scale=True,
                disable=hidden,
            ) as bar,
        ):
            while block := answer.read(BLOCK):
                stream.write(block)
                bar.update(len(block))
    if total is not None and part.stat().st_size < total:
        raise OSError("the connection broke")


def fetch(remote: Remote, folder: Path, into: Path, made: Path) -> None:
    """Download into `folder` and unpack into `into`, once; `made` is what unpacking makes.

    A copy at hand is left as it is: `made` is there, and nothing says that it came from here. Raises
    VqaudioError.
    """
    archive, part = folder / remote.name, folder / (remote.name + ".part")
    if _mark(archive, into).exists() or (made.exists() and not archive.exists() | part.exists()):
        print(f"{made} is there already")
        return
    unpack(download(remote, folder), into)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar or zip file into `folder`, once: a mark beside says that all of it is there.

    Nothing is written outside `folder`: absolute names, .. and devices are refused, and of links those
    that lead elsewhere (tar: the filter of PEP 706) or all (zip). Raises VqaudioError.
    """
    mark = _mark(archive, folder)
    if mark.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with _told(archive):
        if zipfile.is_zipfile(archive):
            _unzip(archive, folder)
        else:
            with tarfile.open(archive) as tar:
                for member in _bar(tar, archive):
                    tar.extract(member, folder, filter="data")
    mark.touch()


def _mark(archive: Path, folder: Path) -> Path:
    return folder / f".{archive.name}.unpacked"


def _bar(members: Iterable, archive: Path) -> tqdm:
    return tqdm(members, desc=archive.name, unit="file", disable=not sys.stderr.isatty())


def _unzip(archive: Path, folder: Path) -> None:
    """All members are looked at before the first is written. zipfile checks their digests."""
    with zipfile.ZipFile(archive) as source:
        members = source.infolist()
        for member in members:
            _check_member(member)
        for member in _bar(members, archive):
            target = folder / member.filename
            parent = target if member.is_dir() else target.parent
            if not parent.resolve().is_relative_to(folder.resolve()):
                raise zipfile.BadZipFile(f"{member.filename} is behind a link that is in the way")
            parent.mkdir(parents=True, exist_ok=True)
            if member.is_dir():
                continue
            target.unlink(missing_ok=True)  # never written through a link
            with source.open(member) as data, target.open("wb") as stream:
                shutil.copyfileobj(data, stream, BLOCK)
            if target.stat().st_size != member.file_size:
                raise zipfile.BadZipFile(f"{member.filename} is not of the size that it states")


def _check_member(member: zipfile.ZipInfo) -> None:
    """Raises BadZipFile for what is no plain file or folder below where it is unpacked."""
    name, kind = PurePosixPath(member.filename), stat.S_IFMT(member.external_attr >> 16)
    if name.is_absolute() or ".." in name.parts or not name.parts or "\\" in member.filename:
        raise zipfile.BadZipFile(f"{member.filename!r} would be written outside the folder")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise zipfile.BadZipFile(f"{member.filename} is neither a file nor a folder")


@contextmanager
def _told(archive: Path) -> Iterator[None]:
    try:
        yield
    # RuntimeError: encrypted; NotImplementedError, one of its kind: a compression unknown here.
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise VqaudioError(f"{archive}: {error}") from error
