"""Files -> facts, and pixels that a shelf keeps: each file read once a run, each picture decoded once for all."""

import hashlib
import io
import threading

import numpy as np
import pytest
from PIL import Image

from toolkit.errors import DataError, OptionError
from toolkit.features.rows import Rows
from toolkit.features.store import Store
from toolkit.pixels import batches, decode
from toolkit.pixels.resize import fit

RNG = np.random.default_rng(0)


def jpeg(seed, size=(30, 20)):
    out = io.BytesIO()
    shape = (size[1], size[0], 3)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)).save(out, "JPEG")
    return out.getvalue()


class Files:
    """What `prepare` asks of samples; counts how often each is read."""

    def __init__(self, *sources):
        self.sources, self.reads = sources, [0] * len(sources)

    def __len__(self):
        return len(self.sources)

    def read(self, index):
        self.reads[index] += 1
        if isinstance(self.sources[index], Exception):
            raise self.sources[index]
        return self.sources[index]


class Shelf:
    """What `prepare` asks of a shelf."""

    def __init__(self):
        self.kept, self.flushed = {}, 0

    def __contains__(self, key):
        return key in self.kept

    def facts(self, key):
        return self.kept[key][1]

    def put(self, keys, arrays, facts):
        for key, pixels, known in zip(keys, arrays[0], facts, strict=True):
            self.kept.setdefault(key, (pixels, known))

    def flush(self):
        self.flushed += 1

    def pixels(self, facts):
        """Pixels of the rows of `facts`."""
        return np.stack([self.kept[key][0] for key in facts["sha256"]])


@pytest.fixture
def decodings(monkeypatch):
    """How often a picture was decoded."""
    counted, real = [], decode.decode

    def counting(*given):
        counted.append(1)
        return real(*given)

    monkeypatch.setattr(decode, "decode", counting)
    return counted


def test_each_file_is_read_once_and_prepared_as_in_prediction():
    files, seen, shelf = Files(jpeg(0), jpeg(1), jpeg(0)), [], Shelf()
    facts = batches.prepare(files, 16, 3, "crop", 2, lambda done, of: seen.append((done, of)), shelf)
    assert files.reads == [1, 1, 1] and seen == [(1, 3), (2, 3), (3, 3)] and shelf.flushed == 1
    pixels = shelf.pixels(facts)
    assert pixels.shape == (3, 16, 16, 3) and pixels.dtype == np.uint8 and len(shelf.kept) == 2
    for row in range(3):
        assert np.array_equal(pixels[row], fit(decode.decode(files.sources[row]).pixels, 16, 3, "crop"))
        assert facts["sha256"][row] == hashlib.sha256(files.sources[row]).hexdigest()
    assert tuple(facts.columns) == batches.FACTS and list(facts.index) == [0, 1, 2]
    assert tuple(facts.loc[0, ["width", "height", "mode", "note", "error"]]) == (30, 20, "RGB", "", "")
    assert facts["fingerprint"][0] == facts["fingerprint"][2] != facts["fingerprint"][1]
    assert list(facts["bytes"]) == [len(source) for source in files.sources] and set(facts["camera"]) == {""}


def test_facts_do_not_need_a_shelf():
    files = Files(jpeg(0), b"words\n" * 9)
    assert batches.prepare(files, 16, 3, "crop", 2).equals(batches.prepare(files, 16, 3, "crop", 2, None, Shelf()))


def test_what_a_shelf_has_is_not_decoded_again(tmp_path, decodings):
    files = Files(jpeg(0), b"words\n" * 9, jpeg(1), np.arange(75, dtype=np.uint8).reshape(5, 5, 3))
    facts = []
    for run in range(3):
        with Store(tmp_path / "store", 10**9, tmp_path / "scratch", print) as store:
            shelf = store.shelf("pictures", {}, [(16, 16, 3)], "uint8", 4)
            if run == 2:
                files = Files(jpeg(7), *files.sources[::-1])
            facts.append(batches.prepare(files, 16, 3, "crop", 2, None, shelf))
            good = facts[-1]["error"] == ""
            rows = Rows(shelf, facts[-1]["sha256"][good].to_numpy(object), None)
            pixels = {key: picture.tobytes() for key, picture in zip(rows.keys, rows[:])}
            assert pixels[hashlib.sha256(jpeg(1)).hexdigest()] == fit(decode.decode(jpeg(1)).pixels, 16, 3,
                                                                     "crop").tobytes()
    # the file that cannot be read is tried each time, and the assertion above decodes one more
    assert len(decodings) == (4 + 1) + (1 + 1) + (2 + 1)
    turned = facts[0][::-1].reset_index(drop=True)
    assert facts[0].equals(facts[1]) and facts[2][1:].reset_index(drop=True).equals(turned)


@pytest.mark.parametrize("poisoned", [False, True])
def test_a_damaged_picture_is_decoded_anew_and_keeps_its_facts(tmp_path, decodings, poisoned):
    files = Files(*map(jpeg, range(4)))
    wanted = batches.prepare(files, 16, 3, "crop", 2)
    keys, names = wanted["sha256"].to_numpy(object), ["a", "b", "c", "d"]
    fresh = batches.decoded(files, names, np.arange(4), keys, 16, 3, "crop", 2)
    for run in range(4):
        with Store(tmp_path / "store", 10**9, tmp_path / "scratch", print) as store:
            shelf = store.shelf("pictures", {}, [(16, 16, 3)], "uint8", 4)
            if poisoned and not run:  # as an older version wrote a damaged row back
                shelf.put(keys[:1], [fresh[:1]])
                shelf.flush()
            decodings.clear()
            assert batches.prepare(files, 16, 3, "crop", 2, None, shelf).equals(wanted)
            assert len(decodings) == (4 if run == 0 else 0)
            rows = Rows(shelf, keys, lambda numbers: [batches.decoded(files, names, numbers, keys[numbers], 16, 3,
                                                                      "crop", 2)])
            assert np.array_equal(rows[:], fresh)
            assert len(decodings) == {0: 4, 1: 1}.get(run, 0)
        for path in (tmp_path / "store").rglob("*.shard") if run == 0 else ():
            whole = bytearray(path.read_bytes())
            whole[-40] ^= 1
            path.write_bytes(whole)


