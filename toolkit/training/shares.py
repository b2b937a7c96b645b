"""A batch's rows shared out over the devices that hold a network's weights (see device.spread); one takes them all."""

import numpy as np

from toolkit.training import device


def build(variables):
    """What puts batches where Keras' `variables` lie.

    `devices`: how many. `place(batch)`: a structure of arrays (n, ...), n a multiple of the devices, as the backend's
    arrays, each device's rows on it; in any thread.
    """
    import keras

    return (Jax if keras.backend.backend() == "jax" else TensorFlow)(variables)


def filled(batch, devices):
    """`batch`, a structure of arrays (n, ...), with its last row repeated until `devices` can share the rows evenly."""
    import keras

    missing = -len(keras.tree.flatten(batch)[0]) % devices
    if not missing:
        return batch
    return keras.tree.map_structure(lambda part: np.concatenate([part, np.repeat(part[-1:], missing, 0)]), batch)


def as_float(inputs):
    """Inputs as the float32 that every model here takes; bytes and half floats travel to a GPU as they are."""
    from keras import ops, tree

    return tree.map_structure(lambda part: ops.cast(part, "float32"), inputs)


class TensorFlow:
    """Rows on the replicas of the strategy under which the variables were made."""

    def __init__(self, variables):
        self.strategy = device.strategy_of(variables)
        self.devices = self.strategy.num_replicas_in_sync if self.strategy else 1

    def place(self, batch):
        import keras
        import tensorflow as tf

        def placed(array):
            if self.devices == 1:
                return tf.convert_to_tensor(array)
            parts = np.split(array, self.devices)

            def on(replica):
                number = replica.replica_id_in_sync_group
                with tf.device(self.strategy.extended.worker_devices[number]):
                    return tf.convert_to_tensor(parts[number])

            return self.strategy.experimental_distribute_values_from_function(on)

        return keras.tree.map_structure(placed, batch)

    def run(self, function, batch):
        """function(*batch) on each device with its rows."""
        return function(*batch) if self.devices == 1 else self.strategy.run(function, args=batch)

    def gathered(self, output):
        """An output of `run` as one array, its rows in order."""
        parts = [output] if self.devices == 1 else self.strategy.experimental_local_results(output)
        return np.concatenate([part.numpy() for part in parts])


class Jax:
    """Rows on the devices of the mesh that holds the variables; XLA shares out the computation by itself."""

    def __init__(self, variables):
        import jax

        held = variables[0].value.sharding
        self.devices = len(held.device_set)
        self.whole = self.rows = held
        if self.devices > 1:
            mesh, spec = held.mesh, jax.sharding.PartitionSpec
            self.whole = jax.sharding.NamedSharding(mesh, spec())
            self.rows = jax.sharding.NamedSharding(mesh, spec(mesh.axis_names[0]))

    def place(self, batch):
        import jax

        return jax.device_put(batch, self.rows)

    def gathered(self, output):
        """An output as one array of NumPy."""
        return np.asarray(output)
