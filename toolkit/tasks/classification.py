"""One class a picture.

A task answers: `encode` labels to numbers, `head` from stage outputs to logits, `loss`, `decode` outputs to labels, and
`METRICS`, the scores that its reports show, the deciding one first.
"""

import numpy as np

METRICS = ("roc_auc", "balanced_accuracy", "accuracy", "f1_macro", "average_precision", "log_loss", "brier", "ece")


def encode(labels, classes):
    """int32 (n,) of class numbers, by the order of `classes`."""
    number = {name: i for i, name in enumerate(classes)}
    return np.array([number[label] for label in labels], np.int32)


def head(stage_outputs, classes):
    """Logits (batch, classes) from the means of every stage's last map: low stages carry texture, high ones shape.

    Means of all stages transfer better to a linear read-out than the last alone (Head2Toe, arXiv:2201.03529).
    Layers: `pooled`, the concatenated means, and `head`, the read-out.
    """
    from keras import layers

    means = [layers.GlobalAveragePooling2D(data_format="channels_last", name=f"mean.{stage}")(output)
             for stage, output in stage_outputs.items()]
    pooled = layers.Concatenate(name="pooled")(means) if len(means) > 1 else layers.Identity(name="pooled")(means[0])
    return layers.Dense(classes, kernel_initializer="zeros", dtype="float32", name="head")(pooled)


def loss(label_smoothing):
    """Cross-entropy of logits against one-hot targets of which `label_smoothing` is spread over all classes."""
    import keras

    return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing)


def targets(numbers, classes):
    """One-hot float32 (n, classes)."""
    return np.eye(classes, dtype=np.float32)[numbers]


def sample_weights(numbers, counts, balanced):
    """float32 (n,), mean 1 over the training pictures, whose classes have `counts`.

    balanced: each class weighs the same in all, so one of a tenth of the pictures weighs tenfold.
    """
    if not balanced:
        return np.ones(len(numbers), np.float32)
    return (counts.sum() / len(counts) / np.maximum(counts, 1))[numbers].astype(np.float32)


def decode(probabilities, classes):
    """The most probable class's name for each row."""
    return [classes[i] for i in np.argmax(probabilities, axis=1)]
