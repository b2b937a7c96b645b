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
    """Logits (batch, classes) read off every stage's last map, {stage: map}, lowest first.

    Each map gives its means: low stages carry texture, high ones shape, and all together transfer better to a linear
    read-out than the last alone (Head2Toe, arXiv:2201.03529). The two highest give the means of their four quarters
    too, so that the read-out knows above from below, as ultrasound, X-rays and castings need (the first level of a
    spatial pyramid, Lazebnik et al. 2006). Layers: `mean.STAGE`, `quarters.STAGE`, `pooled` and `head`.
    """
    from keras import layers

    parts = [layers.GlobalAveragePooling2D(data_format="channels_last", name=f"mean.{stage}")(output)
             for stage, output in stage_outputs.items()]
    for stage in list(stage_outputs)[-2:]:
        height, width = stage_outputs[stage].shape[1:3]
        if min(height, width) > 1:
            quarters = layers.AveragePooling2D((height - height // 2, width - width // 2), (height // 2, width // 2),
                                               data_format="channels_last", name=f"quarters.{stage}.maps")
            parts.append(layers.Flatten(name=f"quarters.{stage}")(quarters(stage_outputs[stage])))
    pooled = layers.Concatenate(name="pooled")(parts) if len(parts) > 1 else layers.Identity(name="pooled")(parts[0])
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
