"""Runs a frozen network over pictures, batch by batch."""

import numpy as np


def forward(model, inputs, batch_size=32, step=None):
    """Outputs of `model` for all rows of `inputs`, a list of arrays (n, ...); yields (rows, list of outputs).

    The last batch is filled up by repeating its last row, so that every batch has one shape and is compiled once.
    `step(done, of)` is called after each batch.
    """
    total = len(inputs[0])
    for start in range(0, total, batch_size):
        rows = slice(start, min(start + batch_size, total))
        short = batch_size - (rows.stop - rows.start)
        batch = [part[rows] for part in inputs]
        if short:
            batch = [np.concatenate([part, np.repeat(part[-1:], short, 0)]) for part in batch]
        outputs = model.predict_on_batch(batch if len(batch) > 1 else batch[0])
        outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        yield rows, [np.asarray(output)[:rows.stop - start] for output in outputs]
        if step:
            step(rows.stop, total)


def collect(model, inputs, batch_size=32, step=None):
    """The outputs of `forward` as one float32 array (n, ...), for a model of one output."""
    return np.concatenate([outputs[0] for _, outputs in forward(model, inputs, batch_size, step)])
