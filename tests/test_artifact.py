"""model.keras and model.json: the same bytes, the same outputs, and nothing foreign executed."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from toolkit import artifact, portable
from toolkit.errors import OptionError, UntrustedError

ROOT = Path(__file__).resolve().parent.parent
SHAPE = (12, 12, 3)
FACTS = {"task": "classification", "classes": ["benign", "malignant", "=normal"],
         "input": {"height": 12, "width": 12, "channels": 3, "resize": "crop", "decoder": "1"}}
PIXELS = np.random.default_rng(0).integers(0, 256, (2, *SHAPE), dtype="uint8")


def small(nested=True):
    """A classifier of a few layers of most kinds, some named and some not, the same on every call."""
    draw = np.random.default_rng(1)
    image = keras.Input(SHAPE)
    x = layers.Conv2D(4, 3, 2, padding="same", groups=1, name="layer1.0.conv1")(image)
    x = layers.BatchNormalization(name="layer1.0.bn1")(x)
    x = layers.PReLU(shared_axes=[1, 2])(x)
    x = layers.Add()([layers.Activation("relu")(x), layers.Activation("sigmoid")(x)])
    body = keras.Model(image, x, name="body")
    pixels = keras.Input(SHAPE)
    x = layers.Rescaling([1 / 50] * 3, [-2.0, -2.1, -1.9])(pixels)
    x = body(x) if nested else layers.Conv2D(4, 3)(x)
    x = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(pixels, layers.Activation("softmax", dtype="float32")(layers.Dense(3)(x)))
    for weight in model.weights:
        weight.assign(draw.uniform(0.2, 1.0, weight.shape))
    return model


def config_of(data):
    return json.loads(zipfile.ZipFile(io.BytesIO(data)).read("config.json"))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    artifact.write(folder, small(), FACTS, PIXELS)
    return folder


@pytest.fixture
def kept(written, tmp_path):
    """Folder with a model.keras and its model.json, for the test alone."""
    for path in written.iterdir():
        shutil.copy(path, tmp_path)
    return tmp_path


def test_what_was_written_is_loaded_with_the_same_outputs_from_uint8_and_floats(kept):
    model, facts = artifact.load(kept)
    wanted = np.asarray(small()(PIXELS.astype("float32")))
    for given in (PIXELS, PIXELS.astype("float32")):
        np.testing.assert_allclose(np.asarray(model(given)), wanted, atol=1e-6)
        np.testing.assert_allclose(model.predict(given, verbose=0), wanted, atol=1e-6)
    assert facts["classes"] == FACTS["classes"] and facts["schema"] == 1 and facts["oldest_keras"] == "3.6"
    assert facts["sha256"]["model.keras"] == hashlib.sha256((kept / "model.keras").read_bytes()).hexdigest()
    assert artifact.load(kept / "model.keras")[1] == artifact.load(kept / "model.json")[1] == facts


def test_the_five_lines_in_model_json_run_where_toolkit_is_absent(kept):
    lines = json.loads((kept / "model.json").read_text())["use"]
    script = "\n".join(["import sys; sys.modules['toolkit'] = None", *lines, "print(probabilities.shape)"])
    done = subprocess.run([sys.executable, "-c", script], cwd=kept, capture_output=True, text=True)
    assert len(lines) == 5 and done.stdout.splitlines()[-1:] == ["(1, 3)"], done.stderr[-2000:]


def test_the_same_model_gives_the_same_bytes_here_and_in_another_process():
    first = artifact.export_bytes(small())
    keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.Dense(1)])  # moves Keras's running numbers on
    assert artifact.export_bytes(small()) == first
    script = ("import sys, hashlib; sys.path[:0] = ['tests', '.']; import test_artifact as t; "
              "print(hashlib.sha256(t.artifact.export_bytes(t.small())).hexdigest())")
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == hashlib.sha256(first).hexdigest(), done.stderr[-2000:]


def test_the_file_of_a_file_is_the_same_file(kept):
    data = (kept / "model.keras").read_bytes()
    assert artifact.export_bytes(artifact.load(kept)[0]) == data


def test_training_leaves_no_trace_but_the_weights():
    plain, trained = small(), small()
    trained.get_layer("body").trainable = False
    trained.compile(keras.optimizers.AdamW(0.0), "categorical_crossentropy")
    trained.fit(PIXELS, np.eye(3)[:2], verbose=0)  # at rate 0; batch statistics of the frozen body are still
    data = artifact.export_bytes(trained)
    assert data == artifact.export_bytes(plain)
    assert trained.get_layer("body").trainable is False and trained.optimizer is not None  # the model itself is left


def test_what_older_keras_refuses_is_not_in_the_file():
    text = json.dumps(config_of(artifact.export_bytes(small())))
    for key in (*portable.LATER, "shared_object_id"):
        assert f'"{key}"' not in text
    assert '"trainable": false' not in text and "AdamW" not in text


def test_named_layers_keep_their_names_and_others_are_numbered_from_the_start():
    config = config_of(artifact.export_bytes(small()))["config"]
    body = next(layer for layer in config["layers"] if layer["name"] == "body")
    assert [layer["name"] for layer in body["config"]["layers"]] == [
        "input_layer", "layer1.0.conv1", "layer1.0.bn1", "p_re_lu", "activation", "activation_1", "add"]
    assert [layer["name"] for layer in config["layers"]] == [
        "input_layer", "rescaling", "body", "global_average_pooling2d", "dropout", "dense", "activation"]


def test_a_given_name_that_looks_like_a_number_of_another_kind_stays():
    pixels = keras.Input((4,))
    x = layers.Activation("relu", name="dense")(layers.Dense(2, name="dense_7")(pixels))
    model = keras.Model(pixels, layers.Dense(2)(x))
    names = [layer["name"] for layer in config_of(artifact.export_bytes(model))["config"]["layers"]]
    assert len(set(names)) == 4 and names[2] == "dense"
    np.testing.assert_allclose(np.asarray(artifact.loaded(artifact.export_bytes(model))(np.ones((1, 4)))),
                               np.asarray(model(np.ones((1, 4)))), atol=1e-6)


def test_a_model_of_16_bits_is_kept_in_float32(tmp_path):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = small()
    finally:
        keras.config.set_dtype_policy(before)
    assert model.get_layer("body").get_layer("layer1.0.conv1").compute_dtype == "bfloat16"
    artifact.write(tmp_path, model, FACTS, PIXELS)
    copy = artifact.load(tmp_path)[0]
    assert {layer.compute_dtype for layer in artifact.leaves(copy)} == {"float32"}
    np.testing.assert_allclose(np.asarray(copy(PIXELS)), np.asarray(small()(PIXELS)), atol=1e-6)


def foreign_layer():
    class Twice(layers.Layer):
        def call(self, x):
            return 2 * x

    return Twice()


@pytest.mark.parametrize("layer", [
    foreign_layer, lambda: layers.Lambda(lambda x: x), lambda: layers.LayerNormalization(),
    lambda: layers.Dense(3, kernel_regularizer="l2")])
def test_a_layer_that_loads_nowhere_else_is_refused_before_a_file_is_made(layer, tmp_path):
    pixels = keras.Input((3,))
    with pytest.raises(ValueError, match="cannot be kept as a file"):
        artifact.write(tmp_path, keras.Model(pixels, layer()(pixels)), FACTS, np.zeros((1, 3)))
    assert not list(tmp_path.iterdir())


def test_a_bare_operation_is_refused_before_a_file_is_made():
    pixels = keras.Input(SHAPE)
    with pytest.raises(ValueError, match="GetItem"):
        artifact.export_bytes(keras.Model(pixels, layers.Flatten()(pixels[..., :2])))


@pytest.mark.parametrize("change", [
    {"classes": ["a", "b"]}, {"classes": ["a", "a", "b"]}, {"task": None},
    {"input": {**FACTS["input"], "height": 13}}, {"input": {**FACTS["input"], "resize": 1}},
    {"input": {**FACTS["input"], "depth": {"rule": "auto"}}}, {"input": {**FACTS["input"], "depth": "auto"}},
    {"input": {**FACTS["input"], "depth": {"rule": "full", "low": "0", "high": 4095}}}])
def test_facts_that_do_not_describe_the_model_are_refused(change, tmp_path):
    with pytest.raises(ValueError):
        artifact.write(tmp_path, small(), {**FACTS, **change}, PIXELS)
    assert not list(tmp_path.iterdir())


def test_a_file_whose_outputs_differ_is_not_kept(tmp_path, monkeypatch):
    other = small()
    other.layers[-2].kernel.assign(other.layers[-2].kernel * 1.01)
    data = artifact.export_bytes(other)
    monkeypatch.setattr(portable, "pack", lambda twin, config: data)
    with pytest.raises(UntrustedError, match="not kept"):
        artifact.write(tmp_path, small(), FACTS, PIXELS)
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_not_finite_is_not_kept(tmp_path):
    model = small()
    model.layers[-2].bias.assign(np.full(3, np.nan))
    with pytest.raises(UntrustedError, match="nan"):
        artifact.write(tmp_path, model, FACTS, PIXELS)
    assert not list(tmp_path.iterdir())


def test_F5_a_moved_folder_loads_and_so_does_a_link_to_it(kept, tmp_path_factory):
    place = tmp_path_factory.mktemp("elsewhere") / "Läufe (1)"
    kept.rename(place)
    link = place.with_name("link")
    link.symlink_to(place)
    for one in (place, link, place / "model.json"):
        assert artifact.load(one)[1]["classes"] == FACTS["classes"]


# Files from elsewhere. `load` must refuse before Keras is asked: `no_keras` makes that fail.

@pytest.fixture
def no_keras(monkeypatch):
    monkeypatch.setattr(artifact, "loaded", lambda data: pytest.fail("the file was handed to Keras"))


def refused(folder, match):
    with pytest.raises(UntrustedError, match=match) as caught:
        artifact.load(folder)
    assert caught.value.code == 6


def test_G5_a_flipped_bit_anywhere_is_noticed(kept, no_keras):
    path = kept / "model.keras"
    data = path.read_bytes()
    for place in np.random.default_rng(2).integers(0, len(data), 40):
        changed = bytearray(data)
        changed[place] ^= 1 << int(place) % 8
        path.write_bytes(changed)
        refused(kept, "sha256 differs")


def test_G5_a_truncated_missing_or_newer_file_is_named(kept, no_keras):
    path, facts = kept / "model.keras", kept / "model.json"
    data, text = path.read_bytes(), facts.read_text()
    path.write_bytes(data[:-1])
    refused(kept, "model.keras .*sha256 differs")
    path.unlink()
    refused(kept, "model.keras is missing")
    path.write_bytes(data)
    facts.write_text(text[:-20])
    refused(kept, "model.json is damaged")
    facts.write_text(text.replace('"schema": 1', '"schema": 2').replace('"toolkit": "', '"toolkit": "9.'))
    with pytest.raises(OptionError, match="schema 2 .toolkit 9.*install a newer one"):
        artifact.load(kept)
    facts.unlink()
    refused(kept, "model.json is missing")
    path.unlink()
    with pytest.raises(OptionError, match="holds no model.keras"):
        artifact.load(kept)
    with pytest.raises(OptionError, match="does not exist"):
        artifact.load(kept / "nothing.keras")


@pytest.mark.parametrize("key, value", [
    ("schema", "1"), ("schema", True), ("schema", None), ("classes", "abc"), ("classes", [1, 2, 3]), ("classes", []),
    ("classes", None), ("input", None), ("input", []), ("input", {"height": "12"}), ("task", 5), ("sha256", None),
    ("sha256", {}), ("sha256", {"model.keras": 5}), ("sha256", [])])
def test_I9_odd_types_in_model_json_are_damage(kept, no_keras, key, value):
    facts = json.loads((kept / "model.json").read_text())
    (kept / "model.json").write_text(json.dumps({**facts, key: value}))
    refused(kept, "model.json is damaged")


@pytest.mark.parametrize("name", ["model.h5", "model.pth", "model.pkl", "model.joblib", "model"])
def test_I5_other_formats_are_refused_unread(tmp_path, name):
    os.mkfifo(tmp_path / name)  # to read it would wait for ever
    refused(tmp_path / name, "neither .keras nor .json")


def test_a_pipe_or_folder_in_place_of_the_model_is_refused(kept, no_keras):
    (kept / "model.keras").unlink()
    os.mkfifo(kept / "model.keras")
    refused(kept, "no file of at most")
    (kept / "model.keras").unlink()
    (kept / "model.keras").mkdir()
    refused(kept, "model.keras")


def planted(folder, parts=None, config=None, weights=None, compression=zipfile.ZIP_STORED):
    """Replace the model of `folder` by one with other parts, and model.json's sha256 with it: a change on purpose."""
    with zipfile.ZipFile(folder / "model.keras") as archive:
        old = {name: archive.read(name) for name in archive.namelist()}
    if config:
        parsed = json.loads(old["config.json"])
        config(parsed)
        old["config.json"] = json.dumps(parsed).encode()
    if weights:
        file = io.BytesIO(old["model.weights.h5"])
        with h5py.File(file, "r+") as opened:
            weights(opened)
        old["model.weights.h5"] = file.getvalue()
    with zipfile.ZipFile(folder / "model.keras", "w", compression) as archive:
        for name, data in {**old, **(parts or {})}.items():
            archive.writestr(name, data)
    facts = json.loads((folder / "model.json").read_text())
    facts["sha256"]["model.keras"] = hashlib.sha256((folder / "model.keras").read_bytes()).hexdigest()
    (folder / "model.json").write_text(json.dumps(facts))


