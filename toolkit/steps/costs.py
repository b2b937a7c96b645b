"""What a run will take, counted: how often each kind of work is done, times what one of it took here.

Pure arithmetic over what steps.trial measured and what training.rule decided.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from toolkit.doctor.near import NEIGHBOURS, SIDE
from toolkit.features.executor import BATCH

THUMBNAIL, PAGE = 6_000, 3_000_000  # bytes of a small picture, of a report with its figures
PAIRS = NEIGHBOURS * 5 / 6          # laid one upon the other, a picture: some are each other's neighbours
LUCK, ILL_LUCK = 0.85, 1.2          # no machine takes the same time twice


@dataclass(frozen=True)
class Paces:
    """What was measured at `size` pixels: seconds, a picture unless something else is said."""

    size: int
    start: float                # imports, until Keras is ready
    light_start: float          # the same where nothing will be trained
    listing: float              # of all pictures
    network: float              # building the network, with its weights
    decode: float               # a picture that is not in the store
    known: float                # one that is
    vary: float                 # one change for training
    first: float                # translating and compiling what computes frozen features
    frozen: float               # the whole frozen network
    exact_first: float          # these two in float32
    exact: float
    probe: float                # an operation in double precision, on one core
    score: float                # all scores with 1000 resamples
    write: float                # a byte
    look: float = 0.0           # how a picture looks
    glance: float = 0.0         # seeking those that are like a picture,
    other: float = 0.0          # more for each that there is
    lay: float = 0.0            # laying one upon the other
    alike: float = 0.0          # share, 0..1, of the others that are like a picture
    passed: bool = False        # maps of the pictures themselves come with the features, for nothing
    stage: str | None = None    # where training was tried
    map: float = 0.0            # a map that enters it, packed for the store; 0 where pictures enter
    step_first: float = 0.0     # compiling a step
    step: float = 0.0           # a step
    held: float = 0.0           # a validation picture, from its map there


@dataclass(frozen=True)
class Network:
    """What a network is made of, at the size of Paces: {stage: n} for each boundary that training may start from.

    everything: multiply-adds for a picture; below: those below a stage; map_bytes: what a picture's map that enters it
    takes in the store, 0 where pictures enter; parameters: those at and above it; features: of the probe.
    """

    everything: int
    below: dict
    map_bytes: dict
    parameters: dict
    features: int


class Counts(NamedTuple):
    """Pictures in all and in each part."""

    pictures: int
    train: int
    validation: int
    test: int


class Known(NamedTuple):
    """Shares, 0..1, of what the store has already: decoded pictures, pooled features, maps of the pictures themselves,
    looks, near duplicates, and maps of further views."""

    pictures: float = 0.0
    pooled: float = 0.0
    maps: float = 0.0
    looks: float = 0.0
    near: float = 0.0
    views: float = 0.0


class Plan(NamedTuple):
    """What a run does; rounds, epochs, patience, views and batch_size as in training.stages.Plan."""

    size: int
    channels: int
    rounds: tuple
    epochs: int
    patience: int
    views: int
    batch_size: int
    probe_only: bool
    folds: int                  # probes that are fitted once more
    resamples: int
    budget: float | None        # seconds after which tuning ends
    room: float                 # bytes that maps may take
    near: bool = True           # near duplicates are looked for


def cost(plan, paces, net, counts, known, memory):
    """{"seconds", "low", "high", "memory", "disk"} of a run; memory and disk in bytes, at most.

    low: every round ends as soon as it may; high: every epoch of every round is needed. known: of pictures of the
    plan's size. memory: {"frozen", "tuned"}, bytes that the trial took until it trained, and when it did.
    """
    paces, net = at_size(plan.size, paces, net)
    before, after = around(plan, paces, net, counts, known)
    found = {}
    for name, epochs, share, factor in (("seconds", likely(plan), 0.5, 1.0),
                                        ("low", min(plan.patience, plan.epochs), 0.0, LUCK),
                                        ("high", plan.epochs, 1.0, ILL_LUCK)):
        tuning = sum(share**number * tuned(plan, paces, net, counts, known, thawed[-1], epochs)
                     for number, thawed in enumerate(plan.rounds))  # later ones come where the first one helped
        if plan.budget is not None:
            tuning = min(tuning, max(0.0, plan.budget - before))
        found[name] = round(factor * (before + tuning + after), 1)
    return found | {"memory": int(memory_of(plan, net, counts, memory)), "disk": int(disk(plan, net, counts, known))}


def likely(plan):
    """Epochs after which a round usually ends: the best one comes early, and then patience runs out."""
    return min(plan.epochs, plan.patience + max(1, round(plan.epochs / 4)))


def at_size(size, paces, net):
    """(paces, net) at another size of pictures: what is computed for a picture, and its maps, grow with the area."""
    area = (size / paces.size) ** 2
    larger = {name: area * getattr(paces, name) for name in ("vary", "look", "frozen", "exact", "map", "step", "held")}
    return replace(paces, **larger), replace(
        net, everything=area * net.everything, below={stage: area * n for stage, n in net.below.items()},
        map_bytes={stage: area * n for stage, n in net.map_bytes.items()})


def around(plan, paces, net, counts, known):
    """Seconds before tuning, and after it."""
    measured = counts.validation + counts.test
    decode = paces.decode + plan.channels * plan.size**2 * paces.write
    read = counts.pictures * (known.pictures * paces.known + (1 - known.pictures) * decode)
    missing = counts.pictures * (1 - known.pooled)
    looked = (paces.first if missing else 0.0) + missing * (paces.frozen + 2 * net.features * paces.write)
    exact = paces.exact_first + paces.exact * (BATCH if plan.probe_only else batches(measured))
    before = ((paces.start if plan.rounds else paces.light_start) + paces.listing + paces.network + read + looked
              + compared(plan, paces, counts.pictures, known)
              + fit(counts.train, net, paces) + judged(counts.pictures, net, paces) + exact)
    again = exact + paces.held * batches(counts.validation) if plan.rounds else 0.0
    folds = plan.folds * fit(counts.pictures * (1 - 1 / max(2, plan.folds)), net, paces)
    scored = measured * paces.score * plan.resamples / 1000
    saved = 2 * paces.network + 3 * (paces.exact_first + 8 * paces.exact) + 0.3 * paces.start  # a copy is tried out
    return before, again + folds + scored + saved


def compared(plan, paces, pictures, known):
    """Seconds in which the doctor looks at pictures, and lays those that are alike one upon the other."""
    pairs = pictures * min(PAIRS, paces.alike * (pictures - 1))
    near = pictures * (paces.glance + paces.other * pictures) + pairs * paces.lay
    return (1 - known.looks) * pictures * paces.look + (plan.near and (1 - known.near) * near)


def fit(pictures, net, paces):
    """Seconds of a probe: inner products of some pictures, their directions; for many, passes over all features."""
    from toolkit.features.probe import LARGEST_SEARCH

    few = min(pictures, LARGEST_SEARCH)
    passes = 9000 * pictures * net.features if pictures > few else 0
    return paces.probe * (1.6 * few**2 * net.features + 22 * few**3 + passes + 3e9)


def judged(pictures, net, paces):
    """Seconds in which the doctor looks at labels: a probe of some pictures, whose directions the others are put to."""
    from toolkit.features.probe import LARGEST_SEARCH

    few = min(pictures, LARGEST_SEARCH)
    return fit(few, net, paces) + paces.probe * 2 * (pictures - few) * few * net.features


def tuned(plan, paces, net, counts, known, stage, epochs):
    """Seconds of a round down to `stage`: maps, compilation, steps, validation and a checkpoint after each epoch."""
    measured = net.everything - net.below[paces.stage]
    below, above = net.below[stage], net.everything - net.below[stage]
    views = kept_views(plan, net, counts, stage)
    first, further = missing_maps(min(views, epochs), counts, known)  # a view is computed when an epoch first reads it
    each = paces.map * below / net.below[paces.stage] if paces.map else paces.frozen * below / net.everything
    whole = paces.passed and stage == paces.stage  # is run for the first view, unless that came with the features
    alone = first * (known.pooled if whole else 1.0)
    seconds = paces.step_first + (paces.first if alone + further else 0.0) + further * (each + paces.vary)
    seconds += alone * (paces.frozen if whole else each) + (first + further) * net.map_bytes[stage] * paces.write
    step = paces.step / measured * (above + (0 if views else below / 3))  # backward costs twice what forward does
    fresh = 0.0 if views else plan.batch_size * paces.vary  # made while the step before runs
    check = paces.held * batches(counts.validation) * (above if views else net.everything) / measured
    saved = checkpoint(net, stage) * paces.write
    steps = max(1, counts.train // plan.batch_size)
    return seconds + (epochs + 1) * check + epochs * (steps * max(step, fresh) + saved)


def kept_views(plan, net, counts, stage):
    """Views of a picture that fit the store; 0 where pictures themselves enter the round."""
    each, names = net.map_bytes[stage], list(net.map_bytes)
    checks = counts.validation * (each + sum(net.map_bytes[name] for name in names[names.index(stage) + 1:-1]))
    return int(min(plan.views, max(0, plan.room - checks) / (each * max(1, counts.train)))) if each else 0


def missing_maps(views, counts, known):
    """Maps of a round that are to be computed, (of the pictures themselves, of further views); none where pictures
    themselves enter it."""
    if not views:
        return 0.0, 0.0
    return (1 - known.maps) * (counts.train + counts.validation), (1 - known.views) * (views - 1) * counts.train


def checkpoint(net, stage):
    """Bytes: the last weights, the best and those of the round before, and the optimizer's two numbers for each."""
    return 5 * 4 * net.parameters[stage]