def test_pictures_are_decoded_once_more_where_the_shelf_lost_them():
    files = Files(jpeg(0), jpeg(1), b"", jpeg(3))
    facts = batches.prepare(files, 16, 3, "crop", 2)
    names, keys = ["a", "b", "c", "d"], facts["sha256"].to_numpy(object)
    found = batches.decoded(files, names, [3, 0], keys[[3, 0]], 16, 3, "crop", 2)
    assert np.array_equal(found, np.stack([fit(decode.decode(jpeg(seed)).pixels, 16, 3, "crop") for seed in (3, 0)]))
    for changed in (jpeg(5), b"", OSError(5, "Input/output error")):
        files.sources = (jpeg(0), changed, b"", jpeg(3))
        with pytest.raises(DataError, match="b was changed while"):
            batches.decoded(files, names, [0, 1], keys[[0, 1]], 16, 3, "crop", 2)


def test_A9_the_same_pixels_in_other_bytes_have_one_fingerprint():
    out, pixels = io.BytesIO(), decode.decode(jpeg(3)).pixels
    Image.fromarray(pixels).save(out, "PNG")
    facts = batches.prepare(Files(jpeg(3), out.getvalue(), pixels), 8, 3, "squash", 1)
    assert facts["sha256"].nunique() == 3 and facts["fingerprint"].nunique() == 1


def test_A7_unreadable_pictures_are_rows_with_a_reason():
    shelf = Shelf()
    facts = batches.prepare(Files(jpeg(0), b"", b"words\n" * 9, PermissionError(13, "Permission denied"), jpeg(1)),
                            8, 1, "pad", 2, None, shelf)
    errors = list(facts["error"])
    assert errors[0] == errors[4] == "" and "empty" in errors[1] and "text" in errors[2] and "denied" in errors[3]
    pixels = shelf.pixels(facts.iloc[[0, 4]])
    assert len(shelf.kept) == 2 and pixels.shape == (2, 8, 8, 1)
    assert np.array_equal(pixels[1], fit(decode.decode(jpeg(1)).pixels, 8, 1, "pad"))


def test_B6_the_number_of_workers_changes_nothing():
    files, kept = Files(*[jpeg(seed) for seed in range(9)]), [Shelf(), Shelf()]
    one, four = (batches.prepare(files, 24, 3, "crop", workers, None, shelf) for workers, shelf in zip((1, 4), kept))
    pixels = kept[0].pixels(one)
    assert one.equals(four) and np.array_equal(pixels, kept[1].pixels(four))
    who = RNG.permutation(9)
    draws = [batches.augmented(pixels[who], "strong", 5, 2, who, workers) for workers in (1, 2, 4)]
    assert np.array_equal(draws[0], draws[1]) and np.array_equal(draws[0], draws[2])
    assert draws[0].shape == pixels.shape and not np.array_equal(draws[0], pixels[who])


def test_a_picture_is_augmented_by_what_it_is_not_by_where_it_stands():
    pictures, who = RNG.integers(0, 256, (6, 24, 24, 3), dtype=np.uint8), np.array([11, 2**47, 7, 0, 5, 3])
    everything = batches.augmented(pictures, "strong", 5, 2, who, 2)
    for chosen in ([4], [1, 0], [5, 4, 3, 2]):
        assert np.array_equal(batches.augmented(pictures[chosen], "strong", 5, 2, who[chosen], 1), everything[chosen])
    others = [batches.augmented(pictures, *how) for how in (("strong", 6, 2, who), ("strong", 5, 3, who),
                                                            ("light", 5, 2, who), ("strong", 5, 2, who + 1))]
    assert all(not np.array_equal(other, everything) for other in others)


def test_few_pictures_wait_to_be_kept():
    """However slow the shelf is, threads run a bounded way ahead of it."""
    files, most, lock = Files(*[jpeg(0)] * 100), [], threading.Lock()

    class Slow(Shelf):
        def put(self, *what):
            with lock:
                most.append(sum(files.reads) - len(most))

    batches.prepare(files, 8, 3, "crop", 2, None, Slow())
    assert len(most) == 100 and max(most) <= batches.AHEAD


def test_an_interruption_drops_what_has_not_begun():
    files, before = Files(*[jpeg(0)] * 400), threading.active_count()

    def stop(done, of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batches.prepare(files, 8, 3, "crop", 2, progress=stop)
    assert sum(files.reads) < 400 and threading.active_count() == before


@pytest.mark.parametrize("size,channels,rule", [(0, 3, "crop"), (8, 2, "crop"), (8, 3, "stretch")])
def test_B2_wrong_arguments_are_named_before_any_reading(size, channels, rule):
    files = Files(jpeg(0))
    with pytest.raises(OptionError, match="allowed"):
        batches.prepare(files, size, channels, rule, 1)
    assert files.reads == [0]
