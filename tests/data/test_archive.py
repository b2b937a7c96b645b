"""Zips from anywhere: unpacked whole, or refused with nothing left."""

import io
import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from toolkit import files
from toolkit.data import archive, zipped
from toolkit.errors import DataError, ResourceError, UntrustedError

ROOT = Path(__file__).resolve().parents[2]


def packed(path, entries, method=zipfile.ZIP_DEFLATED):
    """A zip of (name or ZipInfo, bytes)."""
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in entries:
            file.writestr(name, data)
    return path


def info(name, mode=0o644 | stat.S_IFREG):
    found = zipfile.ZipInfo(name)
    found.external_attr = mode << 16
    return found


def left(folder):
    return [str(path.relative_to(folder)) for path in folder.rglob("*")]


def test_a_zip_is_unpacked_once(tmp_path):
    path = packed(tmp_path / "x.zip", [("a/1.png", b"one"), ("b/2.png", b"two"), ("b/in.zip", b"PK\3\4")])
    told = []
    folder = archive.unpacked(path, tmp_path / "cache", lambda *done: told.append(done))
    assert sorted(left(folder)) == ["a", "a/1.png", "b", "b/2.png", "b/in.zip"] and told[-1] == (3, 3)
    (folder / "a" / "1.png").write_bytes(b"here already")
    assert archive.unpacked(path, tmp_path / "cache") == folder
    assert (folder / "a" / "1.png").read_bytes() == b"here already"
    assert len(list((tmp_path / "cache").iterdir())) == 1


def process(code, *arguments):
    """A process that has said "ready"."""
    found = subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert found.stdout.readline() == "ready\n"
    return found


def test_E3_what_a_killed_process_left_half_unpacked_goes_and_what_another_unpacks_stays(tmp_path):
    path, cache = packed(tmp_path / "x.zip", [("a/1.png", b"one"), ("a/2.png", b"two")]), tmp_path / "cache"
    code = ("import sys; from toolkit.data import archive\n"
            "def wait(done, of): print('ready', flush=True); sys.stdin.read()\n"
            "archive.unpacked(*sys.argv[1:], wait)")
    both = [process(code, path, cache) for _ in range(2)]
    assert len(list(cache.glob(".fresh-*"))) == 2
    both[0].kill()
    both[0].communicate()
    other = packed(tmp_path / "y.zip", [("b/3.png", b"three")])
    archive.unpacked(other, cache)
    assert len(list(cache.glob(".fresh-*"))) == 1
    both[1].communicate("")
    assert both[1].returncode == 0
    assert (archive.unpacked(path, cache) / "2.png").read_bytes() == b"two"
    assert len(list(cache.iterdir())) == 2


def test_a_folder_that_is_deleted_before_it_is_used_is_unpacked_again(tmp_path, monkeypatch):
    path, real = packed(tmp_path / "x.zip", [("a.png", b"one"), ("b.png", b"two")]), archive.keep
    deleted = iter((False, True, False))

    def keep(place):
        if next(deleted):
            assert files.remove_unused(place)
        return real(place)

    monkeypatch.setattr(archive, "keep", keep)
    assert (archive.unpacked(path, tmp_path / "cache") / "b.png").read_bytes() == b"two"
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_one_folder_around_all_is_stepped_into(tmp_path):
    path = packed(tmp_path / "x.zip", [("set/a/1.png", b"one"), ("set/b/2.png", b"two"), ("__MACOSX/._x", b"")])
    assert archive.unpacked(path, tmp_path / "cache").name == "set"


@pytest.mark.parametrize("name, word", [
    ("../up.png", "climbs out"), ("a/../../up.png", "climbs out"), ("/etc/x.png", "absolute"), ("C:/x.png", "drive"),
    ("a\\..\\up.png", "backslash"), ("a//b.png", "climbs out"), ("x" * 250, "more than 240 bytes")])
def test_I1_names_that_leave_the_folder_are_refused(tmp_path, name, word):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("fine.png", b"1")
        entry = zipfile.ZipInfo("x")
        entry.filename = name
        file.writestr(entry, b"2")
    with pytest.raises(UntrustedError, match=word) as refusal:
        archive.unpacked(tmp_path / "x.zip", tmp_path / "cache")
    assert str(tmp_path / "x.zip") in str(refusal.value)
    assert left(tmp_path) == ["x.zip"]


