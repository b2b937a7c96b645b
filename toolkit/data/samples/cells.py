"""sample:cells: pictures like stained blood cells, drawn here from a seed, three classes, several a patient.

346 pictures of 128 x 128 pixels. Lymphocytes are small with a round nucleus that nearly fills them, monocytes large
with an indented one, granulocytes have two to four lobes and granules; size, shape, texture, stain, light, focus and
noise vary so far that the classes overlap. Stain and scanner belong to the patient. Planted, and told in planted.json:
exact copies in another class, exact copies at another patient, wrong labels, unreadable files. No cell is real.
"""

import io
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from toolkit.data.spreadsheet import to_csv
from toolkit.errors import ResourceError

VERSION = "cells-1"
CLASSES = ("granulocyte", "lymphocyte", "monocyte")
PATIENTS, EACH, SIDE, SEED = 56, 6, 128, 20240
CONFLICTS, TWINS, WRONG = 4, 3, 10
Y, X = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
COLUMNS = ("path", "label", "group", "scanner")


def make(cache=None):
    """The Path of table.csv; drawn into `cache`/samples/cells-1 at the first call (seconds), the same bytes each time.

    `cache` is by default $TOOLKIT_CACHE, or ~/.cache/toolkit. Raises ResourceError where nothing can be written.
    """
    folder = _cache(cache) / "samples" / VERSION
    if _whole(folder):
        return folder / "table.csv"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{VERSION}-", dir=folder.parent) as place:
            fresh = Path(place) / VERSION
            _write(fresh)
            if folder.exists() and not _whole(folder):
                os.rename(folder, Path(place) / "damaged")
            try:
                os.rename(fresh, folder)
            except OSError:
                if not _whole(folder):  # otherwise another process was faster: the same bytes
                    raise
    except OSError as error:
        raise ResourceError(f"The sample pictures cannot be written to {folder} ({error.strerror}); set TOOLKIT_CACHE"
                            " to a folder that can be written.") from None
    return folder / "table.csv"


def _cache(cache):
    if cache or os.environ.get("TOOLKIT_CACHE"):
        return Path(cache or os.environ["TOOLKIT_CACHE"])
    try:
        return Path.home() / ".cache" / "toolkit"
    except RuntimeError:  # no home
        return Path(tempfile.gettempdir()) / f"toolkit-{os.getuid()}"


def _whole(folder):
    try:
        planted = json.loads((folder / "planted.json").read_text("utf-8"))
        return (folder / "table.csv").is_file() and all(
            (folder / name).is_file() and (folder / name).stat().st_size == size
            for name, size in planted["files"].items())
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def _write(folder):
    """Draw everything into the new `folder`."""
    rng = np.random.default_rng(SEED)
    files, rows = {}, []
    for patient in range(PATIENTS):
        stain = _stain(rng)
        for number in range(EACH):
            label = CLASSES[int(rng.integers(len(CLASSES)))]
            path = f"pictures/p{patient:02d}_{number}.{'png' if patient % 7 == 0 else 'jpg'}"
            files[path] = _encoded(_picture(label, stain, rng), path)
            rows.append([path, label, f"patient {patient:02d}", "AB"[patient % 2]])
    planted = _plant(files, rows, rng)
    planted["files"] = {path: len(data) for path, data in files.items()}
    (folder / "pictures").mkdir(parents=True)
    for path, data in files.items():
        (folder / path).write_bytes(data)
    (folder / "table.csv").write_bytes(to_csv(COLUMNS, rows))
    (folder / "planted.json").write_text(json.dumps(planted, indent=1) + "\n", "utf-8")


