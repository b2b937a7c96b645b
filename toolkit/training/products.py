"""The gradient of a convolution's kernel as one matrix product: on small maps in bfloat16 oneDNN is faster so.

On an AMD EPYC with AVX-512 BF16 (TensorFlow 2.21, 16 maps of 7 x 7 x 512, 3 x 3 kernel) its own kernel gradient reaches
410 billion operations a second, the product 670, forward 860; from 14 x 14 on the convolution is as fast. In float32
the product never is. Gathering the patches takes as much memory as the maps nine times.
"""

from contextlib import contextmanager

from toolkit.training import device

PLACES = 12 * 12  # of a map, up to which the product is faster


def faster(precision):
    """Whether steps in `precision` gain by it here."""
    return precision == "bfloat16" and device.processor_multiplies_bfloat16()


@contextmanager
def instead(layers):
    """Let the plain convolutions among `layers` form their kernel's gradient so, while TensorFlow traces a step."""
    import keras

    changed = [layer for layer in layers if isinstance(layer, keras.layers.Conv2D) and plain(layer)]
    for layer in changed:
        layer.convolution_op = convolution
    try:
        yield
    finally:
        for layer in changed:
            del layer.convolution_op


def plain(layer):
    """Whether a Conv2D moves by one, keeps the size of its maps, and sums over all of their channels."""
    small = layer.input.shape[1] * layer.input.shape[2] <= PLACES
    return small and (layer.strides, layer.dilation_rate, layer.groups, layer.padding) == ((1, 1), (1, 1), 1, "same")


def convolution(maps, kernel):
    """Keras' own convolution of (n, height, width, channels) with another way to the gradient of its kernel."""
    import tensorflow as tf

    @tf.custom_gradient
    def computed(maps, kernel):
        def gradients(upper):
            lower = tf.raw_ops.Conv2DBackpropInput(input_sizes=tf.shape(maps), filter=kernel, out_backprop=upper,
                                                   strides=[1, 1, 1, 1], padding="SAME")
            return lower, of_kernel(maps, upper, kernel.shape)

        return tf.nn.conv2d(maps, kernel, 1, "SAME"), gradients

    return computed(maps, tf.cast(kernel, maps.dtype))


def of_kernel(maps, upper, shape):
    """Gradient of a kernel of `shape` (rows, columns, channels, filters): patches transposed times `upper`."""
    import tensorflow as tf

    (rows, columns, channels, filters), (height, width) = shape, maps.shape[1:3]
    over, left = (rows - 1) // 2, (columns - 1) // 2  # as SAME pads
    wide = tf.pad(maps, [[0, 0], [over, rows - 1 - over], [left, columns - 1 - left], [0, 0]])
    patches = tf.concat([wide[:, row:row + height, column:column + width] for row in range(rows)
                         for column in range(columns)], axis=-1)
    product = tf.matmul(tf.reshape(patches, [-1, rows * columns * channels]), tf.reshape(upper, [-1, filters]),
                        transpose_a=True)
    return tf.reshape(product, shape)
