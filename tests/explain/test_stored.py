"""Files of heat maps: what is written comes back, and nothing else is believed."""

import io
import os
import zipfile

import numpy as np
import pytest

from toolkit.errors import ResourceError, UntrustedError
from toolkit.explain import stored

KEY = "0123456789abcdef"
MAPS = np.random.default_rng(0).normal(0, 0.01, (3, 7, 9))
FINE = {"maps": MAPS.astype("<f2"), "probabilities": np.array([0.2, 0.3, 0.5], "<f4"), "method": np.array("grad-cam"),
        "place": np.array([0, 0, 1, 1], "<f4"), "model": np.array("ab" * 8)}


@pytest.fixture
def run(tmp_path):
    (tmp_path / "heatmaps").mkdir()
    return tmp_path


def put(run, key=KEY, method="class activation"):
    stored.write(run / "heatmaps", key, MAPS, FINE["probabilities"], method, (0.1, 0, 0.9, 1), "ab" * 8)


def packed(**changes):
    """Bytes of a file of arrays; None leaves one out."""
    file = io.BytesIO()
    np.savez(file, **{name: value for name, value in (FINE | changes).items() if value is not None})
    return file.getvalue()


def test_what_is_written_comes_back(run):
    put(run)
    maps, probabilities, method = stored.load(run, KEY)
    assert maps.dtype == np.float16 and maps == pytest.approx(MAPS, rel=1e-3, abs=1e-7)
    assert probabilities.tolist() == FINE["probabilities"].tolist() and method == "class activation"
    whole = stored.read(run / "heatmaps", KEY)
    assert whole.place == pytest.approx((0.1, 0, 0.9, 1)) and whole.model == "ab" * 8
    assert [path.name for path in (run / "heatmaps").iterdir()] == [f"{KEY}.npz"]


def test_numbers_beyond_half_floats_stay_numbers(run):
    stored.write(run / "heatmaps", KEY, MAPS * 1e9, FINE["probabilities"], "grad-cam", (0, 0, 1, 1), "ab")
    assert np.isfinite(stored.load(run, KEY)[0]).all()


def test_available_are_files_of_that_name_alone(run, tmp_path):
    put(run)
    put(run, "f" * 16)
    for name in ("f" * 15 + ".npz", "G" * 16 + ".npz", ".0123456789abcdef.npz.1-2", KEY + ".png",
                 "a" * 16 + ".npz.npz"):
        (run / "heatmaps" / name).write_bytes(b"x")
    (run / "heatmaps" / ("b" * 16 + ".npz")).mkdir()
    os.symlink(run / "heatmaps" / f"{KEY}.npz", run / "heatmaps" / ("c" * 16 + ".npz"))
    assert stored.available(run) == {KEY, "f" * 16}
    assert stored.available(tmp_path / "nowhere") == set()


@pytest.mark.parametrize("key", ["f" * 16, "../" + KEY, KEY + "/", "", "A" * 16, KEY + "\n", None, 5])
def test_what_is_not_there_is_none(run, key):
    put(run)
    assert stored.load(run, key) is None


@pytest.mark.parametrize("data", [b"", b"PK no archive", packed()[:-30], packed()[:200], b"x" * 1000], ids=range(5))
def test_damaged_files_are_refused(run, data):
    (run / "heatmaps" / f"{KEY}.npz").write_bytes(data)
    with pytest.raises(UntrustedError, match=f"{KEY}.npz is damaged"):
        stored.load(run, KEY)


NAN, ONE = np.full((3, 7, 9), np.nan, "<f2"), np.zeros((1, 7, 9), "<f2")


@pytest.mark.parametrize("changes", [
    {"maps": MAPS.astype("<f4")}, {"maps": NAN}, {"maps": ONE, "probabilities": np.array([1], "<f4")},
    {"maps": MAPS[0].astype("<f2")}, {"maps": np.asfortranarray(MAPS.astype("<f2"))},
    {"maps": np.zeros((3, 1, 257), "<f2")}, {"maps": np.zeros((3, 0, 9), "<f2")},
    {"probabilities": np.array([0.5, 0.5], "<f4")}, {"probabilities": np.array([2, 0, 0], "<f4")},
    {"probabilities": np.array([np.nan, 0, 0], "<f4")}, {"probabilities": np.array([0.2, 0.3, 0.5])},
    {"method": np.array("<script>")}, {"method": np.array("x" * 41)}, {"method": np.array("")},
    {"method": np.array(["grad-cam"])}, {"place": np.array([0, 0, 0, 1], "<f4")},
    {"place": np.array([0, np.nan, 1, 1], "<f4")}, {"place": np.array([0, 0, 1], "<f4")}, {"place": None},
    {"more": np.zeros(3)}], ids=range(20))
def test_odd_contents_are_refused(run, changes):
    (run / "heatmaps" / f"{KEY}.npz").write_bytes(packed(**changes))
    with pytest.raises(UntrustedError):
        stored.load(run, KEY)
    (run / "heatmaps" / f"{KEY}.npz").write_bytes(packed())
    assert stored.load(run, KEY)


def test_nothing_in_a_file_is_executed(run, tmp_path):
    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    file = io.BytesIO()
    np.savez(file, **(FINE | {"method": np.array([Hostile()], dtype=object)}), allow_pickle=True)
    (run / "heatmaps" / f"{KEY}.npz").write_bytes(file.getvalue())
    with pytest.raises(UntrustedError):
        stored.load(run, KEY)
    assert not (tmp_path / "ran").exists()


def test_what_claims_more_than_it_holds_takes_no_memory(run):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f2", "fortran_order": False, "shape": (10**6, 256, 256)})
    for parts, kind in (({"maps.npy": header.getvalue()}, zipfile.ZIP_STORED),
                        ({"maps.npy": bytes(stored.LARGEST)}, zipfile.ZIP_DEFLATED)):
        file = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(packed())) as fine, zipfile.ZipFile(file, "w", kind) as archive:
            for name in fine.namelist():
                archive.writestr(name, parts.get(name) or fine.read(name))
        (run / "heatmaps" / f"{KEY}.npz").write_bytes(file.getvalue())
        with pytest.raises(UntrustedError):
            stored.load(run, KEY)


def test_links_pipes_and_giants_are_refused(run, tmp_path):
    path = run / "heatmaps" / f"{KEY}.npz"
    (tmp_path / "elsewhere.npz").write_bytes(packed())
    path.symlink_to(tmp_path / "elsewhere.npz")
    with pytest.raises(UntrustedError):
        stored.load(run, KEY)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UntrustedError):
        stored.load(run, KEY)
    path.unlink()
    with open(path, "wb") as file:
        file.truncate(stored.LARGEST + 1)
    with pytest.raises(UntrustedError):
        stored.load(run, KEY)


def test_what_cannot_be_written_is_an_error_of_the_disk(tmp_path):
    with pytest.raises(ResourceError):
        put(tmp_path / "nowhere")
