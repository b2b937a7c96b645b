"""model.keras and model.json: written, verified, loaded.

model.keras takes raw pixels 0..255, (n, height, width, channels), and gives probabilities (n, classes) in float32; it
loads in any Keras from 3.6 on, without this package. model.json beside it says what the file cannot:

    schema, toolkit, keras, oldest_keras, task, classes (in the order of the outputs)
    input          {"height", "width", "channels", "resize", "decoder", "depth", "frames"}: how a file becomes the input
    sha256         {"model.keras": ...}
    use            five lines of Python
    further facts of the run: backbone, weights, licence, temperature, thresholds, data, scores

A file from elsewhere is looked through before Keras sees it: a plain archive of three known parts, the bytes that
model.json was written for, layers of one short list, weights that fit them and lie in the file itself. Nothing in it is
executed. What was changed on purpose, model.json with it, is still limited to such a network.
"""

import hashlib
import io
import json
import math
import os
import re
import stat
import tempfile
import zipfile
from pathlib import Path

from toolkit import portable
from toolkit.errors import OptionError, ToolkitError, UntrustedError, plain
from toolkit.files import read_json, to_json, write_atomic
from toolkit.run import FILES

SCHEMA = 1
SAFE_KERAS = "3.15.1"     # earlier ones run code or read files while they load what others wrote (CVE-2025-9905,
                          # CVE-2026-0897, CVE-2026-1462, CVE-2026-12480 and more)
LARGEST_FILE = 4 * 2**30  # bytes
LARGEST_OUTPUT = 2**28    # numbers that one layer may put out for one picture
TOLERANCE = 1e-5          # between a model and its file, of the largest output
HALF_TOLERANCE = 0.05     # where the model itself computes in 16 bits, as bfloat16 keeps 8 bits of a number
USE = ("import keras, numpy as np",
       "model = keras.saving.load_model('model.keras', compile=False)",
       "pixels = np.zeros((1, {height}, {width}, {channels}), 'uint8')  # raw 0..255",
       "probabilities = model.predict(pixels)",
       "# columns: {classes}")


def export_bytes(model):
    """Bytes of the .keras file of `model`, in float32, for Keras 3.6 and later; the same for the same model."""
    return portable.pack(*portable.twin(model))


def write(folder, model, facts, check_pixels, wanted=None):
    """Path of model.keras, written with model.json into `folder` after a reloaded copy gave the model's outputs.

    facts: task, classes, input and what else is known (see above), sha256 of other files too. check_pixels: (n, height,
    width, channels), 0..255. wanted: the model's `outputs` of them, where they are known. Raises ValueError where the
    model or facts do not fit the contract, UntrustedError where the copy differs by more than 1e-5, ResourceError where
    the disk is full; nothing is kept then.
    """
    import keras

    twin, config = portable.twin(model)
    check_facts(facts, twin)
    data = portable.pack(twin, config)
    verify(model, twin, loaded(data), check_pixels, wanted)

    from toolkit import __version__

    use = [line.format(**facts["input"], classes=", ".join(map(plain, facts["classes"]))) for line in USE]
    known = {"schema": SCHEMA, "toolkit": __version__, "keras": keras.__version__, "oldest_keras": portable.OLDEST}
    hashes = {**facts.get("sha256", {}), FILES["model"]: hashlib.sha256(data).hexdigest()}
    everything = {**known, **facts, **known, "sha256": hashes, "use": use}  # known first, and not to be overridden
    path = Path(folder) / FILES["model"]
    write_atomic(path, data)
    write_atomic(path.with_name(FILES["model_facts"]), to_json(everything))
    return path


def verify(model, twin, copy, pixels, wanted=None):
    """UntrustedError where the reloaded `copy` gives other outputs than the model for whole or for fractional pixels.

    wanted: the model's outputs of `pixels`. Where the model computes in 16 bits, its outputs are near the copy's; those
    of its `twin` in float32 are equal.
    """
    import numpy as np

    exact = all(layer.compute_dtype == "float32" for layer in leaves(model))
    pixels = np.asarray(pixels, "float32")
    whole = np.clip(np.rint(pixels), 0, 255)
    for floats, asked in [(whole, whole.astype("uint8"))] + [(pixels, pixels)] * bool((whole != pixels).any()):
        known = wanted if wanted is not None and np.array_equal(floats, pixels) else outputs(model, floats)
        came = outputs(copy, asked)
        compare(known if exact else outputs(twin, floats), came, TOLERANCE)
        compare(known, came, TOLERANCE if exact else HALF_TOLERANCE)


