import numpy as np
import pytest

from toolkit.data import manifest
from toolkit.errors import DataError
from toolkit.pixels.batches import decoded, prepare

RNG = np.random.default_rng(0)


def images(count, *shape):
    return RNG.integers(0, 256, (count, *shape), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1), (28, 28, 3)])
@pytest.mark.parametrize("label_shape", [(-1,), (-1, 1)])
def test_medmnist_arrays(tmp_path, shape, label_shape):
    parts = {}
    for part, count in (("train", 6), ("val", 4), ("test", 3)):
        parts[part + "_images"] = images(count, *shape)
        parts[part + "_labels"] = (np.arange(count) % 2).astype(np.uint8).reshape(label_shape)
    np.savez(tmp_path / "x.npz", **parts)
    samples = manifest.read(tmp_path / "x.npz")
    assert samples.kind == "npz" and samples.classes == ["0", "1"] and len(samples) == 13
    assert samples.rows["split"].value_counts().to_dict() == {"train": 6, "validation": 4, "test": 3}
    assert samples.rows["path"][7] == "val_images[1]"
    how = (28, 1 if len(shape) == 2 else shape[-1], "crop", 2)
    facts = prepare(samples, *how)
    assert not facts["error"].any()
    (pixels,) = decoded(samples, samples.rows["path"], [7], [facts["sha256"][7]], *how)
    assert np.array_equal(pixels.reshape(shape), parts["val_images"][1])


def test_classes_are_ordered_by_number(tmp_path):
    np.savez(tmp_path / "x.npz", images=images(22, 4, 4), labels=np.arange(22) % 11)
    samples = manifest.read(tmp_path / "x.npz")
    assert samples.classes == [str(number) for number in range(11)] and set(samples.rows["split"]) == {""}


@pytest.mark.parametrize("arrays,word", [
    ({"train_images": images(3, 4, 4), "train_labels": np.full((3, 5), 2)}, "multi-label"),
    ({"train_images": images(3, 4, 4, 4, 3), "train_labels": np.zeros(3, int)}, "Volumes"),
    ({"train_images": images(3, 4, 4), "train_labels": np.zeros(2, int)}, "for 3 pictures"),
    ({"train_images": images(3, 4, 4)}, "no train_labels"),
    ({"train_images": images(3, 4, 4), "train_labels": np.array([0, 1, 2j])}, "complex128"),
    ({"train_images": images(3, 4, 4), "train_labels": np.zeros((3, 2), int), "val_images": images(2, 4, 4),
      "val_labels": np.zeros(2, int)}, "other numbers of labels"),
    ({"extra_images": images(3, 4, 4), "extra_labels": np.zeros(3, int)}, "no known part"),
    ({"data": images(3, 4, 4)}, "no train_images")])
def test_what_is_wrong_with_arrays_is_said(tmp_path, arrays, word):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataError, match=word):
        manifest.read(tmp_path / "x.npz")


class Canary:
    def __reduce__(self):
        return open, (self.path, "w")


def test_I5_nothing_pickled_is_opened(tmp_path):
    canary = Canary()
    canary.path = str(tmp_path / "ran")
    np.savez(tmp_path / "x.npz", train_images=np.array([canary], object), train_labels=np.zeros(1, int))
    with pytest.raises(DataError, match="pickle"):
        manifest.read(tmp_path / "x.npz")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("data", [b"", b"PK\3\4 no zip", b"words"])
def test_damaged_files(tmp_path, data):
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(DataError, match="damaged"):
        manifest.read(tmp_path / "x.npz")
