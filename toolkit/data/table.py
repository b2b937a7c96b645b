"""A CSV, TSV or Parquet table with a path and a label a row; split, group and further columns are optional. For example

    pictures/a.png
    pictures/b.png
    table.csv            path,label,split,group,age
                         pictures/a.png,cat,train,p1,5
                         pictures/b.png,dog,test,p2,7

Several labels a picture, --label-column oedema,nodule:

    a.png
    b.png
    table.csv            path,oedema,nodule
                         a.png,1,1
                         b.png,0,0

Or in one column, --label-delimiter ; (any text but what parts the columns):

    a.png
    b.png
    table.csv            path,label
                         a.png,oedema;nodule
                         b.png,

An amount a picture, --task regression, with a decimal point or comma:

    a.png
    b.png
    table.csv            path;label
                         a.png;1,5
                         b.png;20

A grade a picture, --label-order none,mild,severe (or --task ordinal, where grades are numbers):

    a.png
    b.png
    table.csv            path,label
                         a.png,mild
                         b.png,none

Text may be UTF-8, UTF-16 or Windows-1252, parted by comma, semicolon, tab or bar; paths are relative to the table or
to a given root, and may not leave it.
"""

import csv
import io
import os
import unicodedata
from pathlib import Path

from toolkit.data.manifest import INTERNAL
from toolkit.data.reading import PARTS, Reading, count, listed
from toolkit.data.spreadsheet import csv_plain
from toolkit.data.targets import BETWEEN
from toolkit.errors import DataError, OptionError
from toolkit.pixels import sources

SYNONYMS = {"path": ("file", "filename", "file_name", "image", "image_path", "img", "filepath", "file_path"),
            "label": ("class", "category", "target", "diagnosis")}
OWN = ("path", "label", "split", "group", "sha256", "width", "height", "mode", "note")
TAKEN = (*OWN, *INTERNAL, "bound")  # columns that mean something else here; a user's own stands behind "table_"
YES, NO = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")  # in a column for one of several labels
PATIENT = ("patient", "patient_id", "patientid", "subject", "subject_id", "case", "case_id", "slide", "slide_id")


def read(path, root=None, *, path_column="path", label_column="label", split_column="split", group_column="group"):
    """`path`: Path of the table -> Reading. Raises DataError, and OptionError for a group column that is not there."""
    frame = _parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _text(path)
    root = Path(root) if root is not None else path.parent
    if not root.is_dir():
        raise DataError(f"The root folder {root} does not exist or is no folder.")
    ours = all(name in frame.columns for name in OWN)
    if ours:  # a manifest that was written here: its facts are found anew, its neutralised cells are opened
        frame = frame[[name for name in frame.columns if name not in OWN[4:]]].map(csv_plain)
    chosen = _columns(frame, path, path_column, label_column, split_column, group_column)
    faults, notes = [], []
    rows = frame[[chosen["path"]]].copy()
    rows.columns = ["path"]
    many, delimiter = chosen["labels"], ""
    if len(many) > 1:
        delimiter = next((mark for mark in BETWEEN if not any(mark in name for name in many)), "\t")
        rows["label"] = _several(frame[list(many)], rows["path"], delimiter, faults)
    else:
        rows["label"] = frame[many[0]]
    rows["path"] = _paths(rows["path"], root, faults)
    rows["split"] = _splits(frame[chosen["split"]], rows["path"], faults) if chosen["split"] else ""
    rows["group"] = _groups(frame[chosen["group"]], notes) if chosen["group"] else ""
    used = (chosen["path"], *many, *filter(None, (chosen["split"], chosen["group"])))
    _hint(frame, chosen, used, notes)
    for name in frame.columns:
        if name not in used:
            rows[f"table_{name}" if name in TAKEN else name] = frame[name]
    return Reading(rows, lambda name: sources.read(root / name), "table", root, (), tuple(faults), tuple(notes),
                   task="multi-label" if delimiter else "classification", classes=many if delimiter else (),
                   delimiter=delimiter)


def header(path):
    """(columns, {"path", "label", "split", "group": the column that is taken for it, or None}, first rows) of a table.

    "patient" beside them: a column that looks as if it named the groups.
    """
    frame = _parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _text(path)
    guess = {"path": _named(frame, "path", SYNONYMS["path"]), "label": _named(frame, "label", SYNONYMS["label"]),
             "split": _named(frame, "split"), "group": _named(frame, "group"),
             "patient": _named(frame, "patient", PATIENT)}
    return list(frame.columns), guess, [tuple(row) for row in frame.head(3).itertuples(index=False)]


