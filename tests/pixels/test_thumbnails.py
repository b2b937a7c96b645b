"""Thumbnails: the picture's own shape, one file, read by key and never beyond what a thumbnail may be."""

import io
import threading
import tracemalloc
import zipfile

import numpy as np
import pandas
import pytest
from PIL import Image

from toolkit.errors import ResourceError, UntrustedError
from toolkit.pixels import resize, thumbnails

KEYS = [f"{number:016x}" for number in range(20)]
SHAPES = [(1, 1), (8, 20_000), (20_000, 8), (300, 200), (224, 224), (37, 61)]  # (height, width)


def small(height, width, channels, rule, size=64):
    """(the thumbnail as an array, its Image) of a picture whose left half is dark and whose right half is bright."""
    picture = np.full((height, width, channels), 40, np.uint8)
    picture[:, width // 2:] = 220
    image = Image.open(io.BytesIO(thumbnails.encode(resize.fit(picture, size, channels, rule), width, height, rule)))
    return np.asarray(image), image


@pytest.mark.parametrize("rule", resize.RULES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("height, width", SHAPES)
def test_A8_every_picture_gets_its_own_shape_back(height, width, channels, rule):
    pixels, image = small(height, width, channels, rule)
    assert image.format == "JPEG" and image.mode == {1: "L", 3: "RGB"}[channels]
    longest = max(height, width)
    wanted = (64, 64) if rule == "crop" else (max(1, round(64 * width / longest)), max(1, round(64 * height / longest)))
    assert image.size == wanted
    if width > 30 and image.width > 30 and rule != "crop":
        assert pixels[:, :10].mean() == pytest.approx(40, abs=12)
        assert pixels[:, -10:].mean() == pytest.approx(220, abs=12)


def test_the_padding_is_cut_off():
    picture = np.full((20, 60, 3), 200, np.uint8)
    square = resize.fit(picture, 90, 3, "pad")
    square[:30], square[60:] = 0, 0
    pixels = np.asarray(Image.open(io.BytesIO(thumbnails.encode(square, 60, 20, "pad"))))
    assert pixels.shape == (30, 90, 3) and pixels.min() > 180


def test_a_large_square_becomes_a_small_picture_and_a_small_one_is_not_blown_up():
    for shape, wanted in (((512, 512, 3), (120, 160)), ((32, 32, 1), (24, 32))):
        image = thumbnails.encode(np.zeros(shape, np.uint8), 30, 40, "squash")
        assert Image.open(io.BytesIO(image)).size == wanted


def images(count=len(KEYS)):
    return [thumbnails.encode(np.full((16, 16, 1), number, np.uint8), 16, 16, "crop") for number in range(count)]


@pytest.fixture
def written(tmp_path):
    thumbnails.write(tmp_path / "small.zip", KEYS, images())
    return tmp_path / "small.zip"


def test_what_is_written_is_read_by_key_and_is_a_plain_zip(written):
    assert [thumbnails.read(written, key) for key in KEYS] == images()
    with zipfile.ZipFile(written) as archive:
        assert archive.namelist() == [f"{key}.jpg" for key in KEYS] and archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def test_the_same_pictures_make_the_same_file(written, tmp_path):
    thumbnails.write(tmp_path / "again.zip", iter(KEYS), iter(images()))
    assert (tmp_path / "again.zip").read_bytes() == written.read_bytes()


def test_a_copy_is_kept_once_and_the_rows_of_a_table_are_read_in_blocks(tmp_path):
    pixels = np.arange(150, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
    table = pandas.DataFrame({"sha256": [f"{n % 140:064x}"[::-1] for n in range(150)], "width": 8, "height": 8})
    told, rows = [], np.arange(10, 150)
    thumbnails.write(tmp_path / "t.zip", *thumbnails.of(pixels, table, rows, "squash",
                                                        lambda done, of: told.append((done, of))))
    with zipfile.ZipFile(tmp_path / "t.zip") as archive:
        assert len(archive.namelist()) == 140 and len(set(archive.namelist())) == 140
    assert told == [(64, 140), (128, 140), (140, 140)]
    shown = Image.open(io.BytesIO(thumbnails.read(tmp_path / "t.zip", thumbnails.key(table["sha256"][77]))))
    assert np.asarray(shown).mean() == pytest.approx(77, abs=3)


def test_memory_stays_flat_while_many_are_written(tmp_path):
    image = b"\xff\xd8\xff" + bytes(200_000)
    tracemalloc.start()
    thumbnails.write(tmp_path / "t.zip", (f"{n:016x}" for n in range(200)), (image + bytes(n) for n in range(200)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000 < (tmp_path / "t.zip").stat().st_size


def test_a_write_that_fails_leaves_what_was_there(written, tmp_path):
    before = written.read_bytes()

    def broken():
        yield images(1)[0]
        raise ResourceError("no more")

    with pytest.raises(ResourceError, match="no more"):
        thumbnails.write(written, KEYS, broken())
    assert written.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["small.zip"]
    with pytest.raises(ResourceError, match="nowhere"):
        thumbnails.write(tmp_path / "nowhere" / "t.zip", KEYS, images())


def test_a_new_file_of_the_same_name_is_seen(written):
    assert thumbnails.read(written, KEYS[1])
    thumbnails.write(written, KEYS[:1], images(2)[1:])
    assert thumbnails.read(written, KEYS[1]) is None and thumbnails.read(written, KEYS[0]) == images(2)[1]


@pytest.mark.parametrize("key", ["", "0" * 15, "0" * 17, "0" * 15 + "G", "../" + "0" * 13, "0" * 15 + "\n",
                                 f"{'0' * 16}.jpg", None, 3, b"0" * 16])
def test_I6_only_a_key_is_looked_for(written, key):
    assert thumbnails.read(written, key) is None


def test_what_is_not_there_is_none(written, tmp_path):
    assert thumbnails.read(written, "f" * 16) is None and thumbnails.read(tmp_path / "none.zip", KEYS[0]) is None


def zipped(path, name, data, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(name, data)
    return path


@pytest.mark.parametrize("data", [b"<svg onload=x>", b"\xff\xd8\xff" + bytes(thumbnails.LARGEST)])
def test_I9_an_entry_that_is_no_thumbnail_is_refused(tmp_path, data):
    with pytest.raises(UntrustedError, match="t.zip is damaged"):
        thumbnails.read(zipped(tmp_path / "t.zip", f"{KEYS[0]}.jpg", data), KEYS[0])


def test_I2_a_packed_entry_is_not_unpacked(tmp_path):
    bomb = zipped(tmp_path / "t.zip", f"{KEYS[0]}.jpg", b"\xff\xd8\xff" + bytes(900_000), zipfile.ZIP_DEFLATED)
    assert thumbnails.read(bomb, KEYS[0]) is None


@pytest.mark.parametrize("name", [f"../{KEYS[0]}.jpg", f"{KEYS[0]}.png", f"a/{KEYS[0]}.jpg", f"{KEYS[0]}.jpg/"])
def test_I1_other_names_are_nobodys(tmp_path, name):
    assert thumbnails.read(zipped(tmp_path / "t.zip", name, images(1)[0]), KEYS[0]) is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "junk", "folder", "link"])
def test_I9_a_damaged_file_is_refused(written, tmp_path, damage):
    data = bytearray(written.read_bytes())
    data[60] ^= 1
    bad = {"cut": data[:len(data) // 2], "flipped": data, "empty": b"", "junk": b"x" * 5000}.get(damage)
    path = tmp_path / "bad.zip"
    if damage == "folder":
        path.mkdir()
    elif damage == "link":
        path.symlink_to(written)
    else:
        path.write_bytes(bad)
    with pytest.raises(UntrustedError, match="bad.zip"):
        thumbnails.read(path, KEYS[0])


def test_I2_a_directory_of_millions_is_not_read(written, monkeypatch):
    monkeypatch.setattr(thumbnails, "DIRECTORY", 500)
    with pytest.raises(UntrustedError, match="directory is too long"):
        thumbnails.read(written, KEYS[0])


def test_many_threads_read_at_once(written):
    found = []

    def look():
        for _ in range(30):
            found.append([thumbnails.read(written, key) for key in KEYS] == images())

    threads = [threading.Thread(target=look) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(found) == 240 and all(found)
