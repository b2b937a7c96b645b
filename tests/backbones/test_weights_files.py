"""Files of weights that are damaged, disguised or hostile: refused with code 6, nothing executed, nothing half read."""

import io
import json
import os
import pickle
import struct
import zipfile

import h5py
import numpy as np
import pytest

from toolkit.backbones import formats
from toolkit.errors import DataError, UntrustedError

ARRAYS = {"conv1.weight": np.arange(24, dtype="float32").reshape(2, 3, 2, 2), "fc.bias": np.ones(4, "float32")}


class Canary:
    """A pickle that makes a file where it is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def refused(path, match):
    with pytest.raises(UntrustedError, match=match) as error:
        formats.read(path)
    assert str(path) in str(error.value)
    assert error.value.code == 6


def test_what_was_written_is_read(tmp_path):
    formats.save(tmp_path / "a.safetensors", ARRAYS, {"licence": "MIT"})
    np.savez(tmp_path / "a.npz", **ARRAYS)
    np.savez_compressed(tmp_path / "b.npz", **{name: np.asfortranarray(array) for name, array in ARRAYS.items()})
    for file in ("a.safetensors", "a.npz", "b.npz"):
        arrays, facts = formats.read(tmp_path / file)
        assert arrays.keys() == ARRAYS.keys()
        assert all(np.array_equal(arrays[name], ARRAYS[name]) for name in ARRAYS)
        assert facts == ({"licence": "MIT"} if file.endswith("safetensors") else {})


def test_half_precision_is_widened(tmp_path):
    import ml_dtypes

    values = np.array([1.5, -2.25, 0.0], "float32")
    formats.save(tmp_path / "a.safetensors", {"half": values.astype("float16"),
                                              "brain": values.astype(ml_dtypes.bfloat16)}, {})
    for array in formats.read(tmp_path / "a.safetensors").arrays.values():
        assert array.dtype == np.float32 and np.array_equal(array, values)


def test_the_same_tensors_make_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        formats.save(tmp_path / f"{name}.safetensors", ARRAYS, {"licence": "MIT"})
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".joblib", ".pth", ".pt", ".bin", ".keras", ".h5", ".npz",
                                    ".safetensors", ".ckpt", ""])
def test_I5_a_pickle_under_any_name_is_not_executed(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(pickle.dumps({"conv1.weight": Canary(tmp_path / "canary")}))
    with pytest.raises(UntrustedError) as error:
        formats.read(path)
    assert error.value.code == 6 and str(path) in str(error.value)
    assert not (tmp_path / "canary").exists()


def test_I5_a_torch_file_with_code_is_not_executed(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed; without it every .pth is refused (above)")
    torch.save({"conv1.weight": Canary(tmp_path / "canary")}, tmp_path / "w.pth")
    refused(tmp_path / "w.pth", "weights-only")
    assert not (tmp_path / "canary").exists()
    torch.save({name: torch.from_numpy(array) for name, array in ARRAYS.items()}, tmp_path / "good.pth")
    assert np.array_equal(formats.read(tmp_path / "good.pth").arrays["conv1.weight"], ARRAYS["conv1.weight"])


def test_I5_objects_in_npz_are_not_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", w=np.array([Canary(tmp_path / "canary")], dtype=object))
    refused(tmp_path / "a.npz", "no objects")
    assert not (tmp_path / "canary").exists()


def npz(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)


def header(shape):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize("members, match", [
    ([("w.npy", header((2**40,)) + b"0" * 64)], "declares"),
    ([("w.npy", header((4,)) + b"0" * 15)], "declares"),
    ([("w.npy", bytes(400_000_000))], "at most"),
    ([("w.npy", header((1,)) + b"0000"), ("w.npy", header((1,)) + b"0000")], "bear one name"),
    ([("w.npy", b"no array")], "cannot be read"),
], ids=["shape bomb", "cut short", "zip bomb", "twins", "junk"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_I5_npz_that_lies_is_refused(tmp_path, members, match):
    npz(tmp_path / "a.npz", members)
    refused(tmp_path / "a.npz", match)


@pytest.mark.parametrize("entry, match", [
    ({"dtype": "F32", "shape": [2**40], "data_offsets": [0, 16]}, "cannot be read"),
    ({"dtype": "F32", "shape": [4], "data_offsets": [0, 4_000_000_000]}, "cannot be read"),
    ({"dtype": "BOOL", "shape": [16], "data_offsets": [0, 16]}, "floating-point"),
])
def test_I5_safetensors_that_lie_are_refused(tmp_path, entry, match):
    text = json.dumps({"w": entry}).encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(16))
    with pytest.raises(UntrustedError, match=match):
        formats.read(tmp_path / "a.safetensors")


def h5(path, build):
    with h5py.File(path, "w") as file:
        build(file, path)
    return path


def external_link(file, path):
    file["conv1"] = h5py.ExternalLink("/etc/hostname", "/data")


def soft_link(file, path):
    file.create_dataset("conv1/conv1/kernel:0", data=np.ones(3, "float32"))
    file["conv2"] = h5py.SoftLink("/conv1")


def external_storage(file, path):
    (path.parent / "secret").write_bytes(bytes(64))
    file.create_dataset("conv1/conv1/kernel:0", (16,), "f4", external=[(str(path.parent / "secret"), 0, 64)])


def virtual(file, path):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(str(path.parent / "secret.h5"), "data", (4,))
    file.create_virtual_dataset("conv1/conv1/kernel:0", layout)


def shape_bomb(file, path):
    file.create_dataset("conv1/conv1/kernel:0", (2**18, 2**18), "f4", chunks=(1024, 1024))


def compressed_bomb(file, path):
    file.create_dataset("conv1/conv1/kernel:0", data=np.zeros(10**7, "f4"), compression="gzip", chunks=(10**6,))


def cycle(file, path):
    file.create_group("a")["back"] = file["/"]


def texts(file, path):
    file.create_dataset("conv1/conv1/kernel:0", data=["a", "b"])


def twice(file, path):
    file.create_dataset("a/conv1/kernel:0", data=np.ones(3, "f4"))
    file.create_dataset("b/conv1/kernel:0", data=np.ones(3, "f4"))


def not_finite(file, path):
    file.create_dataset("conv1/conv1/kernel:0", data=np.array([1, np.nan], "f4"))


@pytest.mark.parametrize("build, match", [
    (external_link, "link"), (soft_link, "link"), (external_storage, "another file"), (virtual, "another file"),
    (shape_bomb, "declares"), (compressed_bomb, "declares"), (cycle, "reached twice"), (texts, "are numbers"),
    (twice, "twice"), (not_finite, "not finite")])
def test_I5_hdf5_that_points_elsewhere_or_lies_is_refused(tmp_path, build, match):
    refused(h5(tmp_path / "w.h5", build), match)


@pytest.mark.filterwarnings("ignore")
def test_I5_a_whole_model_with_a_lambda_is_not_loaded(tmp_path):
    import keras

    canary = tmp_path / "canary"
    image = keras.Input((4,))

    def spy(x, canary=str(canary)):
        open(canary, "a").close()
        return x

    model = keras.Model(image, keras.layers.Lambda(spy)(keras.layers.Dense(4)(image)))
    model.save(tmp_path / "m.h5")
    model.save(tmp_path / "m.keras")
    canary.unlink()                      # it was made as the model was
    for name in ("m.h5", "m.keras"):
        refused(tmp_path / name, "save_weights")
    assert not canary.exists()


def test_I5_a_damaged_file_is_refused(tmp_path):
    formats.save(tmp_path / "a.safetensors", ARRAYS, {})
    np.savez(tmp_path / "a.npz", **ARRAYS)
    h5(tmp_path / "a.h5", lambda file, path: file.create_dataset("c/c/kernel:0", data=np.ones(9999, "f4")))
    for name in ("a.safetensors", "a.npz", "a.h5"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-40])
        refused(path, "damaged")


def test_a_folder_or_nothing_is_refused(tmp_path):
    refused(tmp_path, "a folder")
    with pytest.raises(DataError, match="not a file"):
        formats.read(tmp_path / "no.safetensors")


def test_hdf5_of_every_age_gives_the_same_names(tmp_path):
    kernel = np.ones((1, 1, 3, 2), "f4")

    def today(file, path):
        file.create_dataset("layers/conv2d/vars/0", data=kernel)
        file["layers/conv2d/vars"].attrs["name"] = "conv1_conv"
        file.create_dataset("layers/batch_normalization_1/vars/2", data=np.zeros(2, "f4"))
        file["layers/batch_normalization_1/vars"].attrs["name"] = "conv1_bn"
        file.create_dataset("optimizer/vars/0", data=np.int64(3))

    def keras2(file, path):
        file.create_dataset("conv1_conv/conv1_conv/kernel:0", data=kernel)
        file.create_dataset("conv1_bn/conv1_bn/moving_mean:0", data=np.zeros(2, "f4"))

    def of_2016(file, path):
        file.create_dataset("conv1_conv/conv1_conv_W_1:0", data=kernel)
        file.create_dataset("conv1_bn/conv1_bn_running_mean_1:0", data=np.zeros(2, "f4"))

    for number, build in enumerate((today, keras2, of_2016)):
        arrays = formats.read(h5(tmp_path / f"{number}.h5", build)).arrays
        assert set(arrays) == {"conv1_conv/kernel", "conv1_bn/moving_mean"}


def test_a_weights_file_without_layer_names_is_refused(tmp_path):
    def nameless(file, path):
        file.create_dataset("layers/conv2d/vars/0", data=np.ones(3, "f4"))

    refused(h5(tmp_path / "w.weights.h5", nameless), "does not say which layer")
