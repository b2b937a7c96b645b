"""A short dry run: a few pictures through each kind of work that a run does, timed.

What it computes goes to the store where a run would put it, so nothing of it is lost.
"""

import contextlib
import resource
import time
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np

from toolkit.errors import DataError
from toolkit.features.executor import BATCH
from toolkit.features.store import Store
from toolkit.steps import costs

SAMPLE = 64                 # pictures looked at,
OPENED = 16                 # decoded outside the store,
STEPS = 4                   # and steps trained, beside the first
WRITTEN = 32 << 20          # bytes
SCORED = 200                # pictures whose scores are drawn
OTHERS = 4096               # pictures among which those that are alike are sought
NEARER = 2.0                # among all, neighbours are more alike than in a sample, and compared for so much longer
clock = time.perf_counter


class Remembering(Store):
    """A store that remembers the keys that a shelf of each kind held when it was opened first.

    pictures: of all of which a run would want what is kept of a sample here, so that maps get the room they will have.
    """

    def __init__(self, *given, pictures):
        super().__init__(*given)
        self.held, self.pictures = {}, pictures

    def shelf(self, kind, depends, shapes, dtype, rows):
        rows = max(rows, self.pictures) if kind in ("pictures", "looks", "pooled") else rows
        found = super().shelf(kind, depends, shapes, dtype, rows)
        self.held.setdefault(kind, frozenset(found.places))
        return found

    def known(self, kind, keys):
        """Share of the keys that were there."""
        return float(np.mean([key in self.held.get(kind, ()) for key in keys]))


@dataclass
class Trial:
    """What is at hand: `net`, steps.learn.Network; `seen`, features.frozen.Frozen of the sample; `taken`, {name: what
    costs.Paces wants}; `memory`, bytes at most so far."""

    case: object
    net: object
    seen: object
    taken: dict
    memory: dict


def timed(function):
    """(seconds, what it gave)."""
    began = clock()
    found = function()
    return clock() - began, found


def least(function, times=2):
    """Seconds of the quickest call: whatever else the machine does only adds to it."""
    return min(timed(function)[0] for _ in range(times))


