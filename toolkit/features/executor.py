"""What computes a frozen network: OpenVINO on a processor, Keras elsewhere and where OpenVINO is not installed.

Both give each picture the same answer whatever else stands in its batch: batches have one shape, the last one filled up
by repeating its last row. In bfloat16, which OpenVINO takes where the processor multiplies it (AVX-512 BF16, AMX), a
number keeps 8 bits and features take half of the time. On ultrasound pictures they differ from float32's by 0.3 to
1.5 % (root mean square over that of a stage, ResNet-18; 0.7 to 2.1 % ResNet-50) and by 1.5 and 2.9 % of the largest at
worst.
"""

import functools
import importlib
import importlib.util
import os
import sys
import types
from importlib import metadata

import numpy as np

from toolkit.errors import OptionError

BATCH, CARD_BATCH = 16, 64  # pictures that a processor and a graphics card compute at a time
LATE = ("scipy.signal", "requests")  # which Keras imports, at up to half a second, for sounds and for watching afar


class Untranslatable(Exception):
    """A layer that OpenVINO's graph has no row for."""


class Keras:
    """Computes outputs of a model by Keras itself, in `precision` (of `layers` alone, where they are given), on all
    devices that hold the model's weights."""

    gives_passed = False  # a compiler may compute a tensor otherwise where another one is asked for as well

    def __init__(self, model, precision="float32", batch=BATCH, layers=None):
        import keras

        from toolkit.training import forward

        self.model, self.batch, backend = model, batch, keras.backend.backend()
        plain = backend == "openvino" or not model.variables  # which say where their devices are
        self.run = model.predict_on_batch if plain else forward.build(model, precision, layers)
        self.identity = f"keras {keras.__version__} {backend} {precision}"

    def __call__(self, batch):
        """List of float32 arrays (batch, ...) of one batch."""
        outputs = self.run(batch)
        outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        return [np.asarray(output, np.float32) for output in outputs]


