"""The store: what is put is what is read, each thing computed once, and damage is noticed."""

import errno
import os

import numpy as np
import pytest
from tests.features.filling import Source, damage, fill, keys, same

from toolkit.features import shards, shelves
from toolkit.features.rows import Rows

SHAPES = {"one": [(5,)], "map": [(3, 2, 4)], "map and means": [(3, 2, 4), (7,), (1,)]}


@pytest.mark.parametrize("dtype", ["float16", "float32", "bfloat16", "uint8"])
@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
def test_a_row_put_is_the_row_read_bit_for_bit(open_store, dtype, shapes):
    kind = shards.dtype_of(dtype)
    arrays = [np.random.default_rng(i).uniform(0, 200, (9, *shape)).astype(kind) for i, shape in enumerate(shapes)]
    writing = open_store().shelf("maps", {}, shapes, dtype, 9)
    writing.put(keys(9), arrays, [[i, "fact"] for i in range(9)])
    order = [4, 0, 8]
    for state in ("waiting", "written", "read by another run"):
        if state == "written":
            writing.flush()
        shelf = writing if state != "read by another run" else open_store().shelf("maps", {}, shapes, dtype, 9)
        found = shelf.arrays([shelf.row(keys(9)[i]) for i in order])
        for array, wanted in zip(found, arrays, strict=True):
            assert array.dtype == kind and array.shape == (3, *wanted.shape[1:])
            assert array.tobytes() == wanted[order].tobytes()
        assert shelf.facts(keys(9)[8]) == [8, "fact"] and keys(10)[9] not in shelf and shelf.row(keys(10)[9]) is None


def test_float16_holds_its_largest_number_where_more_is_put(open_store):
    shelf = open_store().shelf("maps", {}, [(6,)], "float16", 1)
    shelf.put(["a"], [np.array([[1e9, -1e9, np.inf, 65504, 65519.9, np.nan]], np.float32)])
    (row,), = shelf.arrays([shelf.row("a")])
    assert row[:5].tolist() == [65504, -65504, 65504, 65504, 65504] and np.isnan(row[5])


def test_a_second_run_computes_what_is_missing_and_no_more(open_store):
    first, source = fill(open_store(), 20)
    assert sorted(source.made) == list(range(20))
    again, source = fill(open_store(), 20)
    assert source.made == [] and same(again, 20)
    more, source = fill(open_store(), 26)
    assert source.made == [20, 21, 22, 23, 24, 25] and same(more, 26)
    order, source = np.random.default_rng(0).permutation(26), Source([(6,)])
    shelf = open_store().shelf("maps", {}, [(6,)], "float32", 26)
    turned = Rows(shelf, keys(26)[order], source).fill()
    assert source.made == [] and np.array_equal(turned[:], first.shelf.arrays([more.shelf.row(k) for k in
                                                                              keys(26)[order]])[0])


def test_what_rows_depend_on_parts_them(open_store):
    names = {open_store().shelf(kind, depends, shapes, dtype, 1).name
             for kind, depends, shapes, dtype in [
                 ("maps", {"a": 1, "b": 2}, [(2,)], "float16"), ("maps", {"a": 1, "b": 3}, [(2,)], "float16"),
                 ("maps", {"a": 1, "b": 2}, [(2,)], "float32"), ("maps", {"a": 1, "b": 2}, [(2,), (1,)], "float16"),
                 ("pooled", {"a": 1, "b": 2}, [(2,)], "float16")]}
    assert len(names) == 5
    assert open_store().shelf("maps", {"b": 2, "a": 1}, [(2,)], "float16", 9).name in names


def test_an_unfinished_file_is_passed_over_and_removed_once_it_has_no_writer(open_store, tmp_path, monkeypatch):
    rows, _ = fill(open_store(), 4)
    left = rows.shelf.folder / f"x{shards.UNFINISHED}"
    left.write_bytes(shards.MAGIC)
    again, source = fill(open_store(), 5)
    assert source.made == [4] and same(again, 5) and left.exists()
    os.utime(left, (1, 1))
    again, source = fill(open_store(), 6)
    assert source.made == [5] and same(again, 6) and not left.exists()


