import hashlib
import io
import threading

import numpy as np
import pytest
from PIL import Image

from toolkit.errors import OptionError, ResourceError
from toolkit.pixels import batches
from toolkit.pixels.decode import decode
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


def test_each_file_is_read_once_and_prepared_as_in_prediction():
    files, seen = Files(jpeg(0), jpeg(1), jpeg(0)), []
    prepared = batches.prepare(files, 16, 3, "crop", 2, progress=lambda done, of: seen.append((done, of)))
    assert files.reads == [1, 1, 1] and seen == [(1, 3), (2, 3), (3, 3)]
    assert prepared.pixels.shape == (3, 16, 16, 3) and prepared.pixels.dtype == np.uint8
    for row in range(3):
        assert np.array_equal(prepared.pixels[row], fit(decode(files.sources[row]).pixels, 16, 3, "crop"))
        assert prepared.facts["sha256"][row] == hashlib.sha256(files.sources[row]).hexdigest()
    assert tuple(prepared.facts.loc[0, ["width", "height", "mode", "note", "error"]]) == (30, 20, "RGB", "", "")
    assert prepared.facts["fingerprint"][0] == prepared.facts["fingerprint"][2] != prepared.facts["fingerprint"][1]


def test_A9_the_same_pixels_in_other_bytes_have_one_fingerprint():
    out, pixels = io.BytesIO(), decode(jpeg(3)).pixels
    Image.fromarray(pixels).save(out, "PNG")
    facts = batches.prepare(Files(jpeg(3), out.getvalue(), pixels), 8, 3, "squash", 1).facts
    assert facts["sha256"].nunique() == 3 and facts["fingerprint"].nunique() == 1


def test_A7_unreadable_pictures_are_rows_with_a_reason():
    prepared = batches.prepare(Files(jpeg(0), b"", b"words\n" * 9, PermissionError(13, "Permission denied"), jpeg(1)),
                               8, 1, "pad", 2)
    errors = list(prepared.facts["error"])
    assert errors[0] == errors[4] == "" and "empty" in errors[1] and "text" in errors[2] and "denied" in errors[3]
    kept = prepared.keep([True, False, False, False, True])
    assert kept.pixels.shape == (2, 8, 8, 1) and list(kept.facts.index) == [0, 1]
    assert np.array_equal(kept.pixels[1], fit(decode(jpeg(1)).pixels, 8, 1, "pad"))


def test_B6_the_number_of_workers_changes_nothing():
    files = Files(*[jpeg(seed) for seed in range(9)])
    one, four = (batches.prepare(files, 24, 3, "crop", workers) for workers in (1, 4))
    assert np.array_equal(one.pixels, four.pixels) and one.facts.equals(four.facts)
    order = RNG.permutation(9)
    draws = [batches.augmented(one.pixels, "strong", 5, 2, order, workers) for workers in (1, 2, 4)]
    assert np.array_equal(draws[0], draws[1]) and np.array_equal(draws[0], draws[2])
    for workers in (1, 3):
        parts = list(batches.batches(one.pixels, order, "strong", 5, 2, workers, batch_size=4))
        assert [len(part) for part, _ in parts] == [4, 4, 1]
        assert np.array_equal(np.concatenate([part for part, _ in parts]), order)
        assert np.array_equal(np.concatenate([batch for _, batch in parts]), draws[0])
    alone = batches.augmented(one.pixels, "strong", 5, 2, [order[3]], 1)
    assert np.array_equal(alone[0], draws[0][3])


def test_batches_run_a_bounded_way_ahead_and_stop_when_closed():
    class Counting:
        def __init__(self):
            self.taken, self.lock = set(), threading.Lock()

        def __getitem__(self, index):
            with self.lock:
                self.taken.add(int(index))
            return np.zeros((4, 4, 1), np.uint8)

    pixels, before = Counting(), threading.active_count()
    stream = batches.batches(pixels, range(1000), "none", 0, 0, workers=2, batch_size=1, ahead=2)
    next(stream)
    stream.close()
    assert len(pixels.taken) <= 5 and threading.active_count() == before


def test_an_interruption_drops_what_has_not_begun():
    files = Files(*[jpeg(0)] * 400)

    def stop(done, of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batches.prepare(files, 8, 3, "crop", 2, progress=stop)
    assert sum(files.reads) < 400


def test_many_pixels_live_in_a_nameless_file(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "ON_DISK", 100)
    prepared = batches.prepare(Files(jpeg(0), jpeg(1)), 16, 3, "crop", 2, folder=tmp_path)
    assert isinstance(prepared.pixels, np.memmap) and list(tmp_path.iterdir()) == []
    assert np.array_equal(prepared.pixels[1], fit(decode(jpeg(1)).pixels, 16, 3, "crop"))
    with pytest.raises(ResourceError, match="--size"):
        batches.prepare(Files(jpeg(0)), 16, 3, "crop", 1, folder=tmp_path / "absent")


@pytest.mark.parametrize("size,channels,rule", [(0, 3, "crop"), (8, 2, "crop"), (8, 3, "stretch")])
def test_B2_wrong_arguments_are_named_before_any_reading(size, channels, rule):
    files = Files(jpeg(0))
    with pytest.raises(OptionError, match="allowed"):
        batches.prepare(files, size, channels, rule, 1)
    assert files.reads == [0]
