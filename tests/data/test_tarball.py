"""Tars from anywhere, plain or gzipped: the rules of zips, unpacked whole or refused with nothing left."""

import gzip
import io
import tarfile

import pytest

from toolkit.data import archive, tarball
from toolkit.errors import DataError, UntrustedError


def packed(path, entries, mode="w"):
    """A tar of (name or TarInfo, bytes)."""
    with tarfile.open(path, mode) as tar:
        for name, data in entries:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def info(name, kind):
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, "/etc/passwd"
    return found


def left(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("name, mode", [("x.tar", "w"), ("x.tgz", "w:gz"), ("x.tar.gz", "w:gz"), ("x.tar.gz", "w")])
def test_a_tar_is_unpacked_whatever_its_name_says_of_compression(tmp_path, name, mode):
    entries = [(info("./", tarfile.DIRTYPE), b""), ("./a/1.png", b"one"), ("b/2.png", b"two")]
    path = packed(tmp_path / name, entries, mode)
    told = []
    assert archive.into(path, tmp_path / "out", lambda *done: told.append(done)) == ["a/1.png", "b/2.png"]
    assert left(tmp_path / "out") == ["a", "a/1.png", "b", "b/2.png"] and told[-1] == (2, 2)
    assert (tmp_path / "out" / "b" / "2.png").read_bytes() == b"two"


@pytest.mark.parametrize("name, word", [
    ("../up.png", "climbs out"), ("a/../../up.png", "climbs out"), ("/etc/x.png", "absolute"), ("C:/x.png", "drive"),
    ("a\\..\\up.png", "backslash"), ("x" * 250, "more than 240 bytes"), ("\udcff.png", "no text")])
def test_I1_names_that_leave_the_folder_are_refused(tmp_path, name, word):
    path = packed(tmp_path / "x.tar", [("fine.png", b"1"), (name, b"2")])
    with pytest.raises(UntrustedError, match=word):
        archive.into(path, tmp_path / "out")
    assert left(tmp_path) == ["x.tar"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE,
                                  tarfile.GNUTYPE_SPARSE])
def test_I1_links_devices_and_sparse_files_are_refused(tmp_path, kind):
    path = packed(tmp_path / "x.tar", [("a.png", b"1"), (info("odd", kind), b"")])
    with pytest.raises(UntrustedError, match="'odd' is a link, a device|damaged"):
        archive.into(path, tmp_path / "out")
    assert left(tmp_path) == ["x.tar"]


@pytest.mark.parametrize("names", [("a.png", "A.png"), ("a.png", "a.png"), ("\u00e9.png", "e\u0301.png"),
                                   ("a", "a/b.png")])
def test_I1_names_that_one_disk_takes_for_the_same_are_refused(tmp_path, names):
    path = packed(tmp_path / "x.tar", [(name, b"1") for name in names])
    with pytest.raises(UntrustedError, match="stands twice|file and a folder"):
        archive.into(path, tmp_path / "out")


def test_I2_a_bomb_is_stopped_while_it_grows(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "FREE_RATIO", 1 << 20)
    path = packed(tmp_path / "x.tgz", [("a.png", bytes(40 << 20))], "w:gz")
    with pytest.raises(UntrustedError, match="bomb"):
        archive.into(path, tmp_path / "out")


def test_I2_too_many_entries_and_too_many_bytes_are_seen_before_the_end(tmp_path, monkeypatch):
    path = packed(tmp_path / "x.tar", [(f"{i}.png", b"1") for i in range(20)])
    monkeypatch.setattr(archive, "MOST_ENTRIES", 9)
    with pytest.raises(UntrustedError, match="10 entries"):
        archive.into(path, tmp_path / "out")
    monkeypatch.setattr(archive, "MOST_ENTRIES", 20)
    monkeypatch.setattr(archive, "MOST_BYTES", 9)
    with pytest.raises(UntrustedError, match="more than 0 GB"):
        archive.into(path, tmp_path / "out")


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_I2_a_name_that_is_a_bomb_is_not_read(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(tarball, "MOST_AT_ONCE", 1 << 16)
    head = tarfile.TarInfo("x")
    head.type, head.size = kind, 1 << 20
    with gzip.open(tmp_path / "x.tgz", "wb") as file:
        file.write(head.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20) + bytes(1024))
    with pytest.raises(UntrustedError, match="declares a name of"):
        archive.into(tmp_path / "x.tgz", tmp_path / "out")


def test_what_is_damaged_or_empty_is_refused(tmp_path):
    for number, data in enumerate((b"", b"no tar at all", b"\x1f\x8b cut")):
        (tmp_path / f"{number}.tar").write_bytes(data)
        with pytest.raises((UntrustedError, DataError)):
            archive.into(tmp_path / f"{number}.tar", tmp_path / "out")
    whole = packed(tmp_path / "x.tgz", [("a.png", bytes(range(256)) * 999)], "w:gz").read_bytes()
    for harm in (whole[:-40], whole[:60] + bytes(20) + whole[80:]):
        (tmp_path / "y.tgz").write_bytes(harm)
        with pytest.raises(UntrustedError, match="damaged"):
            archive.into(tmp_path / "y.tgz", tmp_path / "out")


def test_two_archives_share_a_folder_unless_a_file_is_in_both(tmp_path):
    archive.into(packed(tmp_path / "a.tar", [("train/1.png", b"1")]), tmp_path / "out")
    archive.into(packed(tmp_path / "b.tar", [("test/1.png", b"2")]), tmp_path / "out")
    assert left(tmp_path / "out") == ["test", "test/1.png", "train", "train/1.png"]
    with pytest.raises(UntrustedError, match="once more"):
        archive.into(tmp_path / "b.tar", tmp_path / "out")