def batches(pictures):
    """Pictures with those that fill up the last batch."""
    return -(-int(pictures) // BATCH) * BATCH


def memory_of(plan, net, counts, memory):
    """Bytes: what the trial took, and the larger of what the probe, and copies of the weights, add to it."""
    from toolkit.features.probe import LARGEST_SEARCH

    few, weights = min(counts.train, LARGEST_SEARCH), 4 * max(net.parameters.values())
    probe = 2 * 4 * few * net.features + 3 * 8 * few**2
    if not plan.rounds:
        return memory["frozen"] + max(probe, weights)
    return memory["tuned"] + max(probe, 2 * weights + 3 * max(checkpoint(net, stage) for *_, stage in plan.rounds))


def disk(plan, net, counts, known):
    """Bytes that come to lie on the disk: in the store, and in the run folder while it works."""
    pictures = (1 - known.pictures) * counts.pictures * plan.channels * plan.size**2
    pooled = counts.pictures * ((1 - known.pooled) * 2 * net.features + (1 - known.looks) * SIDE**2)
    maps = sum(sum(missing_maps(kept_views(plan, net, counts, stage), counts, known)) * net.map_bytes[stage]
               for *_, stage in plan.rounds)
    folder = 4 * max(net.parameters.values()) + PAGE + THUMBNAIL * (counts.validation + counts.test)
    return pictures + pooled + maps + folder + max((checkpoint(net, stage) for *_, stage in plan.rounds), default=0)
