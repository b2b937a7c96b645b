"""What a check looks at, and what it says."""

from dataclasses import dataclass

SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """`check`: name of the row; `severity`: one of SEVERITIES; `pictures`: paths; what was found; what to do.

    bundles: tuples of those paths that belong together, such as copies of one picture; () where each stands alone.
    scores: a number for each of `pictures`, the gravest first and highest; suggested: a class for each, or "".
    """

    check: str
    severity: str
    pictures: tuple
    sentence: str
    remedy: str
    bundles: tuple = ()
    scores: tuple = ()
    suggested: tuple = ()


@dataclass(frozen=True)
class Case:
    """`rows`: DataFrame with path, label, split, group, sha256, fingerprint, width, height, note.

    `unreadable`: (path, label, reason) of pictures dropped; `left_out`: (path, reason) of files passed over; `notes`:
    sentences of the reader; `looks`: doctor.looks.Looks of the rows, None where no pixels were looked at; `near`:
    doctor.near.Near of the rows, `seen`: doctor.seen.Seen, what a frozen network sees in them; `given`: Series of the
    parts that came with the data, before what leaks was moved: None where not known, or not moved. `targets`:
    doctor.targets.Targets, whose labels are "" in the rows unless they are grades; None for classes.
    """

    rows: object
    unreadable: tuple = ()
    left_out: tuple = ()
    notes: tuple = ()
    looks: object = None
    near: object = None
    seen: object = None
    given: object = None
    targets: object = None