def _plant(files, rows, rng):
    """Add the planted troubles to `files` and `rows` and return what they are."""
    order = [int(row) for row in rng.permutation(len(rows))]
    planted = {"conflicts": [], "twins": [], "wrong_labels": [], "unreadable": {}}
    for row in order[:WRONG]:
        right = rows[row][1]
        rows[row][1] = _other(right, CLASSES, rng)
        planted["wrong_labels"].append({"path": rows[row][0], "label": rows[row][1], "right": right})
    drawn = list(rows)
    groups = sorted({row[2] for row in drawn})
    for number, row in enumerate(order[WRONG:WRONG + CONFLICTS + TWINS]):
        path, label, group, scanner = drawn[row]
        copy = f"pictures/copy_{number}{Path(path).suffix}"
        files[copy] = files[path]
        conflict = number < CONFLICTS
        rows.append([copy, _other(label, CLASSES, rng) if conflict else label, _other(group, groups, rng), scanner])
        planted["conflicts" if conflict else "twins"].append([path, copy])
    first = rows[order[-1]][0]
    broken = {"pictures/broken_0.jpg": (files[first][:len(files[first]) // 2], "cut short"),
              "pictures/broken_1.jpg": (b"", "empty"),
              "pictures/broken_2.jpg": (b"The scanner reported an error and wrote no picture.\n", "text")}
    for path, (data, reason) in broken.items():
        files[path] = data
        rows.append([path, CLASSES[len(rows) % 3], _other("", groups, rng), "A"])
        planted["unreadable"][path] = reason
    return planted


def _other(value, values, rng):
    choice = [each for each in values if each != value]
    return choice[int(rng.integers(len(choice)))]


def _encoded(picture, path):
    out = io.BytesIO()
    if path.endswith(".png"):
        picture.save(out, "PNG", compress_level=6)
    else:
        picture.save(out, "JPEG", quality=92)
    return out.getvalue()


def _stain(rng):
    """What a patient's pictures share: colours (0..255), light and focus."""
    shift = rng.normal(0, 7, 3)
    return {"ground": np.array([238, 228, 234]) + shift + rng.normal(0, 3),
            "red": np.array([222, 170, 172]) + shift + rng.normal(0, 8, 3),
            "nucleus": np.array([98, 62, 138]) + shift + rng.normal(0, 14, 3),
            "granule": np.array([186, 104, 140]) + rng.normal(0, 12, 3),
            "light": rng.uniform(0.86, 1.06), "focus": rng.uniform(0.4, 1.1)}


def _picture(label, stain, rng):
    """One cell of the class `label` among red cells -> RGB image."""
    canvas = np.tile(stain["ground"].astype(np.float32), (SIDE, SIDE, 1))
    centre = SIDE / 2 + rng.uniform(-9, 9, 2)
    for _ in range(int(rng.integers(3, 9))):
        _red_cell(canvas, stain, rng)
    radius = {"lymphocyte": rng.normal(26, 3.6), "monocyte": rng.normal(35, 4.0),
              "granulocyte": rng.normal(30.5, 3.8)}[label]
    radius = float(np.clip(radius, 17, 44))
    body = _blob(centre, radius, rng, rough=0.035)
    tint = {"lymphocyte": (172, 186, 222), "monocyte": (186, 186, 208), "granulocyte": (222, 192, 202)}[label]
    tint = np.array(tint) * 0.6 + np.array([194, 188, 211]) * 0.4 + rng.normal(0, 9, 3)  # stains never part cleanly
    _paint(canvas, body * 0.92, tint + 8 * _cloud(rng, 12)[..., None])
    if label == "granulocyte" or rng.random() < 0.06:
        _granules(canvas, body, centre, radius, stain, rng)
    nucleus = _nucleus(label, centre, radius, rng)
    grain = {"lymphocyte": 5, "monocyte": 9, "granulocyte": 6}[label] * rng.uniform(0.6, 1.6)
    _paint(canvas, nucleus * body * 0.95,
           stain["nucleus"] + rng.normal(0, 6) + grain * (_cloud(rng, 16) + 0.7 * _cloud(rng, 42))[..., None])
    return _photographed(canvas, stain, rng)


def _nucleus(label, centre, radius, rng):
    """Mask 0..1 of the nucleus: round, indented, or lobed; a weak indentation or two broad lobes look alike."""
    angle, place = rng.uniform(0, 2 * np.pi), centre + rng.normal(0, 0.07 * radius, 2)
    if label == "granulocyte":
        lobes, mask = int(rng.choice([2, 2, 3, 3, 4])), np.zeros((SIDE, SIDE))
        spread = rng.uniform(0.30, 0.46) * radius
        for k in range(lobes):
            turn = angle + (k - (lobes - 1) / 2) * rng.uniform(1.0, 1.9)
            lobe = place + spread * np.array([np.sin(turn), np.cos(turn)])
            mask = np.maximum(mask, _blob(lobe, radius * rng.uniform(0.25, 0.40), rng, rough=0.05))
        return mask
    if label == "monocyte":
        dent = {"depth": rng.uniform(0.12, 0.62), "width": rng.uniform(0.45, 0.9), "angle": angle}
        return _blob(place, radius * rng.uniform(0.62, 0.82), rng, rough=0.05, dent=dent)
    dent = {"depth": max(0.0, rng.normal(0.03, 0.08)), "width": rng.uniform(0.4, 0.8), "angle": angle}
    return _blob(place, radius * rng.uniform(0.68, 0.92), rng, rough=0.03, dent=dent)


def _blob(centre, radius, rng, rough, dent=None):
    """Mask 0..1 of a round form with an uneven, perhaps dented rim; soft over a pixel."""
    dy, dx = Y - np.float32(centre[0]), X - np.float32(centre[1])
    angle, rim = np.arctan2(dy, dx), np.float32(1)
    for wave in (2, 3, 4, 5):
        rim = rim + np.float32(rough * rng.normal()) * np.cos(wave * angle + np.float32(rng.uniform(0, 2 * np.pi)))
    if dent:
        away = (angle - np.float32(dent["angle"]) + np.pi) % (2 * np.pi) - np.pi
        rim = rim - dent["depth"] * np.exp(-(away / dent["width"]) ** 2)
    return 1 / (1 + np.exp(np.clip(np.hypot(dy, dx) - np.float32(radius) * rim, -30, 30) / 0.8))


def _red_cell(canvas, stain, rng):
    place, radius = rng.uniform(-8, SIDE + 8, 2), rng.uniform(13, 18)
    pale = 1 - 0.45 * np.exp(-(np.hypot(Y - place[0], X - place[1]) / (0.5 * radius)) ** 2)
    _paint(canvas, _blob(place, radius, rng, rough=0.02) * pale * 0.85, stain["red"] + rng.normal(0, 5))


def _granules(canvas, body, centre, radius, stain, rng):
    for _ in range(int(rng.integers(8, 45))):
        turn, far = rng.uniform(0, 2 * np.pi), radius * np.sqrt(rng.uniform(0, 0.9))
        y, x = centre[0] + far * np.sin(turn), centre[1] + far * np.cos(turn)
        near = (slice(max(0, int(y) - 5), max(0, int(y) + 7)), slice(max(0, int(x) - 5), max(0, int(x) + 7)))
        spot = np.exp(-((Y[near] - y) ** 2 + (X[near] - x) ** 2) / (2 * rng.uniform(0.7, 1.4) ** 2))
        _paint(canvas[near], spot * body[near] * rng.uniform(0.3, 0.8), stain["granule"])


def _paint(canvas, mask, colour):
    canvas += (mask[..., None] * (np.asarray(colour, np.float32) - canvas)).astype(np.float32)


def _cloud(rng, cells):
    """Smooth noise (SIDE, SIDE) of about unit spread; `cells` waves along a side."""
    coarse = Image.fromarray(rng.normal(size=(cells, cells)).astype(np.float32))
    return np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _photographed(canvas, stain, rng):
    """Uneven light, focus and noise of a camera."""
    slope = rng.normal(0, 0.05, 2)
    light = stain["light"] * (1 + slope[0] * (Y / SIDE - 0.5) + slope[1] * (X / SIDE - 0.5))
    sharp = Image.fromarray(np.clip(canvas * light[..., None], 0, 255).astype(np.uint8))
    blurred = np.asarray(sharp.filter(ImageFilter.GaussianBlur(stain["focus"] * rng.uniform(0.7, 1.8))), np.float64)
    noise = rng.normal(0, rng.uniform(2.5, 8), blurred.shape)
    return Image.fromarray(np.clip(np.rint(blurred + noise), 0, 255).astype(np.uint8))