def load(path):
    """(keras.Model, facts) of a run folder, a model.keras or a model.json, the two lying side by side under one name.

    Raises OptionError where there is none or its schema is newer, UntrustedError where it is damaged or asks for more
    than a network of Keras's own layers.
    """
    model_path, facts_path = located(Path(path))
    facts = read_facts(facts_path)
    data = read_file(model_path)
    if hashlib.sha256(data).hexdigest() != facts["sha256"][FILES["model"]]:
        raise UntrustedError(f"{model_path} is not the file that {facts_path.name} was written for (sha256 differs): "
                             "it is damaged or changed; copy both again from the run.")
    try:
        inspect(data)
        refuse_old_keras()
        model = loaded(data)
        check_facts(facts, model)
    except (ToolkitError, MemoryError):
        raise
    except Exception as error:  # a damaged file can make zipfile, h5py and Keras raise anything
        raise UntrustedError(f"{model_path} is not loaded: {reason(error)}.") from error
    return model, facts


def located(path):
    """(path of the .keras file, path of the .json file); their names are those of a run unless a file is named."""
    if path.is_dir():
        path = path / FILES["model"]
        if not path.exists() and not path.with_suffix(".json").exists():
            raise OptionError(f"{path.parent} holds no {FILES['model']}; name the folder of a run that has finished.")
    elif not path.exists():
        raise OptionError(f"{path} does not exist; name a run folder, its {FILES['model']} or {FILES['model_facts']}.")
    if path.suffix not in (".keras", ".json"):
        raise UntrustedError(f"{path} is neither .keras nor .json; files of other kinds may run code when they are "
                             f"read, so only a {FILES['model']} with its {FILES['model_facts']} is loaded.")
    pair = path.with_suffix(".keras"), path.with_suffix(".json")
    for one in pair:
        if not one.exists():
            raise UntrustedError(f"{one} is missing, and the other cannot be trusted without it; copy both files of "
                                 "the run.")
    return pair


def read_facts(path):
    """The facts in model.json, with the types that `write` gives them."""
    facts = read_json(path)
    schema = facts.get("schema")
    if type(schema) is int and schema > SCHEMA:
        raise OptionError(f"{path} has schema {schema} (toolkit {plain(facts.get('toolkit'))}); this version of the "
                          f"toolkit reads up to {SCHEMA}: install a newer one.")
    try:
        check_facts(facts)
        digest = facts["sha256"][FILES["model"]]
        if type(schema) is not int or schema != SCHEMA or not isinstance(digest, str):
            raise ValueError("schema or sha256 is wrong")
    except (ValueError, TypeError, KeyError) as error:
        raise UntrustedError(f"{path} is damaged: {reason(error)}.") from error
    return facts


def check_facts(facts, model=None):
    """ValueError, KeyError or TypeError where facts lack what `predict` reads or do not describe `model`."""
    classes, sides = facts["classes"], [facts["input"][side] for side in ("height", "width", "channels")]
    if not isinstance(facts["task"], str) or not isinstance(facts["input"].get("resize"), str):
        raise ValueError("task and input.resize must be text")
    depth = facts["input"].get("depth")
    if depth is not None and not (isinstance(depth, dict) and set(depth) == {"rule", "low", "high"}
                                  and isinstance(depth["rule"], str)
                                  and all(depth[end] is None or type(depth[end]) in (int, float)
                                          for end in ("low", "high"))):
        raise ValueError("input.depth must be a rule with its two ends")
    if not re.fullmatch(r"auto|first|middle|all|\d{1,7}", facts["input"].get("frames", "auto")):
        raise ValueError("input.frames must be auto, first, middle, all or a number")
    if not (isinstance(classes, list) and classes and all(isinstance(c, str) for c in classes)
            and len(set(classes)) == len(classes)):
        raise ValueError("classes must be a list of different names")
    if not all(type(side) is int and 1 <= side <= 2**14 for side in sides):
        raise ValueError(f"input has sides {sides}, which must be whole numbers from 1 to {2**14:,}")
    if model is not None and (model.input_shape[1:], model.output_shape[1:]) != (tuple(sides), (len(classes),)):
        raise ValueError(f"the model goes from {model.input_shape[1:]} to {model.output_shape[1:]}, but the facts say "
                         f"{tuple(sides)} and {len(classes)} classes")