def test_I1_a_nul_in_a_name_is_refused(tmp_path):
    path = packed(tmp_path / "x.zip", [("aXb.png", b"1")])
    path.write_bytes(path.read_bytes().replace(b"aXb.png", b"a\0b.png"))
    with pytest.raises(UntrustedError, match="NUL"):
        archive.unpacked(path, tmp_path / "cache")


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFCHR | 0o600, stat.S_IFIFO | 0o600])
def test_I1_links_and_devices_are_refused(tmp_path, mode):
    path = packed(tmp_path / "x.zip", [("a.png", b"1"), (info("link", mode), b"/etc/passwd")])
    with pytest.raises(UntrustedError, match="'link' is a link, a device"):
        archive.unpacked(path, tmp_path / "cache")
    assert left(tmp_path) == ["x.zip"]


@pytest.mark.parametrize("names", [("a.png", "A.png"), ("\u00e9.png", "e\u0301.png"), ("a", "a/b.png")])
def test_I1_names_that_one_disk_takes_for_the_same_are_refused(tmp_path, names):
    path = packed(tmp_path / "x.zip", [(name, b"1") for name in names])
    with pytest.raises(UntrustedError, match="stands twice|file and a folder"):
        archive.unpacked(path, tmp_path / "cache")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_I1_a_name_that_stands_twice_is_refused(tmp_path):
    path = packed(tmp_path / "x.zip", [("a.png", b"1"), ("a.png", b"2")])
    with pytest.raises(UntrustedError, match="stands twice"):
        archive.unpacked(path, tmp_path / "cache")


@pytest.mark.parametrize("flag", [1, 0x40, 0x2000])
def test_I1_encrypted_entries_are_refused(tmp_path, flag):
    path = packed(tmp_path / "x.zip", [("a.png", b"1")], zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    for magic, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = data.index(magic) + at
        data[place:place + 2] = struct.pack("<H", struct.unpack_from("<H", data, place)[0] | flag)
    path.write_bytes(data)
    with pytest.raises(UntrustedError, match="encrypted"):
        archive.unpacked(path, tmp_path / "cache")


def test_I2_a_bomb_is_stopped_while_it_grows(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "FREE_RATIO", 1 << 20)
    path = packed(tmp_path / "x.zip", [("a.png", bytes(40 << 20))])
    with pytest.raises(UntrustedError, match="a zip bomb"):
        archive.unpacked(path, tmp_path / "cache")
    assert left(tmp_path / "cache") == []


def test_I2_sizes_that_lie_do_not_help(tmp_path):
    path = packed(tmp_path / "x.zip", [("a.png", bytes(5 << 20))])
    data = bytearray(path.read_bytes())
    for magic, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        data[data.index(magic) + at:data.index(magic) + at + 4] = struct.pack("<I", 10)
    path.write_bytes(data)
    with pytest.raises(UntrustedError):
        archive.unpacked(path, tmp_path / "cache")
    assert left(tmp_path / "cache") == []


def crowd(path, number, says=None, wide=False):
    """A zip whose directory has `number` entries, all of the same few bytes, and says that it has others."""
    first = b"PK\3\4" + struct.pack("<5H3L2H", 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"a"
    rest = struct.pack("<6H3L5H2L", 20, 20, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(first)
        file.write(b"".join(b"PK\1\2" + rest + b"%06d.png" % i for i in range(number)))
        size, says = file.tell() - len(first), number if says is None else says
        if wide:
            file.write(struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, says, says, size, len(first)))
            file.write(struct.pack("<4sLQL", b"PK\6\7", 0, len(first) + size, 1))
        few, small = (0xFFFF, 0xFFFFFFFF) if wide else (min(says, 0xFFFE), size)
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, few, few, small, small if wide else len(first), 0))
    return path