REGIONS = {"magic": 3, "header's length": len(shards.MAGIC) + 1, "header's checksum": len(shards.MAGIC) + 6,
           "header, first byte": 40, "header, last": "end of header", "first row": "start of rows",
           "a row between": -61, "last byte": -1}


@pytest.mark.parametrize("where", [*REGIONS, "cut by a byte", "cut in half", "empty", "longer"])
def test_a_damaged_shard_is_noticed_said_once_and_computed_anew(open_store, where):
    fill(open_store(), 20)
    (path,) = (open_store().folder).rglob("*.shard")
    damage(path, where, REGIONS)
    store = open_store()
    rows, source = fill(store, 20)
    assert same(rows, 20) and len(store.said) == 1 and "damaged" in store.said[0]
    assert source.made == {"first row": [0], "a row between": [17], "last byte": [19]}.get(where, list(range(20)))
    store.close()
    rows, source = fill(open_store(), 20)
    assert same(rows, 20) and source.made == [] and not path.exists()


def test_no_byte_of_a_shard_can_change_unnoticed(tmp_path):
    rows = [np.arange(3, dtype=np.float32).tobytes(), np.ones(3, np.float32).tobytes()]
    path = shards.write(tmp_path, ["a", "b"], rows, [(3,)], "float32", [None, "c"])
    whole = path.read_bytes()
    for place in range(len(whole)):
        for bit in (0x01, 0x10):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1:])
            try:
                shard = shards.Shard(path)
                found = [shard.row(0), shard.row(1)]
                shard.close()
            except shards.Damaged:
                continue
            assert (found, shard.header["keys"]) == (rows, ["a", "b"])  # a space that became another white space
    for wrong in [*(whole[:length] for length in range(len(whole))), shards.MAGIC + b"-5 1\n{}",
                  shards.MAGIC + b"9" * 19 + b" 1\n{}", shards.MAGIC + b"2 2745614147\n{}", b"\n" * 99]:
        path.write_bytes(wrong)
        with pytest.raises(shards.Damaged):
            shards.Shard(path)


def test_a_disk_that_gives_no_bytes_is_damage(open_store, monkeypatch):
    rows, _ = fill(open_store(), 8)
    store = open_store()
    rows, source = fill(store, 8)
    spoilt, real = rows.shelf.open[0].handle, os.pread

    def pread(handle, *place):
        if handle == spoilt:
            raise OSError(errno.EIO, "Input/output error")
        return real(handle, *place)

    monkeypatch.setattr(os, "pread", pread)
    assert same(rows, 8) and sorted(source.made) == list(range(8)) and "Input/output error" in store.said[0]


def test_shards_are_written_by_size_and_by_time(open_store, monkeypatch):
    def written(size, seconds):
        monkeypatch.setattr(shelves, "SHARD_BYTES", size)
        monkeypatch.setattr(shelves, "SHARD_SECONDS", seconds)
        shelf = open_store().shelf("maps", {"size": size, "seconds": seconds}, [(6,)], "float32", 9)
        for key in keys(9):
            shelf.put([key], [np.ones((1, 6))])
        return len(shelf.open)

    assert written(3 * 24, 1e9) == 3 and written(1e9, -1.0) == 9 and written(1e9, 1e9) == 0


def test_facts_can_be_asked_for_by_threads_while_rows_are_written(open_store, monkeypatch):
    shelf, asked = open_store().shelf("pictures", {}, [(2,)], "uint8", 1), []

    def ask(real):
        def asking(*given):
            for moment in (0, 1):
                assert "a" in shelf and shelf.facts("a") == "fact" and shelf.row("a") == b"\1\1"
                asked.append(moment)
                found = real(*given) if moment == 0 else found
            return found
        return asking

    monkeypatch.setattr(shards, "write", ask(shards.write))
    monkeypatch.setattr(shelves.Shelf, "index", ask(shelves.Shelf.index))
    shelf.put(["a"], [np.ones((1, 2), np.uint8)], ["fact"])
    shelf.flush()
    assert asked == [0, 1, 0, 1] and shelf.facts("a") == "fact" and len(shelf.open) == 1 and not shelf.waiting
