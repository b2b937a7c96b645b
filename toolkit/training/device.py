"""The devices that compute, chosen before Keras is imported and said afterwards; and networks spread over several.

Several GPUs of one host share each batch: every one holds all weights, forms the gradients of its rows, and the sum
moves the weights everywhere alike (TensorFlow's MirroredStrategy, Keras' DataParallel on JAX; training.step).
"""

import functools
import os
import sys
import tempfile
from contextlib import contextmanager, nullcontext

from toolkit import queue
from toolkit.errors import OptionError

CPU_FACTS = "/proc/cpuinfo"
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
MIXED_BFLOAT16 = (8, 0)  # compute capability from which NVIDIA's cards multiply bfloat16


def before_import(device):
    """Environment for `device` (auto, cpu, gpu, gpu:N), effective until Keras is first imported.

    Raises OptionError where the user's CUDA_VISIBLE_DEVICES shows no card N.
    For tests TOOLKIT_VIRTUAL_DEVICES=N lets the processor stand for N devices.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its notes on libraries are none of the user's business
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if device == "cpu":
        os.environ[queue.VISIBLE] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"
    elif device.startswith("gpu:"):
        queue.narrow(device)
    flag = f"--xla_force_host_platform_device_count={processors()}"
    if processors() > 1 and flag not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip()


def processors():
    """How many devices the processor stands for: one, and more in tests alone."""
    return int(os.environ.get("TOOLKIT_VIRTUAL_DEVICES", 1))


@contextmanager
def quiet():
    """Hold back what libraries write to standard error as they start; it is shown only if they fail."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        kept = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def use(device, devices=1):
    """Names of the devices in use, such as "cpu" or "gpu:0 (NVIDIA H200), gpu:1 (NVIDIA H200)".

    Raises OptionError where an asked GPU, or one of as many `devices`, is not there.
    """
    with quiet():
        gpus = found()
    if device.startswith("gpu") and not gpus:
        raise OptionError(f"--device {device}: no such GPU is visible to {os.environ['KERAS_BACKEND']} here; "
                          "use --device auto or cpu.")
    if device.startswith("gpu:"):  # the only one that is visible now, which libraries call their first
        gpus = [name.replace("gpu:0", device, 1) for name in gpus]
    on_gpu = bool(gpus) and device != "cpu"
    there = gpus if on_gpu else processors() * ["cpu"]
    if devices > len(there):
        raise too_few(devices, there)
    return ", ".join(gpus[:devices]) if on_gpu else "cpu"


def too_few(devices, there):
    """The error for more devices than are there."""
    return OptionError(f"--devices {devices}: {os.environ.get('KERAS_BACKEND', 'Keras')} sees {len(there)} here "
                       f"({', '.join(there)}); ask for no more.")


def found():
    """Names of the GPUs that the backend sees."""
    import keras

    if keras.backend.backend() not in ("jax", "tensorflow"):
        return []
    if keras.backend.backend() == "jax":
        import jax

        return [f"gpu:{d.id} ({d.device_kind})" for d in jax.devices() if d.platform in ("gpu", "cuda", "rocm")]
    import tensorflow as tf

    processor = tf.config.list_physical_devices("CPU")[0]
    if processors() > 1 and not tf.config.get_logical_device_configuration(processor):
        part = tf.config.LogicalDeviceConfiguration()
        tf.config.set_logical_device_configuration(processor, processors() * [part])
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)  # leave the card to others too
    return [f"gpu:{n} ({tf.config.experimental.get_device_details(gpu).get('device_name', 'GPU')})"
            for n, gpu in enumerate(gpus)]


@contextmanager
def spread(devices):
    """Give a network that is built inside its weights on each of `devices` devices; one changes nothing.

    Raises OptionError where there are fewer. What is built upon such a network later needs no scope: its variables say
    where they lie (`scope_of`).
    """
    if devices == 1:
        yield
        return
    import keras

    there = logical()
    if devices > len(there):
        raise too_few(devices, there)
    jax = keras.backend.backend() == "jax"
    strategy = keras.distribution.DataParallel(devices=there[:devices]) if jax else mirrored(*there[:devices])
    with strategy.scope():
        yield


@functools.cache
def mirrored(*names):
    """TensorFlow's strategy over devices: one in a process, since two would mix up their sums."""
    import tensorflow as tf

    with quiet():
        return tf.distribute.MirroredStrategy(list(names))


def logical():
    """The backend's own names of its GPUs; of its processors where it has none."""
    import keras

    if keras.backend.backend() == "jax":
        return keras.distribution.list_devices()
    import tensorflow as tf

    def named(kind):
        return [f"{kind}:{n}" for n in range(len(tf.config.list_logical_devices(kind)))]

    return named("GPU") or named("CPU")


def strategy_of(variables):
    """TensorFlow's strategy under which Keras' `variables` were made; None where they lie on one device."""
    return getattr(variables[0].value, "distribute_strategy", None)


def scope_of(variables):
    """Context in which further variables, an optimizer's, are made to lie where Keras' `variables` do.

    On JAX values find their place in the first step.
    """
    strategy = strategy_of(variables)
    return strategy.scope() if strategy else nullcontext()


def precision(asked):
    """float32, bfloat16 or float16 to train in, where `asked` may be auto too.

    auto: 16 bits on NVIDIA's cards, bfloat16 where they multiply it, else float16 with scaled losses; bfloat16 on one
    processor that multiplies it (AVX-512 BF16, AMX) under TensorFlow, which halves the time of tuning; else float32.
    Sums over several devices would round otherwise than one device's, which in 16 bits shows.
    """
    if asked != "auto":
        return asked
    return of_card() or ("bfloat16" if processors() == 1 and processor_multiplies_bfloat16() else "float32")


def of_card():
    """The 16 bits that the first GPU of NVIDIA's multiplies, bfloat16 or float16; None where there is none."""
    able = capability()
    return able and ("bfloat16" if able >= MIXED_BFLOAT16 else "float16")


def processor_multiplies_bfloat16():
    """Whether TensorFlow computes, on a processor with instructions for bfloat16 (as Linux tells them)."""
    import keras

    if keras.backend.backend() != "tensorflow" or found():
        return False
    try:
        with open(CPU_FACTS, encoding="ascii", errors="replace") as file:
            flags = next((line.split() for line in file if line.startswith("flags")), ())
    except OSError:
        return False
    return not BFLOAT16_FLAGS.isdisjoint(flags)


def capability():
    """(major, minor) compute capability of the first GPU; None without one, or where it has none."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        able = str(getattr(jax.devices()[0], "compute_capability", ""))
        return tuple(int(part) for part in able.split(".")) if able.replace(".", "", 1).isdigit() else None
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(gpus[0]).get("compute_capability") if gpus else None
