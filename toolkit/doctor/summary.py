"""What the targets of a data set are, in numbers and in a few lines; a classification is told by its counts."""

import numpy as np

from toolkit.data.reading import count
from toolkit.data.splits import PARTS

BARS = " ▁▂▃▄▅▆▇█"
BINS = 20       # of a histogram in a line
NAMED = 50      # classes or numbers that the table has rows for, the commonest


def of(targets, part, balanced=""):
    """dict for JSON of doctor.targets.Targets and the part of each row, "" where a picture has none.

    `task`, `pictures`; `columns` and `rows` of a table of texts and whole numbers; `lines`: sentences, of which
    `balanced` is the last; further keys: the numbers behind them.
    """
    part = np.asarray(part, object)
    told = {"multi-label": _labels, "ordinal": _grades, "regression": _amounts, "detection": _boxes,
            "segmentation": _masks}[targets.task](targets, part)
    told["lines"] = [*told["lines"], *filter(None, [balanced])]
    return {"task": targets.task, "pictures": len(targets.truth), **told}


def columns_of(part):
    """The parts that there are, the unsplit last."""
    return [name for name in (*PARTS, "") if (part == name).any()]


def header(part):
    """Their titles."""
    return [name or "unsplit" for name in columns_of(part)]


def tallied(names, rows, part):
    """Rows (name, number in each part, in all); rows: the names of each picture, as often as they count."""
    place = {name: column for column, name in enumerate(columns_of(part))}
    numbers = {name: [0] * len(place) for name in names}
    for found, where in zip(rows, part):
        for name in found:
            numbers[name][place[where]] += 1
    return [(name, *numbers[name], sum(numbers[name])) for name in names]


def quartiles(values, unit="", whole=False):
    """ "1 to 9, half of them 3 to 7, median 5": of a list that holds something."""
    low, first, middle, third, high = (f"{value:.0f}" if whole else f"{value:.4g}"
                                       for value in np.quantile(np.asarray(values, float), (0, 0.25, 0.5, 0.75, 1)))
    if first == third:
        return f"{low} to {high}{unit}, most of them {middle}"
    return f"{low} to {high}{unit}, half of them {first} to {third}, median {middle}"


def five(values):
    """{"min", "q1", "median", "q3", "max"} for JSON; None where there is nothing."""
    return dict(zip(("min", "q1", "median", "q3", "max"), map(float, np.quantile(np.asarray(values, float), (
        0, 0.25, 0.5, 0.75, 1))))) if len(values) else None


def _labels(targets, part):
    names, truth = targets.names, targets.truth
    rows = tallied(names, truth, part)
    bare = sum(not found for found in truth)
    sizes = [len(found) for found in truth]
    lines = [f"{count(len(truth), 'picture')} with {count(len(names), 'label')}: {min(sizes)} to {max(sizes)} a "
             f"picture, {np.mean(sizes):.2f} on average; {bare} without any."]
    pairs = together(targets)
    if pairs:
        often = max(pairs, key=lambda pair: (pair[2], pair))
        lines.append(f"Most often together: {often[0]!r} and {often[1]!r}, in {count(often[2], 'picture')}.")
        never = [pair for pair in pairs if not pair[2]]
        if never:
            lines.append(f"Never together: {count(len(never), 'pair')} of {len(pairs)}.")
    shares = [(name, *numbers, f"{numbers[-1] / max(len(truth), 1):.1%}") for name, *numbers in rows]
    return {"columns": ["label", *header(part), "all", "share"], "rows": shares[:NAMED], "lines": lines,
            "without": bare, "labels": {name: numbers[-1] for name, *numbers in rows}}


def together(targets):
    """(name, other name, pictures that bear both) of every pair; [] where there are too many names to compare."""
    names = targets.names if len(targets.names) <= 200 else ()
    place = {name: column for column, name in enumerate(names)}
    table = np.zeros((len(targets.truth), len(names)), np.float32)
    for row, found in enumerate(targets.truth):
        table[row, [place[name] for name in found if name in place]] = 1
    both = (table.T @ table).astype(int)
    return [(a, b, int(both[place[a], place[b]])) for i, a in enumerate(names) for b in names[i + 1:]]


def _grades(targets, part):
    grades = targets.order or targets.names
    rows = tallied(grades, [(grade,) for grade in targets.truth], part)
    place = {grade: number for number, grade in enumerate(grades)}
    middle = grades[int(np.median([place[grade] for grade in targets.truth]))]
    return {"columns": ["grade", *header(part), "all"], "rows": rows,
            "lines": [f"{count(len(grades), 'grade')}, the lowest first; the median is {middle!r}."],
            "grades": {name: numbers[-1] for name, *numbers in rows}}


def _amounts(targets, part):
    values, rows = np.asarray(targets.truth, float), []
    for name in columns_of(part):
        of_part = values[part == name]
        rows.append((name or "unsplit", len(of_part), *(f"{value:.6g}" for value in np.quantile(of_part, (
            0, 0.25, 0.5, 0.75, 1)))))
    rows.append(("all", len(values), *(f"{value:.6g}" for value in np.quantile(values, (0, 0.25, 0.5, 0.75, 1)))))
    numbers = np.histogram(values, BINS)[0]
    bars = "".join(BARS[int(np.ceil(8 * number / max(numbers.max(), 1)))] for number in numbers)
    return {"columns": ["part", "pictures", "min", "quarter", "median", "three quarters", "max"], "rows": rows,
            "lines": [f"{values.min():.6g} |{bars}| {values.max():.6g}",
                      f"Mean {values.mean():.6g}, standard deviation {values.std():.6g}, "
                      f"{count(len(np.unique(values)), 'different number')}."],
            "targets": five(values), "histogram": numbers.tolist()}


