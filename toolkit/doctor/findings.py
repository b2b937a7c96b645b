"""What a check looks at, and what it says."""

from dataclasses import dataclass

SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """`check`: name of the row; `severity`: one of SEVERITIES; `pictures`: paths; what was found; what to do."""

    check: str
    severity: str
    pictures: tuple
    sentence: str
    remedy: str


@dataclass(frozen=True)
class Case:
    """`rows`: DataFrame with path, label, split, group, sha256, fingerprint, width, height, note.

    `unreadable`: (path, label, reason) of pictures dropped; `left_out`: (path, reason) of files passed over; `notes`:
    sentences of the reader; `looks`: doctor.looks.Looks of the rows, None where no pixels were looked at.
    """

    rows: object
    unreadable: tuple = ()
    left_out: tuple = ()
    notes: tuple = ()
    looks: object = None