@pytest.mark.parametrize("says, wide", [(None, True), (3, True), (3, False)])
def test_I2_a_million_entries_are_refused_before_one_is_opened(tmp_path, monkeypatch, says, wide):
    path = crowd(tmp_path / "x.zip", 1_000_000, says, wide)
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("the directory was read"))
    with pytest.raises(UntrustedError, match="more than 200,000 entries"):
        archive.unpacked(path, tmp_path / "cache")
    assert left(tmp_path) == ["x.zip"]


def test_I2_a_directory_of_any_size_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(zipped, "MOST_DIRECTORY", 1000)
    with pytest.raises(UntrustedError, match="entries"):
        archive.unpacked(crowd(tmp_path / "x.zip", 100), tmp_path / "cache")


@pytest.mark.parametrize("wide", [False, True])
def test_I2_entries_that_share_their_bytes_are_refused(tmp_path, wide):
    with pytest.raises(UntrustedError, match="shares its bytes with another one"):
        archive.unpacked(crowd(tmp_path / "x.zip", 3, None, wide), tmp_path / "cache")
    whole = packed(tmp_path / "y.zip", [(f"{i}.png", bytes(range(256)) * 40) for i in range(3)], zipfile.ZIP_STORED)
    data = bytearray(whole.read_bytes())
    at = data.index(b"PK\1\2")
    for place in (20, 24):  # the first entry says that it goes on into the second
        data[at + place:at + place + 4] = struct.pack("<I", 256 * 40 + 60)
    whole.write_bytes(data)
    with pytest.raises(UntrustedError, match="'0.png' shares its bytes"):
        archive.unpacked(whole, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_I2_a_bomb_in_a_zip_in_a_zip_stays_packed(tmp_path):
    inner = packed(tmp_path / "in.zip", [("a.png", bytes(60 << 20))])
    outer = packed(tmp_path / "x.zip", [("in.zip", inner.read_bytes()), ("a.png", b"1")])
    folder = archive.unpacked(outer, tmp_path / "cache")
    assert sorted(left(folder)) == ["a.png", "in.zip"] and (folder / "in.zip").stat().st_size == inner.stat().st_size


def test_I2_too_many_entries_and_too_many_bytes(tmp_path, monkeypatch):
    path = packed(tmp_path / "x.zip", [(f"{i}.png", b"1") for i in range(20)])
    monkeypatch.setattr(archive, "MOST_ENTRIES", 19)
    with pytest.raises(UntrustedError, match="more than 19 entries"):
        archive.unpacked(path, tmp_path / "cache")
    monkeypatch.setattr(archive, "MOST_ENTRIES", 20)
    monkeypatch.setattr(archive, "MOST_BYTES", 19)
    with pytest.raises(UntrustedError, match="more than 0 GB"):
        archive.unpacked(path, tmp_path / "cache")


def test_I2_what_the_disk_cannot_hold_is_said_before(tmp_path, monkeypatch):
    path = packed(tmp_path / "x.zip", [("a.png", b"12345")])
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _: type("Disk", (), {"free": 3}))
    with pytest.raises(ResourceError, match="unpacks to 5 bytes and 3 are free"):
        archive.unpacked(path, tmp_path / "cache")


@pytest.mark.parametrize("data", [b"", b"PK\3\4 cut", b"no zip at all"])
def test_I1_what_is_no_zip_is_refused(tmp_path, data):
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(UntrustedError, match="damaged or no zip"):
        archive.unpacked(tmp_path / "x.zip", tmp_path / "cache")


def test_an_empty_zip_and_one_cut_short(tmp_path):
    with pytest.raises(DataError, match="holds no file"):
        archive.unpacked(packed(tmp_path / "x.zip", []), tmp_path / "cache")
    whole = io.BytesIO()
    packed(whole, [(f"{i}.png", bytes(range(256)) * 9) for i in range(9)], zipfile.ZIP_STORED)
    data = bytearray(whole.getvalue())
    data[100] ^= 255
    (tmp_path / "y.zip").write_bytes(data)
    with pytest.raises(UntrustedError, match="damaged or no zip"):
        archive.unpacked(tmp_path / "y.zip", tmp_path / "cache")
    assert not (tmp_path / "cache").exists() or left(tmp_path / "cache") == []