class OpenVINO:
    """Computes outputs of a Keras model by OpenVINO in `precision`, float32 or bfloat16.

    Each batch is parted among streams that share the cores, so that these wait for each other once a batch rather than
    once a layer, which takes a twentieth longer.
    """

    batch, gives_passed = BATCH, True  # it takes no longer to give what it computes on the way as well

    def __init__(self, model, precision):
        library()
        from toolkit.features import openvino_graph

        self.streams = streams()
        self.graph = openvino_graph.translate(model, self.batch // self.streams)
        self.hint = {"float32": "f32", "bfloat16": "bf16"}[precision]
        self.identity = f"openvino {metadata.version('openvino')} {precision}"
        self.outputs, self.requests = len(self.graph.outputs), []

    def __call__(self, batch):
        """List of float32 arrays (batch, ...) of one batch."""
        if not self.requests:  # where all features are kept already, never
            compiled = core().compile_model(self.graph, "CPU", {"INFERENCE_PRECISION_HINT": self.hint,
                                                                "NUM_STREAMS": str(self.streams)})
            self.requests = [compiled.create_infer_request() for _ in range(self.streams)]
        for request, part in zip(self.requests, np.split(batch, self.streams)):
            request.start_async(part, share_inputs=True)
        for request in self.requests:
            request.wait()
        return [np.concatenate([request.get_output_tensor(number).data for request in self.requests])
                for number in range(self.outputs)]


def build(model, executor="auto", precision="auto", on_gpu=False):
    """What computes the outputs of `model`, a functional model of uint8 pixels: Keras or OpenVINO.

    executor: auto, keras or openvino; precision: auto, float32 or bfloat16. Raises OptionError where they exclude each
    other or are not to be had here.
    """
    wanted = "openvino" if executor == "auto" and has_openvino() and not on_gpu else executor
    if wanted == "openvino":
        check(wanted, precision)
        fastest = "bfloat16" if has_bfloat16() else "float32"
        try:
            return OpenVINO(model, fastest if precision == "auto" else precision)
        except Untranslatable as reason:
            if executor == "openvino":
                raise OptionError(f"--executor openvino: {reason}, which is not translated; leave it out.") from None
    from toolkit.training import device

    able = on_gpu and device.of_card() == "bfloat16"
    if precision == "bfloat16" and not able:
        raise OptionError("--feature-precision bfloat16 wants --executor openvino, or a GPU that multiplies it; leave "
                          "it out.")
    return Keras(model, "bfloat16" if able and precision == "auto" else "float32" if precision == "auto" else precision,
                 CARD_BATCH if on_gpu else BATCH)


def check(executor, precision, device="auto"):
    """OptionError where executor and precision are not to be had on this processor, whatever the network."""
    if executor == "openvino" and not has_openvino():
        raise OptionError("--executor openvino: OpenVINO is not installed; pip install openvino, or leave it out.")
    if precision != "bfloat16":
        return
    if device == "cpu" and (executor == "keras" or not has_openvino()):
        raise OptionError("--feature-precision bfloat16 wants --executor openvino, or a GPU that multiplies it; leave "
                          "it out.")
    if executor == "openvino" and not has_bfloat16():
        raise OptionError("--feature-precision bfloat16: this processor does not multiply it; leave it out.")


def alone(executor, device):
    """Let Keras itself run on OpenVINO in this process, if it can: it loads in half of the time that TensorFlow takes.

    For a process that trains nothing and has not imported Keras. Keras looks for TensorFlow, JAX and scikit-learn
    wherever they are installed, though only to know their types; here they are as good as absent.
    """
    graphics = device == "auto" and any(os.path.exists(path) for path in ("/dev/nvidiactl", "/dev/kfd"))
    asked = os.environ.get("KERAS_BACKEND", "openvino") != "openvino"
    if asked or graphics or executor == "keras" or device not in ("auto", "cpu") or not has_openvino():
        return
    os.environ["KERAS_BACKEND"] = "openvino"
    sys.meta_path.insert(0, Absent())
    for name in LATE:
        sys.modules.setdefault(name, Later(name))
    core()


class Absent:
    """Finder of modules to which TensorFlow, JAX, scikit-learn and what draws on a screen are not installed."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "jax", "sklearn") or name == "matplotlib.pyplot":
            raise ModuleNotFoundError(f"{name} is not wanted in this process", name=name)


class Later(types.ModuleType):
    """Stands for a module until something in it is asked for."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def has_openvino():
    """Whether OpenVINO is installed."""
    return importlib.util.find_spec("openvino") is not None


def library():
    """The module openvino, kept from its habit of telling its maker of each import, over the network and by a fork."""
    sys.modules.setdefault("openvino_telemetry", None)
    import openvino

    return openvino


@functools.cache
def core():
    """OpenVINO's core: one for the process, Keras's calls included, in float32 unless asked otherwise, never let go.

    Each gives signals a stack of its own as it begins and puts the former one back as it ends. Where that one was
    another core's, which has ended before, the next Ctrl-C would crash the process.
    """
    found = library().Core()

    def compile_model(model, device_name="CPU", config=None):
        return found.compile_model(model, device_name, {"INFERENCE_PRECISION_HINT": "f32"} | (config or {}))

    library().compile_model = compile_model
    return found


def streams():
    """How many parts of a batch are computed side by side: 1, 2 or 4, as there are cores."""
    return max(count for count in (1, 2, 4) if count <= core().get_property("CPU", "RANGE_FOR_STREAMS")[1])


def has_bfloat16():
    """Whether the processor multiplies bfloat16."""
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def forward(compute, count, read, step=None):
    """Outputs of `compute` for `count` rows; yields (slice of rows, list of arrays that last until the next ones).

    read(rows): list of arrays of a slice of rows, one an input. Every batch has the rows that `compute` wants: the
    last one is filled up by repeating its last row. step(done, of) is called after each batch.
    """
    size = getattr(compute, "batch", BATCH)
    for start in range(0, count, size):
        rows = slice(start, min(start + size, count))
        batch = [filled(part, size) for part in read(rows)]
        outputs = compute(batch if len(batch) > 1 else batch[0])
        yield rows, [output[:rows.stop - start] for output in outputs]
        if step:
            step(rows.stop, count)


def filled(rows, size=BATCH):
    """`rows` with the last one repeated up to `size` of them."""
    short = size - len(rows)
    return np.concatenate([rows, np.repeat(rows[-1:], short, 0)]) if short else rows


def collect(compute, count, read, step=None):
    """The only output of `compute` for `count` rows (see `forward`), as one float32 array (count, ...)."""
    return np.concatenate([outputs[0].astype(np.float32) for _, outputs in forward(compute, count, read, step)])