def peak():
    """Bytes that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def sampled(samples):
    """Some rows of the data, others each time: what an earlier trial has put into the store shall not deceive."""
    rows = samples.rows.iloc[np.sort(np.random.default_rng().permutation(len(samples))[:SAMPLE])]
    return replace(samples, rows=rows.reset_index(drop=True))


def pictures(chosen, samples, store):
    """(steps.look.Case of a sample, {"decode", "known", "vary"}, seconds a picture)."""
    from toolkit.pixels import batches
    from toolkit.pixels.depth import Depth
    from toolkit.steps import look
    from toolkit.tasks import classification as task

    depth, size, classes = Depth.of(chosen.depth), (chosen.size, chosen.channels, chosen.resize), samples.classes
    some = sampled(samples)

    def opened():
        return look.pictures(chosen, some, store, lambda *done: None, depth, faults=contextlib.suppress(DataError))

    found, pixels = opened()
    few = replace(found, rows=found.rows[:OPENED])
    decode = least(lambda: batches.prepare(few, *size, chosen.threads, depth=depth, frame=chosen.frames), 1) / len(few)
    part = np.full(len(found), "train", object)
    case = look.Case(found, pixels, classes, task.encode(found.rows["label"], classes), part, [], depth)
    return case, {"decode": decode, "known": timed(opened)[0] / len(some), "vary": varied(chosen, case)}


def looked(chosen, case, store, count):
    """{"look", "glance", "other", "lay", "alike"} as costs.Paces has them; `count`: pictures that a run would have."""
    from concurrent.futures import ThreadPoolExecutor

    from threadpoolctl import threadpool_limits

    from toolkit.doctor import looks, near
    from toolkit.steps import compare

    thumbnails = compare.looks(case.pixels, store, Watch(None)).thumbnails
    compare.near_of(case.pixels.shelf, store, count)    # opened, to see whether a run has filled it
    few, some = np.arange(min(OPENED, len(thumbnails))), len(thumbnails)
    means = np.resize(near.unit(near.smaller(thumbnails)), (OTHERS, near.SMALL**2))
    with threadpool_limits(1), ThreadPoolExecutor(chosen.threads) as threads:
        pairs, ways = near.candidates(thumbnails, threads)
        glance = least(lambda: near.alike(thumbnails, means, range(some), range(some))) / some
        other = least(lambda: near.alike(thumbnails, means, range(some), range(OTHERS))) / some - glance
        share = len(pairs) / some / max(1, some - 1)
        if len(pairs) < some:    # too few to tell
            pairs, ways = np.stack([np.arange(some), np.roll(np.arange(some), 1)], 1), np.zeros(some, np.int8)
        lay = NEARER * least(lambda: near.laid(thumbnails, pairs, ways, threads)) / len(pairs)
    return {"look": least(lambda: looks.measured(case.pixels, rows=few)) / len(few), "glance": glance / chosen.threads,
            "other": max(0.0, other) / OTHERS / chosen.threads, "lay": lay, "alike": share}


def varied(chosen, case):
    """Seconds in which a picture is changed for training."""
    from toolkit.pixels import batches

    square = case.pixels[np.arange(min(BATCH, len(case.pixels)))]
    rows = np.arange(len(square))
    batches.augmented(square[:1], chosen.augment, 0, 1, rows[:1], 1)  # the library is loaded
    return least(lambda: batches.augmented(square, chosen.augment, 0, 1, rows, chosen.threads)) / len(rows)


def network(chosen, case, store, run, progress):
    """A Trial with the network, its frozen features and the same in float32."""
    from toolkit.steps import learn
    from toolkit.tasks import classification as task

    seconds, net = timed(lambda: learn.network(chosen, case, task, run))
    seen = learn.features(chosen, case, net, store, run, progress)
    compute = seen.computing(seen.whole)
    pixels = np.asarray(case.pixels[np.arange(compute.batch) % len(case.pixels)])
    first, frozen = paced(compute, pixels, progress.first)
    translated, exact = timed(lambda: seen.build(net.model, "float32"))
    exact_first, exact = paced(exact, pixels)
    return Trial(case, net, seen, {"network": seconds, "first": first, "frozen": frozen,
                                   "exact_first": translated + exact_first, "exact": exact,
                                   "passed": compute.gives_passed and store.shared},
                 {"frozen": peak(), "tuned": peak()})


def paced(compute, pixels, first=None):
    """(seconds before the first batch, seconds a picture); first: seconds of the first batch, where it has been."""
    if first is None:
        first = timed(lambda: compute(pixels))[0]
    each = least(lambda: compute(pixels))
    return max(0.0, first - each), each / len(pixels)


def training(chosen, trial, plan, store):
    """Maps for the first round of `plan`, a training.stages.Plan, and a few steps of it, into what was `taken`."""
    import keras

    from toolkit.features import executor, views
    from toolkit.tasks import classification as task
    from toolkit.training import loop, stages, thaw

    net, rows, thawed = trial.net, np.arange(min(BATCH, len(trial.case.pixels))), plan.rounds[0]
    tensors, logits = views.boundary(net.model, net.stages, thawed[-1]), net.model.get_layer("head").output
    part = keras.Model(net.model.input if tensors is None else tensors, logits)
    entering = trial.case.pixels if tensors is None else trial.seen.maps(tensors, rows, 0)
    if tensors is not None:
        if plan.views > 1:  # opened, to see what the store has of it
            store.held["views"] = frozenset(trial.seen.rows("maps", tensors, rows, 1).shelf.places)
        trial.taken["map"] = least(lambda: packed(trial.seen, tensors, rows)) / len(rows)
    stages.may_move(net.model, net.stages, thawed, plan.batch_statistics)
    rates = thaw.rates(thawed, plan.learning_rate, plan.layer_decay, plan.rates)
    _, step = stages.compiled(part, net.stages, rates, task.loss(chosen.label_smoothing), 100, plan)
    numbers, classes = trial.case.numbers, len(trial.case.classes)

    def batches():
        for number in range(1 + STEPS):
            chosen = np.resize(np.roll(rows, 7 * number), plan.batch_size)
            yield (views.one_or_list(entering.read(chosen)), task.targets(numbers[chosen], classes),
                   np.ones(len(chosen), np.float32))

    before, marks = loop.weights_of(part), [clock()]
    loop.one_epoch(step, 1, batches(), lambda number, loss: marks.append(clock()), None)
    step.settle()
    each = (clock() - marks[1]) / STEPS
    loop.assign(part, before)
    held = views.judged_in(net.stages, plan.precision, part)
    batch = [executor.filled(array.astype(np.float32)) for array in entering.read(rows)]
    start, pace = paced(lambda arrays: held(views.one_or_list(arrays)), batch)
    trial.taken |= {"stage": thawed[-1], "step_first": max(0.0, marks[1] - marks[0] - each) + start, "step": each,
                    "held": pace * len(batch) / BATCH}
    trial.memory["tuned"] = peak()


def packed(seen, tensors, rows):
    """Compute maps as those of a further view are computed and packed for the store; they are not kept."""
    from toolkit.features import shards

    arrays = seen.outputs(seen.computing(tensors), seen.pictures[rows], range(len(tensors)))
    for row in range(len(rows)):
        shards.packed(arrays, row, shards.dtype_of(seen.dtype))


def smaller_things(classes, scratch):
    """{"probe", "score", "write"}: seconds of an operation, of a picture's scores, of a byte on the disk."""
    from threadpoolctl import threadpool_limits

    from toolkit.evaluation import scores
    from toolkit.training import checkpoints

    square = np.random.default_rng(0).normal(size=(512, 512))
    with threadpool_limits(1):
        probe = least(lambda: square @ square, 5) / (2 * 512**3)
    truth = np.arange(SCORED) % len(classes)
    answers = np.random.default_rng(0).dirichlet(np.ones(len(classes)), SCORED)
    score = least(lambda: scores.scores(truth, answers, classes, None, 100, 0), 1) * 10 / SCORED
    scratch.mkdir(parents=True, exist_ok=True)
    write = least(lambda: checkpoints.save(scratch / "trial.npz", {"a": np.zeros(WRITTEN // 4, np.float32)}, {}))
    return {"probe": probe, "score": 8 * score, "write": write / WRITTEN}  # of two models in two parts, and baselines


def sizes(net, dtype):
    """costs.Network of a steps.learn.Network whose features are kept as `dtype`."""
    from toolkit.features import shards, views

    number = shards.dtype_of(dtype).itemsize
    names = list(net.stages)
    work = {name: sum(map(multiply_adds, layers)) for name, layers in net.stages.items()}
    held = {name: sum(int(np.prod(v.shape)) for layer in layers for v in layer.variables)
            for name, layers in net.stages.items()}
    below, maps, parameters = {}, {}, {}
    for place, name in enumerate(names):
        tensors = views.boundary(net.model, net.stages, name) or ()
        below[name] = sum(work[other] for other in names[:place])
        maps[name] = sum(number * int(np.prod(tensor.shape[1:])) for tensor in tensors)
        parameters[name] = sum(held[other] for other in names[place:])
    features = int(net.model.get_layer("pooled").output.shape[-1])
    return costs.Network(sum(work.values()), below, maps, parameters, features)


def multiply_adds(layer):
    """Of one picture: a kernel at each place of a convolution's output; a dense layer's kernel."""
    kernel = getattr(layer, "kernel", None)
    return 0 if kernel is None else int(np.prod(kernel.shape)) * int(np.prod(layer.output.shape[1:-1]))


class Watch:
    """Stands for a run's progress and says how long the first batch of a step took."""

    def __init__(self, say):
        self.say, self.first, self.began, self.asked = say, None, None, False

    def start(self, phase, message):
        self.began, self.first = clock(), None
        return self.step

    def step(self, done, of, note=""):
        if self.first is None:
            self.first = clock() - self.began


def stand_in(say, device):
    """What the steps of a run ask of their run folder."""
    facts = {"device": device}
    return SimpleNamespace(say=say, facts=facts, note=lambda **known: facts.update(known))
