"""What a model must beat: the answer that looks at no picture."""

import numpy as np

from toolkit.evaluation.scores import scores


def majority(train_truth, truth, classes, groups=None, resamples=1000, seed=0):
    """Scores of always answering with the biggest class of the training part, its probabilities their shares there.

    train_truth int (m,), truth int (n,); the rest as in `scores`. Gives the block of `scores` and "class", the
    answer. (scikit-learn: DummyClassifier(strategy="prior").)
    """
    if not len(train_truth):
        raise ValueError("the majority class needs at least one training picture.")
    counts = np.bincount(np.asarray(train_truth, dtype=np.int64), minlength=len(classes))
    probabilities = np.tile(counts / counts.sum(), (len(truth), 1))
    block = scores(truth, probabilities, classes, groups, resamples, seed)
    return {"class": str(classes[int(counts.argmax())])} | block