def test_what_is_planted_unchanged_loads(kept):
    planted(kept)
    assert artifact.load(kept)[1]["task"] == "classification"


def dense(config):
    return next(layer for layer in config["config"]["layers"] if layer["class_name"] == "Dense")


def lambda_layer(canary):
    pixels = keras.Input(SHAPE)
    code = f"lambda x: (open({str(canary)!r}, 'w').close(), x)[1]"
    model = keras.Model(pixels, layers.Lambda(eval(code), output_shape=SHAPE)(pixels))
    return keras.saving.serialize_keras_object(model)


def test_I5_code_in_a_lambda_is_never_run(kept, no_keras):
    canary = kept / "canary"
    made = lambda_layer(canary)
    canary.unlink(missing_ok=True)
    planted(kept, parts={"config.json": json.dumps(made)})
    refused(kept, "keras.layers.Lambda")
    assert not canary.exists()


def test_I5_a_named_function_is_never_called(kept, no_keras):
    canary = kept / "canary"
    call = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
    for place in ("activation", "kernel_initializer", "bias_constraint"):
        planted(kept, config=lambda config: dense(config)["config"].update({place: call}))
        refused(kept, "os.function")
    planted(kept, config=lambda config: dense(config).update(
        module="builtins", class_name="eval", config=f"open({str(canary)!r}, 'w')"))
    refused(kept, "builtins.eval")
    assert not canary.exists()


