"""The gradient of a convolution's kernel as one matrix product: on small maps in bfloat16 oneDNN is faster so.

On an AMD EPYC with AVX-512 BF16 (TensorFlow 2.21, 16 maps of 7 x 7 x 512, 3 x 3 kernel) its own kernel gradient reaches
410 billion operations a second, at stride 2 200; the product 670 and 560; forward 860. From 14 x 14 on there is little
to gain, in float32 nothing. Gathering the patches takes as much memory as the maps nine times.
"""

from contextlib import contextmanager

from toolkit.training import device

PLACES = 12 * 12  # of what comes out, up to which the product is faster


def faster(precision):
    """Whether steps in `precision` gain by it here."""
    return precision == "bfloat16" and device.processor_multiplies_bfloat16()


@contextmanager
def instead(layers):
    """Let the plain convolutions among `layers` form their kernel's gradient so, while TensorFlow traces a step."""
    import keras

    changed = [layer for layer in layers if isinstance(layer, keras.layers.Conv2D) and plain(layer)]
    for layer in changed:
        layer.convolution_op = convolution(layer.strides[0], layer.padding.upper())
    try:
        yield
    finally:
        for layer in changed:
            del layer.convolution_op


def plain(layer):
    """Whether a Conv2D gives small maps and sums over all channels, side by side or, without padding, at any stride."""
    small = layer.output.shape[1] * layer.output.shape[2] <= PLACES
    even = layer.strides[0] == layer.strides[1] and (layer.padding == "valid" or layer.strides == (1, 1))
    return small and even and (layer.dilation_rate, layer.groups) == ((1, 1), 1)


def convolution(stride, padding):
    """Keras' own convolution of (n, height, width, channels) with another way to the gradient of its kernel."""
    import tensorflow as tf

    how = {"strides": [1, stride, stride, 1], "padding": padding}

    @tf.custom_gradient
    def computed(maps, kernel):
        def gradients(upper):
            lower = tf.raw_ops.Conv2DBackpropInput(input_sizes=tf.shape(maps), filter=kernel, out_backprop=upper, **how)
            return lower, of_kernel(maps, upper, kernel.shape, stride, padding)

        return tf.nn.conv2d(maps, kernel, **how), gradients

    return lambda maps, kernel: computed(maps, tf.cast(kernel, maps.dtype))


def of_kernel(maps, upper, shape, stride, padding):
    """Gradient of a kernel of `shape` (rows, columns, channels, filters): patches transposed times `upper`."""
    import tensorflow as tf

    (rows, columns, channels, filters), (height, width) = shape, upper.shape[1:3]
    over, left = ((rows - 1) // 2, (columns - 1) // 2) if padding == "SAME" else (0, 0)
    down, across = (-(-(side + size - 1 if padding == "SAME" else side) // stride) * stride
                    for side, size in zip(maps.shape[1:3], shape))
    wide = tf.pad(maps, [[0, 0], [over, down - over - maps.shape[1]], [left, across - left - maps.shape[2]], [0, 0]])
    places = tf.reshape(wide, [-1, down // stride, stride, across // stride, stride, channels])  # slices with a step
    patches = tf.concat([places[:, row // stride:, row % stride, column // stride:, column % stride]  # are slow
                         [:, :height, :width] for row in range(rows) for column in range(columns)], axis=-1)
    product = tf.matmul(tf.reshape(patches, [-1, rows * columns * channels]), tf.reshape(upper, [-1, filters]),
                        transpose_a=True)
    return tf.reshape(product, shape)
