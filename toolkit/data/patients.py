"""Which pictures are of one patient, known from DICOM headers and told to nobody.

A patient's number goes no further than `key`: a hash of it with a secret of this machine, which nobody who gets a run
folder has, so that no list of numbers can be tried against it.
"""

import contextlib
import hashlib
import os
import secrets
import tempfile
from pathlib import Path

from toolkit.data.reading import count

SECRET = "secret"
BYTES = 32


def secret(folder):
    """The secret bytes that `folder` keeps, made at the first call; new ones each time where it cannot be written."""
    path = Path(folder) / SECRET
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, fresh = tempfile.mkstemp(dir=path.parent, prefix=f".{SECRET}-")  # for its owner alone
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(BYTES))
            with contextlib.suppress(FileExistsError):
                os.link(fresh, path)
            os.unlink(fresh)
        return path.read_bytes()
    except OSError:
        return secrets.token_bytes(BYTES)


def key(number, secret):
    """What stands for a patient's number in a run: "patient-" and a hash; "" where there is no number."""
    return f"patient-{hashlib.blake2b(number.encode(), key=secret, digest_size=8).hexdigest()}" if number else ""


def groups(rows, parts):
    """(groups (n,) by `patient` where no group was given, a sentence about it or ""); `parts`: how many a class needs.

    Headers that were made anonymous may bear one number for all: such numbers part nothing, and are left aside.
    """
    given, patient = rows["group"].to_numpy(object), rows["patient"].to_numpy(object)
    if (given != "").any() or not (patient != "").any():
        return given, ""
    known = rows[rows["patient"] != ""]
    fewest = known.groupby("label")["patient"].nunique().reindex(rows["label"].unique(), fill_value=0).min()
    patients = known["patient"].nunique()
    if patients < len(known) and fewest < parts:
        return given, (f"The DICOM headers name {count(patients, 'patient')} for {count(len(known), 'picture')}, too "
                       "few to part by; they are not used. If pictures of one patient are among them, give a table "
                       "with a group column.")
    return patient, f"Pictures of one patient, by the DICOM header, are kept together: {count(patients, 'patient')}."