def read_file(path):
    """Bytes of a regular file of at most `LARGEST_FILE` bytes, through a symbolic link too."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for a writer
        with os.fdopen(handle, "rb") as file:
            facts = os.fstat(handle)
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > LARGEST_FILE:
                raise UntrustedError(f"{path} is no file of at most {LARGEST_FILE:,} bytes; it is not loaded.")
            return file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise UntrustedError(f"{path} cannot be read: {error.strerror}.") from error


def inspect(data):
    """Raise, without Keras, where the bytes of a .keras file ask for more than a network of known layers.

    ValueError with the reason, or the error of a damaged archive, configuration or weights file.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries, parts = archive.infolist(), (portable.CONFIG, portable.METADATA, portable.WEIGHTS)
        if sorted(entry.filename for entry in entries) != sorted(parts):
            raise ValueError(f"it must hold {', '.join(parts)} and nothing else")
        if sum(entry.file_size for entry in entries) > len(data) or any(
                entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size
                or entry.flag_bits & 1 for entry in entries):
            raise ValueError("its parts must be stored as they are, neither packed nor encrypted")
        if any(entry.file_size > portable.LARGEST_CONFIG for entry in entries if entry.filename != portable.WEIGHTS):
            raise ValueError(f"its configuration is longer than {portable.LARGEST_CONFIG:,} bytes")
        config = json.loads(archive.read(portable.CONFIG))
        weights = archive.read(portable.WEIGHTS)
    for complaint in portable.complaints(config):
        raise ValueError(complaint)
    if config.get("class_name") != "Functional":
        raise ValueError("it is no functional model")
    made, held = portable.numbers_of(config), portable.stored(weights)
    if made != held:
        raise ValueError(f"its layers make {made:,} weights, but it holds {held:,}")


def refuse_old_keras():
    """OptionError where the Keras at hand is not safe for files from elsewhere."""
    from importlib.metadata import version

    from packaging.version import Version

    if Version(version("keras")) < Version(SAFE_KERAS):
        raise OptionError(f"Keras {SAFE_KERAS} or later is wanted to load a model safely, {version('keras')} is here; "
                          "run: pip install --upgrade keras")


def loaded(data):
    """keras.Model of the bytes of a .keras file; ValueError where a layer would put out more than memory holds."""
    import keras

    with tempfile.TemporaryDirectory() as folder:  # the bytes that were inspected, whatever becomes of the first file
        path = Path(folder) / FILES["model"]
        write_atomic(path, data)
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    for layer in leaves(model):
        if math.prod(side or 1 for side in layer.output.shape) > LARGEST_OUTPUT:
            raise ValueError(f"its layer {layer.name} puts out {layer.output.shape} for one picture")
    return model


def leaves(model):
    """The layers of a model and of the models in it."""
    for layer in model.layers:
        yield from leaves(layer) if hasattr(layer, "layers") else (layer,)


def outputs(model, pixels):
    """Outputs of `model` as a float64 array."""
    import keras

    if keras.backend.backend() == "openvino":  # which runs a network at once, its layers one by one ten times slower
        return model.predict_on_batch(pixels).astype("float64")
    return keras.ops.convert_to_numpy(keras.ops.cast(model(pixels, training=False), "float32")).astype("float64")


def compare(wanted, came, tolerance):
    """UntrustedError where two arrays of outputs differ by more than `tolerance` of the larger of 1 and their scale."""
    import numpy as np

    difference = np.max(np.abs(wanted - came), initial=0.0)
    if not difference <= tolerance * max(1.0, np.max(np.abs(wanted), initial=0.0)):
        raise UntrustedError(f"{FILES['model']} would differ from the model by {difference:.2g} in its outputs, more "
                             f"than {tolerance:g}; it is not kept. Report this with the options of the run.")


def reason(error):
    """The first line of an error's text, short and safe to print."""
    text = plain((str(error).splitlines() or [""])[0])[:300]
    return f"{text} is missing" if isinstance(error, KeyError) else text.rstrip(".")
