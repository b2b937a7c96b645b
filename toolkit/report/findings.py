"""Findings about data as a reader meets them: what is wrong, what to do, and the pictures that show it.

A finding is a dict {"check", "severity": "error" | "warning" | "note", "sentence", "remedy", "pictures": paths,
"bundles": lists of paths that belong together, "scores": a number a picture, "suggested": a class a picture}, of which
all but severity and sentence may be missing. To show pictures, facts also hold
    about     {path: {"label": class, "part": str}} of the pictures that are named
    picture   function: path -> JPEG bytes, or None where there is none
The pictures of a page take no more than `most` bytes, whatever the data: every finding gets some before any gets more.
"""

import base64

from toolkit.errors import plain

ORDER = {"error": 0, "warning": 1}
ROWS, WIDE = 24, 6       # pictures, or bundles, of a finding; pictures of a bundle
FILES = 100              # names of a finding that are listed
LONGEST = 160            # characters of a name
FINDINGS = 100           # shown; there are some thirty checks


def view(facts, most, rows=ROWS):
    """The findings of `facts` as the template shows them, gravest first.

    most: bytes of all pictures together; rows: pictures or bundles of a finding, at most.
    """
    found = sorted(facts.get("findings") or [], key=lambda row: ORDER.get(row.get("severity"), 2))[:FINDINGS]
    shown = [described(row, facts.get("about") or {}, rows) for row in found]
    illustrate(shown, facts.get("picture"), most)
    return shown


def described(row, about, rows):
    """One finding with its first cards: bundles, or single pictures, each picture with its words."""
    paths, bundles = list(row.get("pictures") or ()), [list(one) for one in row.get("bundles") or ()]
    scores, better = list(row.get("scores") or ()), list(row.get("suggested") or ())
    told = {path: (scores[n] if n < len(scores) else None, better[n] if n < len(better) else "")
            for n, path in enumerate(paths)}
    cards = [{"pictures": [card(path, about, told) for path in one[:WIDE]], "more": max(0, len(one) - WIDE),
              "mixed": classes(one, about)} for one in (bundles or [[path] for path in paths])[:rows]]
    severity = row["severity"] if row.get("severity") in ORDER else "note"
    return {"check": row.get("check") or "", "severity": severity, "sentence": row.get("sentence") or "",
            "remedy": row.get("remedy") or "", "count": len(paths), "bundled": bool(bundles), "cards": cards,
            "of": len(bundles or paths), "files": [shortened(path) for path in paths[:FILES]],
            "more_files": max(0, len(paths) - FILES)}


def card(path, about, told):
    """A picture's words: its class and part, what a finding says of it, its name."""
    facts, (score, better) = about.get(path, {}), told.get(path, (None, ""))
    label, part = plain(facts.get("label", "")), plain(facts.get("part", ""))
    return {"path": shortened(path), "name": path, "label": shortened(label, 60), "part": part,
            "said": judged(label, plain(better), score), "better": bool(better) and better != label, "src": ""}


def classes(bundle, about):
    """How many classes the pictures of a bundle are under; 0 where it is one."""
    found = len({about[path].get("label") for path in bundle if path in about})
    return found if found > 1 else 0


def judged(label, better, score):
    """What a score says, in words: "labelled benign, looks like malignant, 3 % for its label"."""
    if better and better != label:
        said = f"labelled {shortened(label, 60)}, looks like {shortened(better, 60)}"
        return said + (f", {100 * (1 - score):.0f} % for its label" if known(score) and score <= 1 else "")
    return f"score {score:.3g}" if known(score) else ""


def known(score):
    """Whether a score is a number that can be shown."""
    return isinstance(score, (int, float)) and 0 <= score < 1e9


def shortened(text, longest=LONGEST):
    """One line of at most `longest` characters, its end kept: files are told apart by it."""
    text = plain(text)
    return text if len(text) <= longest else "…" + text[1 - longest:]


def illustrate(shown, picture, most):
    """Put pictures into the cards, a card of each finding in turn, until `most` bytes are spent; the rest go."""
    left, drawn = most, {id(one): 0 for one in shown}
    for place in range(max((len(one["cards"]) for one in shown), default=0)):
        for one in shown:
            if place >= len(one["cards"]) or drawn[id(one)] < place or picture is None:
                continue
            images = [address(picture(row["name"])) for row in one["cards"][place]["pictures"]]
            if any(images) and sum(map(len, images)) <= left:
                left -= sum(map(len, images))
                drawn[id(one)] += 1
                for row, image in zip(one["cards"][place]["pictures"], images):
                    row["src"] = image
    for one in shown:
        one["cards"] = one["cards"][:drawn[id(one)]]


def address(jpeg):
    """A JPEG as a data address."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" if jpeg else ""