HOSTILE = {
    "gadget": lambda c: dense(c)["config"].update(kernel_initializer={
        "module": "keras.config", "class_name": "enable_unsafe_deserialization", "config": {},
        "registered_name": None}),
    "get_file": lambda c: dense(c)["config"].update(kernel_initializer={
        "module": "keras.utils", "class_name": "get_file", "config": {"origin": "http://127.0.0.1/"},
        "registered_name": None}),
    "saved model": lambda c: dense(c).update(class_name="TFSMLayer", config={"filepath": "/tmp"}),
    "file reader": lambda c: dense(c).update(class_name="StringLookup", config={"vocabulary": "/etc/passwd"}),
    "pickle": lambda c: dense(c).update(class_name="TorchModuleWrapper", config={"module": "gASV"}),
    "package": lambda c: dense(c).update(module="keras_hub.layers"),
    "no module": lambda c: dense(c).pop("module"),
    "registered": lambda c: dense(c).update(registered_name="evil>Dense"),
    "optimizer": lambda c: c.update(compile_config={"optimizer": {"class_name": "Adam"}}),
    "lambda value": lambda c: dense(c)["config"].update(
        activation={"class_name": "__lambda__", "config": {"value": "x"}}),
    "tensor": lambda c: dense(c)["config"].update(name="d", units={"class_name": "__tensor__", "config": {}}),
    "path in a name": lambda c: dense(c)["config"].update(name="../../x"),
    "name of no text": lambda c: dense(c)["config"].update(name=["x"]),
    "build of no shape": lambda c: dense(c).update(build_config={"file": "/etc/passwd"}),
    "huge units": lambda c: dense(c)["config"].update(units=10**12),
    "many units": lambda c: dense(c)["config"].update(units=2**23),
    "huge shape": lambda c: dense(c)["build_config"].update(input_shape=[None, 2**23]),
    "negative": lambda c: dense(c)["config"].update(units=-3),
    "one layer makes up for another": lambda c: (
        c["config"]["layers"].append({**dense(c), "config": {**dense(c)["config"], "units": -2**20}}),
        dense(c)["config"].update(units=2**20 + 3)),
    "a layer in a layer's options": lambda c: dense(c)["config"].update(activation=json.loads(json.dumps(dense(c)))),
    "text": lambda c: dense(c)["config"].update(units="3"),
    "no shape": lambda c: dense(c).pop("build_config"),
    "class of no text": lambda c: dense(c).update(class_name=["Dense"]),
    "other model": lambda c: c.update(module="keras.layers", class_name="Dense"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_I5_a_configuration_that_asks_for_more_is_refused_before_keras(kept, no_keras, kind):
    planted(kept, config=HOSTILE[kind])
    refused(kept, "is not loaded")


def test_I5_a_configuration_without_end_is_refused(kept, no_keras):
    planted(kept, parts={"config.json": "[" * 100_000})
    refused(kept, "is not loaded")
    planted(kept, parts={"config.json": '{"a":' * 90 + "1" + "}" * 90})
    refused(kept, "nested deeper")


def kernel(file):
    return file["layers/dense/vars"]


def external(file, secret):
    del kernel(file)["0"]
    kernel(file).create_dataset("0", (4, 3), "<f4", external=[(str(secret), 0, 48)])


def virtual(file, secret):
    layout = h5py.VirtualLayout((4, 3), "<f4")
    layout[:] = h5py.VirtualSource(str(secret), "x", (4, 3))
    del kernel(file)["0"]
    kernel(file).create_virtual_dataset("0", layout)


def linked(link):
    def plant(file, secret):
        del kernel(file)["0"]
        kernel(file)["0"] = link(secret)
    return plant


def packed(file, secret):
    del kernel(file)["0"]
    kernel(file).create_dataset("0", (4, 3), "<f4", chunks=(2, 3), compression="gzip")


def unbacked(file, secret):
    del kernel(file)["0"]
    kernel(file).create_dataset("0", (2**30, 2**6), "<f4")


def cycle(file, secret):
    file["layers/again"] = file["layers"]


def objects(file, secret):
    del kernel(file)["0"]
    kernel(file).create_dataset("0", data=["text"] * 12)


@pytest.mark.parametrize("plant", [
    external, virtual, packed, unbacked, cycle, objects, linked(lambda secret: h5py.ExternalLink(str(secret), "x")),
    linked(lambda secret: h5py.SoftLink("/layers/dense/vars/1"))])
def test_I5_weights_that_lie_elsewhere_or_never_end_are_refused_before_keras(kept, no_keras, plant):
    secret = kept / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["x"] = np.ones((4, 3), "float32")
    planted(kept, weights=lambda file: plant(file, secret))
    refused(kept, "its weights")


def test_I5_an_archive_of_other_parts_or_packed_is_refused(kept, no_keras):
    planted(kept, parts={"assets/x": b"1"})
    refused(kept, "nothing else")
    planted(kept, parts={"../model.weights.npz": b"1"})
    refused(kept, "nothing else")


def test_I5_a_packed_or_foreign_archive_is_refused(kept, no_keras):
    planted(kept, compression=zipfile.ZIP_DEFLATED)
    refused(kept, "neither packed nor encrypted")
    for data in (b"", b"PK\x03\x04 no zip", b"\x89HDF\r\n\x1a\n" + b"0" * 100):
        (kept / "model.keras").write_bytes(data)
        facts = json.loads((kept / "model.json").read_text())
        facts["sha256"]["model.keras"] = hashlib.sha256(data).hexdigest()
        (kept / "model.json").write_text(json.dumps(facts))
        refused(kept, "not a zip file")


def test_I5_a_layer_of_endless_output_is_refused(tmp_path):
    def widen(config):
        padding = {"name": "rescaling", "padding": [2**13, 2**13], "data_format": "channels_last"}
        config["config"]["layers"][1].update(class_name="ZeroPadding2D", config=padding)

    kept = artifact.write(tmp_path, small(nested=False), FACTS, PIXELS).parent
    planted(kept, config=widen)
    refused(kept, "puts out")


def test_damage_that_only_keras_notices_is_refused(kept):
    planted(kept, config=lambda config: dense(config)["inbound_nodes"].clear())
    refused(kept, "is not loaded")


def test_an_older_keras_does_not_load_what_others_wrote(kept, monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda name: "3.14.1")
    with pytest.raises(OptionError, match="Keras 3.15.1 or later is wanted to load a model safely, 3.14.1 is here"):
        artifact.load(kept)
