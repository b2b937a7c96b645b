"""What a model.keras may hold: Keras's own layers, in a form that Keras 3.6 and later read, the same bytes each time.

A plain save of Keras 3.15 loads in no older one, since it names every option that was added since, and it holds dates
and addresses. So the configuration is rewritten: options at their default that older versions do not know are left out,
everything is float32 and trainable, and layers that nobody named are numbered anew. The same table of layers says what
a file from elsewhere may ask Keras to make, which is checked before Keras sees it.
"""

import io
import itertools
import json
import math
import re
import tempfile
import zipfile
from collections import defaultdict
from pathlib import Path

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
OLDEST = "3.6"                     # Keras: earlier ones write the graph in another form
LARGEST_CONFIG = 16 * 2**20        # bytes
LARGEST_NUMBER = 2**24             # in a configuration: filters, sides, units
DEEPEST = 64                       # levels of a configuration or of groups in the weights
MOST_OBJECTS = 100_000             # groups and data sets in the weights
LATER = {                          # options that older versions refuse, with the value that says nothing new
    "input_axes": None, "output_axes": None, "quantization_config": None, "optional": False, "antialias": False,
    "synchronized": False, "renorm": False, "renorm_clipping": None, "renorm_momentum": 0.99,
}
RANDOM = ("Dropout", "SpatialDropout2D")  # they keep a seed among the weights; at prediction it is without effect
BUILT_IN = {
    "keras": {"DTypePolicy"},
    "keras.src.models.functional": {"Functional"},
    "keras.initializers": {
        "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Ones", "RandomNormal", "TruncatedNormal",
        "VarianceScaling", "Zeros"},
    "keras.layers": {
        "Activation", "Add", "AveragePooling2D", "BatchNormalization", "Concatenate", "Conv2D", "Cropping2D", "Dense",
        "Dropout", "Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "Identity", "InputLayer", "MaxPooling2D",
        "Multiply", "PReLU", "ReLU", "Rescaling", "Softmax", "SpatialDropout2D", "ZeroPadding2D"},
}
NUMBERS = {  # how many weights a layer makes, from its configuration and the shape it was built on
    "Conv2D": lambda c, shape: c["filters"] * (
        math.prod(c["kernel_size"]) * shape[-1] // c["groups"] + c["use_bias"]),
    "Dense": lambda c, shape: c["units"] * (shape[-1] + c["use_bias"]),
    "BatchNormalization": lambda c, shape: shape[c["axis"]] * (2 + c["scale"] + c["center"]),
    "PReLU": lambda c, shape: math.prod(1 if i in (c["shared_axes"] or ()) else n for i, n in enumerate(shape) if i),
}


def twin(model):
    """(keras.Model, its configuration as JSON): `model` in float32, built from the portable configuration.

    model: functional or sequential, one input and one output, of layers in `BUILT_IN`; ValueError names any other,
    since no file of it would load elsewhere.
    """
    import keras

    plain = keras.Model(model.input, model.output, name="model")  # without optimizer and loss
    config = portable(json.loads(json.dumps(keras.saving.serialize_keras_object(plain))))
    names = renumber(config)
    config["compile_config"] = None
    for complaint in complaints(config):
        raise ValueError(f"{model.name} cannot be kept as a file: {complaint}.")
    text = json.dumps(config)
    made = keras.saving.deserialize_keras_object(blank(config), safe_mode=True)
    copy_weights(plain, made, names)
    return made, text


def blank(part):
    """A configuration whose layers begin from zeros: random numbers for a whole network take a fifth of a second."""
    if isinstance(part, list):
        return [blank(one) for one in part]
    if not isinstance(part, dict):
        return part
    return {key: "zeros" if key == "kernel_initializer" else blank(value) for key, value in part.items()}


def pack(made, config):
    """Bytes of the .keras file of a model and configuration from `twin`; the same for the same model."""
    import keras

    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / WEIGHTS
        made.save_weights(weights)
        parts = {
            METADATA: json.dumps({"keras_version": keras.__version__, "date_saved": "1980-01-01@00:00:00"}).encode(),
            CONFIG: config.encode(),
            WEIGHTS: weights.read_bytes(),
        }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in parts.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # else they tell the system it was written on
            archive.writestr(entry, data)
    return file.getvalue()


def portable(part):
    """`part` of a configuration without what is new, bound to a process or to training."""
    if isinstance(part, list):
        return [portable(one) for one in part]
    if not isinstance(part, dict):
        return part
    part = {key: portable(value) for key, value in part.items()
            if key != "shared_object_id" and not (key in LATER and value == LATER[key])}
    if "trainable" in part:
        part["trainable"] = True
    if isinstance(part.get("dtype"), str):
        part["dtype"] = "float32"
    if part.get("class_name") == "DTypePolicy":
        part["config"] = {"name": "float32"}
    if part.get("class_name") in RANDOM:
        part["config"]["seed"] = 0
    return part


def renumber(config):
    """Name afresh, in place, each layer that bears only Keras's running number, which tells what was built before it.

    Returns {old name: (new name, the same of a model within the model or None)}.
    """
    layers = config["config"]["layers"]
    stems = {layer["name"]: re.sub(r"_\d+$", "", layer["name"]) for layer in layers}
    given = {layer["name"] for layer in layers if stems[layer["name"]].replace("_", "") != layer["class_name"].lower()}
    numbers = defaultdict(itertools.count)
    names = {}
    for name, stem in stems.items():
        fresh = (f"{stem}_{n}" if n else stem for n in numbers[stem])
        names[name] = name if name in given else next(new for new in fresh if new not in given)
    inner = {layer["name"]: renumber(layer) for layer in layers if layer["class_name"] == "Functional"}
    for layer in layers:
        layer["name"] = layer["config"]["name"] = names[layer["name"]]
        rename(layer["inbound_nodes"], names)
    rename(config["config"]["input_layers"], names)
    rename(config["config"]["output_layers"], names)
    return {name: (new, inner.get(name)) for name, new in names.items()}


def rename(part, names):
    """Put new names, in place, where `part` of a configuration says which layer a tensor comes from: [name, 0, 0]."""
    if isinstance(part, list) and len(part) == 3 and isinstance(part[0], str):
        part[0] = names[part[0]]
    elif isinstance(part, (list, dict)):
        for one in part if isinstance(part, list) else part.values():
            rename(one, names)


def sources(known):
    """Names of the layers that feed a layer of a configuration, in order."""
    found = []

    def walk(part):
        if isinstance(part, dict) and part.get("class_name") == "__keras_tensor__":
            found.append(part["config"]["keras_history"][0])
        else:
            for inner in part.values() if isinstance(part, dict) else part if isinstance(part, (list, tuple)) else ():
                walk(inner)

    walk(known["inbound_nodes"])
    return found


def copy_weights(source, target, names):
    """Fill `target` with the weights of `source`, layer by layer."""
    for layer in source.layers:
        new, inner = names[layer.name]
        if inner:
            copy_weights(layer, target.get_layer(new), inner)
            continue
        for old, weight in zip(layer.weights, target.get_layer(new).weights, strict=True):
            weight.assign(old.value)


def complaints(part, level=0):
    """What in a configuration is not a plain network of the layers in `BUILT_IN`, one sentence each."""
    if level > DEEPEST:
        yield f"its configuration is nested deeper than {DEEPEST} levels"
    elif isinstance(part, list):
        for one in part:
            yield from complaints(one, level + 1)
    elif isinstance(part, dict):
        yield from complaints_of_class(part)
        for key, value in part.items():
            if key == "name" and not (isinstance(value, str) and re.fullmatch(r"(?!.*\.\.)[^/\\]{1,200}", value)):
                yield f"{str(value)[:100]!r} is no name of a layer"
            yield from complaints(value, level + 1)
    elif isinstance(part, (int, float)) and abs(part) > LARGEST_NUMBER:
        yield f"its configuration asks for {part}, more than {LARGEST_NUMBER:,}"


def complaints_of_class(part):
    """Why an object that a configuration names must not be made."""
    name, module = part.get("class_name"), part.get("module")
    if "class_name" not in part and not {"module", "registered_name"} & part.keys():
        return
    if name == "__keras_tensor__" and module is None:
        return
    if not (isinstance(name, str) and isinstance(module, str) and name in BUILT_IN.get(module, ())):
        yield f"it asks for {str(module)[:100]}.{str(name)[:100]}, which is none of the layers of Keras that it may use"
    elif part.get("registered_name") not in (None, name):
        yield f"it registers {name} as {str(part['registered_name'])[:100]!r}"
    elif part.get("build_config") is not None and set(part["build_config"]) - {"input_shape"}:
        yield f"{name} is built from more than a shape"
    elif part.get("compile_config"):
        yield "it holds an optimizer or a loss"


def numbers_of(part):
    """How many weights the layers in a configuration make; ValueError, KeyError and the like where it is damaged."""
    if isinstance(part, list):
        return sum(numbers_of(one) for one in part)
    if not isinstance(part, dict):
        return 0
    made = 0
    if part.get("module") == "keras.layers" and part["class_name"] in NUMBERS:
        made = NUMBERS[part["class_name"]](part["config"], part["build_config"]["input_shape"])
        if type(made) is not int or made < 0:  # one layer's share must not make up for another's
            raise ValueError(f"its {part['class_name']} makes {made} weights")
    return made + sum(numbers_of(one) for one in part.values())


def stored(weights):
    """How many float32 numbers the bytes of a weights file hold.

    Raises ValueError for links, data that lies in other files, compressed data, other types, and shapes larger than the
    file, all of which a save of Keras never writes; OSError where it is damaged.
    """
    import h5py

    total, met = 0, 0
    with h5py.File(io.BytesIO(weights), "r") as file:
        groups = [(file, 0)]
        while groups:
            group, level = groups.pop()
            for name in group:
                met += 1
                if met > MOST_OBJECTS or level > DEEPEST:
                    raise ValueError("its weights are nested without end")
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise ValueError("its weights hold a link to another place")
                found = group[name]
                if isinstance(found, h5py.Group):
                    groups.append((found, level + 1))
                    continue
                if not isinstance(found, h5py.Dataset) or found.is_virtual or found.external or found.chunks:
                    raise ValueError("its weights are not stored plainly")
                if found.dtype not in ("<f4", "<u4") or found.nbytes > len(weights):
                    raise ValueError("its weights are no float32 numbers or larger than the file")
                total += found.size if found.dtype == "<f4" else 0
    if 4 * total > len(weights):
        raise ValueError("its weights claim more than the file holds")
    return total
