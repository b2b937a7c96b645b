"""Every task answers the same names, and its parts fit one another."""

import pkgutil
from importlib import import_module

import numpy as np
import pytest

from toolkit import tasks
from toolkit.evaluation.metrics import METRICS

TASKS = [import_module(f"toolkit.tasks.{found.name}") for found in pkgutil.iter_modules(tasks.__path__)]
every_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.__name__.rsplit(".", 1)[1])
CLASSES = ["b", "Ä ö", "=a"]


def test_there_is_a_task():
    assert TASKS


@every_task
def test_it_answers_every_name_with_a_sentence(task):
    for name in ("encode", "head", "loss", "targets", "sample_weights", "decode"):
        assert getattr(task, name).__doc__.strip()


@every_task
def test_labels_go_through_numbers_and_back(task):
    labels = ["=a", "b", "Ä ö", "b"]
    numbers = task.encode(labels, CLASSES)
    assert numbers.dtype == np.int32 and numbers.tolist() == [2, 0, 1, 0]
    targets = task.targets(numbers, len(CLASSES))
    assert targets.dtype == np.float32 and task.decode(targets, CLASSES) == labels


@every_task
def test_its_metrics_are_known_and_none_twice(task):
    assert set(task.METRICS) <= set(METRICS) and len(set(task.METRICS)) == len(task.METRICS)


@every_task
@pytest.mark.parametrize("stages", [1, 3])
def test_its_head_reads_the_means_of_all_stages_and_the_quarters_of_two(task, stages):
    import keras

    image = keras.Input((8, 8, 3))
    maps = {f"layer{n + 1}": keras.layers.Conv2D(n + 2, 3, 2**n, "same")(image) for n in range(stages)}
    model = keras.Model(image, task.head(maps, len(CLASSES)))
    pixels = np.random.default_rng(0).random((2, 8, 8, 3), "float32")
    seen = [np.asarray(keras.Model(image, m)(pixels)) for m in maps.values()]
    parts = [m.mean((1, 2)) for m in seen]
    for m in seen[-2:]:
        half = m.shape[1] // 2
        parts += [m[:, rows, columns].mean((1, 2)) for rows in (slice(half), slice(half, None))
                  for columns in (slice(half), slice(half, None))]
    pooled = keras.Model(image, model.get_layer("pooled").output)(pixels)
    assert np.asarray(pooled) == pytest.approx(np.concatenate(parts, 1), abs=1e-6)
    assert model.output_shape == (None, len(CLASSES)) and not np.asarray(model(pixels)).any()  # zeros say nothing yet


@every_task
def test_its_loss_smooths_the_target(task):
    targets = task.targets(task.encode(["b", "=a"], CLASSES), len(CLASSES))
    logits = np.array([[2.0, 0.0, 0.0], [0.0, 0.0, 2.0]], np.float32)
    each = np.log(np.exp(logits).sum(1, keepdims=True)) - logits
    for smoothing in (0.0, 0.3):
        wanted = ((targets * (1 - smoothing) + smoothing / 3) * each).sum(1).mean()
        assert float(task.loss(smoothing)(targets, logits)) == pytest.approx(wanted, rel=1e-5)


@every_task
def test_D6_rare_classes_weigh_more_where_asked(task):
    counts = np.array([90, 9, 1])
    numbers = np.repeat([0, 1, 2], counts)
    even = task.sample_weights(numbers, counts, balanced=True)
    assert even.dtype == np.float32 and even.mean() == pytest.approx(1.0, rel=1e-5)
    assert [even[numbers == k].sum() for k in range(3)] == pytest.approx([100 / 3] * 3, rel=1e-5)
    assert (task.sample_weights(numbers, counts, balanced=False) == 1).all()
    assert np.isfinite(task.sample_weights(np.array([0]), np.array([5, 0]), balanced=True)).all()
