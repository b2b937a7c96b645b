"""The device that computes, chosen before Keras is imported and said afterwards."""

import os
import sys
import tempfile
from contextlib import contextmanager

from toolkit.errors import OptionError


def before_import(device):
    """Environment for `device` (auto, cpu, gpu, gpu:N), effective until Keras is first imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its notes on libraries are none of the user's business
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"
    elif device.startswith("gpu:"):
        os.environ["CUDA_VISIBLE_DEVICES"] = device.split(":")[1]


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


def use(device):
    """Name of the device in use, such as "cpu" or "gpu:0 (NVIDIA H200)".

    Raises OptionError where an asked GPU is not there.
    """
    with quiet():
        gpus = found()
    if device.startswith("gpu") and not gpus:
        raise OptionError(f"--device {device}: no such GPU is visible to {os.environ['KERAS_BACKEND']} here; "
                          "use --device auto or cpu.")
    return gpus[0] if gpus and device != "cpu" else "cpu"


def found():
    """Names of the GPUs that the backend sees."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return [f"gpu:{d.id} ({d.device_kind})" for d in jax.devices() if d.platform in ("gpu", "cuda", "rocm")]
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)  # leave the card to others too
    return [f"gpu:{n} ({tf.config.experimental.get_device_details(gpu).get('device_name', 'GPU')})"
            for n, gpu in enumerate(gpus)]