def splits_of(path):
    """{file: part} of a table with a column of files and one named split; {} where it has none of them."""
    frame = _text(path)
    file, split = _named(frame, "path", SYNONYMS["path"]), _named(frame, "split")
    if not file or not split:
        return {}
    return {name: PARTS[part.casefold()] for name, part in zip(frame[file], frame[split]) if part.casefold() in PARTS}


def _parquet(path):
    import pandas

    try:
        frame = pandas.read_parquet(path)
    except Exception as error:  # pyarrow has its own tree of errors
        raise DataError(f"{path} cannot be read as Parquet ({str(error)[:120]}).") from None
    frame.columns = [str(name).strip() for name in frame.columns]
    return _checked(frame.apply(_as_text).astype(object).reset_index(drop=True), path)


def _as_text(column):
    """Whole numbers without a point, nothing as ""."""
    missing = column.isna()
    if column.dtype.kind == "f" and (column[~missing] % 1 == 0).all():
        column = column.astype("Int64")
    return column.astype(str).where(~missing, "").str.strip()


def _text(path):
    import pandas

    text = _decoded(path)
    first, _, rest = text.partition("\n")
    if first.strip().lower().startswith("sep=") and len(first.strip()) == 5:  # Excel's own hint
        delimiter, text = first.strip()[4], rest
    else:
        delimiter = "\t" if path.suffix.lower() == ".tsv" and "\t" in first else _delimiter(text)
    try:
        lines = [(number, row) for number, row in _lines(text, delimiter) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as a table ({error}).") from None
    if not lines:
        raise DataError(f"{path} is empty; a table with the columns path and label was wanted.")
    header = [name.strip() for name in lines[0][1]]
    wrong = [f"line {line}: {len(row)} cells" for line, row in lines[1:] if len(row) != len(header)]
    if wrong:
        raise DataError(f"{path}: {count(len(wrong), 'row')} with another number of cells than the {len(header)}"
                        f" columns of the header:{listed(wrong)}")
    rows = [[cell.strip() for cell in row] for _, row in lines[1:]]
    return _checked(pandas.DataFrame(rows, columns=header, dtype=object), path)


def _lines(text, delimiter):
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    for row in reader:
        yield reader.line_num, row


def _checked(frame, path):
    twice = sorted({name for name in frame.columns if list(frame.columns).count(name) > 1})
    if twice:
        raise DataError(f"{path} has the column {twice[0]!r} twice; rename one.")
    if frame.empty:
        raise DataError(f"{path} has a header and no rows.")
    return frame


def _decoded(path):
    """The table's text, by its mark or by trying: UTF-8, UTF-16, Windows-1252."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be opened ({error.strerror}).") from None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        names = ("utf-16",)
    elif len(data) > 3 and max(data[:400:2].count(0), data[1:400:2].count(0)) > 0.4 * len(data[:400:2]):
        names = ("utf-16-le",) if data[1:400:2].count(0) > data[:400:2].count(0) else ("utf-16-be",)
    else:
        names = ("utf-8-sig", "cp1252")
    for name in names:
        try:
            return data.decode(name)
        except UnicodeDecodeError:
            continue
    raise DataError(f"{path} is text in an unknown encoding; save it as UTF-8.")


def _delimiter(text):
    """The one of , ; tab | that parts the header into most columns."""
    found = {}
    for mark in ",;\t|":
        try:
            found[mark] = len(next(_lines(text, mark), (0, []))[1])
        except csv.Error:
            continue
    return max(found, key=found.get) if found else ","


def _columns(frame, path, path_column, label_column, split_column, group_column):
    """Our names -> the table's; None for a split or group column that is neither there nor asked for.

    "labels": a tuple of the label's column, or of several that are named with commas between them.
    """
    chosen = {"path": _named(frame, path_column, SYNONYMS["path"] if path_column == "path" else ()),
              "split": _named(frame, split_column), "group": _named(frame, group_column)}
    seen = f"it has: {', '.join(map(str, frame.columns))}"
    if group_column != "group" and not chosen["group"]:
        raise OptionError(f"{path} has no column {group_column!r} for the groups; {seen}.")
    several = [name.strip() for name in label_column.split(",") if name.strip()]
    one = _named(frame, label_column, SYNONYMS["label"] if label_column == "label" else ())
    labels = {name: _named(frame, name) for name in several} if not one and len(several) > 1 else {label_column: one}
    asked = [("path", path_column, chosen["path"]), *(("label", *pair) for pair in labels.items())]
    if split_column != "split":
        asked.append(("split", split_column, chosen["split"]))
    missing = [(what, f"{name!r} for the {what}") for what, name, found in asked if not found]
    if missing:
        options = dict.fromkeys(f"--{what}-column" for what, _ in missing)
        raise DataError(f"{path} has no column {' and no column '.join(words for _, words in missing)}; {seen}. Name"
                        f" yours with {' and '.join(options)}.")
    used = [*labels.values(), *filter(None, chosen.values())]
    if len(set(used)) < len(used):
        raise DataError(f"{path}: one column cannot be two of path, label, split and group ({', '.join(used)}).")
    return {**chosen, "labels": tuple(labels.values())}


def _several(columns, paths, delimiter, faults):
    """The names of the columns that say 1 of each row, joined; what is neither 1 nor 0 goes to `faults`."""
    folded = columns.apply(lambda column: column.str.casefold())
    yes = folded.isin(YES)
    for name in columns:
        wrong = paths[~(yes[name] | folded[name].isin(NO))]
        if len(wrong):
            faults.append(f"{count(len(wrong), 'row')} with neither 0 nor 1 in column {name!r}:{listed(wrong)}")
    return yes.apply(lambda row: delimiter.join(name for name in columns if row[name]), axis=1).astype(object)


def _named(frame, wanted, synonyms=()):
    """The column of that name, in any case; otherwise the only one that bears a synonym; otherwise None."""
    if wanted in frame.columns:
        return wanted
    for names in ((wanted,), synonyms):
        found = [column for column in frame.columns if column.casefold() in {name.casefold() for name in names}]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _paths(paths, root, faults):
    """Each path relative to `root` with forward slashes, as it is on disk; missing ones and those outside: faults."""
    real_root, real_folders, result, missing, outside = os.path.realpath(root), {}, [], [], []
    for text in paths:
        if not text or "\0" in text:
            missing.append(repr(text))
            result.append("")
            continue
        place = os.path.join(real_root, _on_disk(root, text))
        folder, name = os.path.split(place)
        if folder not in real_folders:  # one look-up a folder: tables have thousands of files in few folders
            real_folders[folder] = os.path.realpath(folder)
        real = sources.named(os.path.join(real_folders[folder], name))[0]  # of scan.nii.gz#12 the file
        real = os.path.realpath(real) if name in ("..", ".") or os.path.islink(real) else real
        if os.path.commonpath([real_root, real]) != real_root:
            outside.append(text)
        elif not os.path.isfile(real):
            missing.append(text)
        result.append(Path(os.path.relpath(place, real_root)).as_posix())
    if outside:
        faults.append(f"{count(len(outside), 'path')} outside the root folder {root} (choose another with --root):"
                      + listed(outside))
    if missing:
        faults.append(f"{count(len(missing), 'file')} missing under {root}:{listed(missing)}")
    return result


def _on_disk(root, text):
    """The spelling of `text` that exists: as it is, with forward slashes, composed or decomposed accents."""
    forms = (text, text.replace("\\", "/"), unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text))
    return next((form for form in forms if os.path.lexists(os.path.join(root, form))), text)


def _splits(column, paths, faults):
    parts = column.map(lambda text: PARTS.get(text.casefold(), "") if text else "")
    unknown = sorted(set(column[(parts == "") & (column != "")]))
    if unknown:
        faults.append(f"unknown split {', '.join(map(repr, unknown[:5]))}; allowed: train, validation (val, valid,"
                      " dev), test")
    elif (parts != "").any() and (parts == "").any():
        blank = paths[parts == ""]
        faults.append(f"{count(len(blank), 'row')} without a split, while others have one:{listed(blank)}")
    return parts


def _groups(column, notes):
    blank = int((column == "").sum())
    if 0 < blank < len(column):
        notes.append(f"{count(blank, 'row')} without a group in column {column.name!r}: each counts as its own group.")
    return column


def _hint(frame, chosen, used, notes):
    """A patient column that nobody named would leak across the splits in silence."""
    if not chosen["group"]:
        found = [name for name in frame.columns if name.casefold() in PATIENT and name not in used]
        if found:
            notes.append(f"The table has a column {found[0]!r}; if its pictures belong together, pass --group-column"
                         f" {found[0]}, so that none stands on both sides of a split.")