def _boxes(targets, part):
    every = [[box.name for box in boxes] for boxes in targets.truth]
    flat = [box for boxes in targets.truth for box in boxes]
    numbers, bare = [len(boxes) for boxes in every], sum(not boxes for boxes in every)
    names = sorted(targets.names, key=lambda name: -sum(found.count(name) for found in every))
    showing = {name: sum(name in found for found in every) for name in names}
    rows = [(*row, showing[row[0]]) for row in tallied(names, every, part)]
    rows.append(("pictures", *((part == name).sum().item() for name in columns_of(part)), len(every), len(every)))
    lines = [f"{count(len(flat), 'box')} of {count(len(names), 'class')} in {count(len(every), 'picture')}; "
             f"{bare} without any box."]
    sides = [max((box.right - box.left) * (box.bottom - box.top), 0) ** 0.5 for box in flat]
    if flat:
        lines += [f"Boxes a picture: {quartiles(numbers, whole=True)}.",
                  f"Sizes of boxes, as the side of a square of equal area: {quartiles(sides, ' pixels')}."]
    kinds = {kind: sum(box.kind == kind for box in flat) for kind in sorted({box.kind for box in flat} - {""})}
    lines += [f"Marked as {kind}: {count(number, 'box')}." for kind, number in kinds.items()]
    return {"columns": ["boxes", *header(part), "all", "in pictures"], "rows": rows[:NAMED] + rows[NAMED:][-1:],
            "lines": lines, "boxes": {name: numbers[-2] for name, *numbers in rows[:-1]}, "without": bare,
            "boxes_a_picture": five(numbers), "sides": five(sides)}


def _masks(targets, part):
    masks = [mask if mask is not None and not mask.error else None for mask in targets.truth]
    there = [mask for mask in masks if mask is not None]
    rows = []
    for name in (*columns_of(part), None):
        found = [mask for mask, where in zip(masks, part) if name is None or where == name]
        things = sum(len(mask.numbers) for mask in found if mask)
        shares = [mask.share for mask in found if mask]
        rows.append(("all" if name is None else name or "unsplit", len(found), sum(mask is not None for mask in found),
                     *([things] if targets.meaning == "instances" else []),
                     f"{np.median(shares):.1%}" if shares else "–"))
    lines = [f"{count(len(masks), 'picture')}, {len(there)} with a mask; {_meaning(targets, there)}"]
    marked = [mask.share for mask in there if mask.numbers]
    if marked:
        low, middle, high = np.quantile(marked, (0, 0.5, 1))
        lines.append(f"What is marked takes {low:.2%} to {high:.2%} of a picture, median {middle:.2%}.")
    more, told = _things(targets, there)
    modes = {mode: sum(mask.mode == mode for mask in there) for mode in sorted({mask.mode for mask in there})}
    if modes:
        lines = [*lines, *more, "Masks are stored as " + ", ".join(f"{WORDS.get(mode, mode)} ({number})"
                                                                  for mode, number in modes.items()) + "."]
    title = ["instances"] if targets.meaning == "instances" else []
    return {"columns": ["part", "pictures", "with mask", *title, "marked, median"], "rows": rows, "lines": lines,
            "with_mask": len(there), "meaning": targets.meaning, "shares": five(marked), **told}


WORDS = {"1": "1 bit", "L": "8 bits", "P": "8 bits with a palette", "I;16": "16 bits", "I;16B": "16 bits",
         "I": "32 bits", "LA": "8 bits with alpha", "RGB": "colours", "RGBA": "colours with alpha"}


def _meaning(targets, masks):
    kinds = sorted({number for mask in masks for number in mask.numbers})
    if targets.meaning == "one":
        return f"the number {kinds[-1]} marks the one thing looked for." if len(kinds) == 1 else \
            "numbers near 255 mark the one thing looked for."
    if targets.meaning == "instances":
        return "each number in a mask is a thing of its own (an instance label image)."
    if targets.meaning == "classes":
        more = ", ..." if len(kinds) > 20 else ""
        return f"each number in a mask is a class: {', '.join(map(str, kinds[:20]))}{more}."
    return "nothing is marked."


def _things(targets, masks):
    """(lines, numbers) about what the masks mark."""
    if targets.meaning == "instances":
        numbers = [len(mask.numbers) for mask in masks]
        sizes = [size for mask in masks for size in mask.pixels]
        return [f"{count(sum(numbers), 'instance')}: {quartiles(numbers, ' a picture', True)}.",
                f"Size of one: {quartiles(sizes, ' pixels', True)}."], {
            "instances": sum(numbers), "instances_a_picture": five(numbers), "sizes": five(sizes)}
    if targets.meaning == "classes":
        kinds = sorted({number for mask in masks for number in mask.numbers})
        found = {number: [mask.pixels[mask.numbers.index(number)] for mask in masks if number in mask.numbers]
                 for number in kinds}
        return [f"Class {number}: in {count(len(sizes), 'picture')}, {sum(sizes)} pixels."
                for number, sizes in list(found.items())[:NAMED]], {
            "classes": {str(number): len(sizes) for number, sizes in found.items()}}
    pieces = [sum(mask.pieces) for mask in masks if mask.pieces] if targets.meaning == "one" else []
    clean = pieces and not any(mask.lossy for mask in masks)
    return ([f"Separate pieces: {quartiles(pieces, ' a marked picture', True)}."] if clean else []), {
        "pieces": sum(pieces) if clean else None}
