"""How long and how deep to tune, from the number of training pictures alone, where the user does not say.

    epochs a round    4000 / pictures, between 4 and 12: some 250 steps of 16
    views a picture   2400 / pictures, between 1 and 4, no more than epochs: fewer pictures are varied more; and no more
                      than fit the store, or a quarter of the time that a time budget has left; but 2 at least where
                      --augment is medium or strong, if they take no more than half of that time
    1 view            is the picture itself: pictures are not varied; --cache-views 2 or more, or 0, varies them
    stages            layer4; from 1000 pictures on layer3 too, from 4000 layer2 and from 8000 the whole network, each
                      only if the one before helped
    random weights    all stages at once, batch statistics moving, five times the epochs (at most 60)

A round ends early when validation stops improving, so these are upper bounds of what a run costs.
"""

DEEPER = (1000, 4000, 8000)  # pictures from which a second stage is tuned, a third, and all


def epochs(pictures, random_weights=False):
    """Passes over the training pictures in each round."""
    usual = min(12, max(4, round(4000 / max(1, pictures))))
    return min(60, 5 * usual) if random_weights else usual


def views(pictures, epochs, pace=None, left=None, least=1):
    """Views kept of a picture, the first one unvaried; `pace`: seconds to compute one, `left`: of the time budget.

    least: views that are wanted in any case, but that of a time budget they leave half.
    """
    usual = min(4, epochs, max(least, round(2400 / max(1, pictures))))
    if not (pace and left):
        return usual
    share = pace * pictures / left  # of the time left, that a view takes
    return min(usual, max(1, int(1 / 4 / share), least if least * share <= 1 / 2 else 1))


def rounds(stages, pictures, train_from="auto", random_weights=False):
    """What each round thaws, uppermost first, such as (("head", "layer4"), ("head", "layer4", "layer3")).

    stages: names in a picture's order, "stem" first and "head" last.
    """
    downward = list(reversed(stages))
    if train_from == "all" or (train_from == "auto" and random_weights):
        return (tuple(downward),)
    if train_from == "head":
        return ()
    many = sum(pictures >= least for least in DEEPER)
    depth = 1 + min(many, 2) if train_from == "auto" else downward.index(train_from)
    found = [tuple(downward[:n + 1]) for n in range(1, depth + 1)]
    whole = (tuple(downward),) if train_from == "auto" and many == len(DEEPER) else ()
    return tuple(dict.fromkeys((*found, *whole)))  # a network of few stages comes to its last one sooner
