"""The picture itself behind a run's small copy: found through the manifest, decoded and encoded anew.

Never the file as it came: that could be a page or a drawing that runs, and holds what a camera wrote of a person.
"""

import hashlib
import io
from functools import lru_cache
from importlib import import_module
from pathlib import Path

from toolkit.errors import UntrustedError
from toolkit.run import paths
from toolkit.runs import reading, tables

QUALITY = 88  # of JPEG


def jpeg(folder, key, side):
    """JPEG of the picture `key` of a run, its longer side at most `side` pixels; None where it is not there any more.

    A file that has been changed since the run is not the picture of that key.
    """
    from toolkit.pixels import batches, decode, sources

    for path in located(Path(folder), key):
        try:
            source = sources.read(path)
            if batches.digest(source).startswith(key):
                return encoded(decode.decode(source, depth(Path(folder)), frame(Path(folder))).pixels, side)
        except decode.Unreadable:
            continue
    return None


def encoded(pixels, side):
    """JPEG of pixels uint8 (height, width, 1 or 3), made smaller where they are longer than `side`."""
    from PIL import Image

    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def located(folder, key):
    """Paths where the picture `key` may lie; none outside the data of the run."""
    name, file = listed(folder).get(key, ("", ""))
    if file:  # the manifest of new pictures says where each one lies
        return [Path(file)]
    return [path for root, rest in roots(folder, name) if (path := inside(root, rest))]


def listed(folder):
    """{key: (path, where it lies or "")} of a folder's manifest; {} where there is none, or it is damaged."""
    try:
        return parsed(*tables.signature(paths(folder).manifest))
    except UntrustedError:
        return {}


@lru_cache(4)
def parsed(path, changed, size):
    """`listed` of a manifest that has not changed since."""
    rows = tables.rows(path)
    header = next(rows)
    found = (dict(zip(header, row)) for row in rows)
    return {row["sha256"][:16]: (row["path"], row.get("file", "")) for row in found
            if row.get("sha256") and row.get("path")}


def roots(folder, name):
    """(root, path below it) of every place that the run's options name for the picture `name`."""
    from toolkit.data import manifest

    options = asked(folder)
    data, root = options.get("data"), options.get("root")
    if name.startswith(manifest.TEST_DATA):
        data, root, name = options.get("test_data"), None, name.removeprefix(manifest.TEST_DATA)
    if not name or not isinstance(data, str) or not data:
        return []
    found = [Path(root).expanduser()] if isinstance(root, str) else []
    if data.startswith("sample:"):
        module = manifest.SAMPLES.get(data.removeprefix("sample:"))
        return [*((one, name) for one in found), *([(import_module(module).make().parent, name)] if module else [])]
    path = Path(data).expanduser()
    if path.suffix.lower() == ".zip":
        found += unpacked(path, options.get("cache_dir"))
    else:
        found.append(path if path.is_dir() else path.parent)
    return [(one, name) for one in found]


def asked(folder):
    """The options of a run; {} where there are none."""
    try:
        options = reading.facts(paths(folder).run).get("options")
    except UntrustedError:
        return {}
    return options if isinstance(options, dict) else {}


def unpacked(path, cache):
    """The folder that a zip was unpacked to, as a list; empty where it is not there any more."""
    from toolkit.data import archive
    from toolkit.features import store

    try:
        facts = path.stat()
        place = Path(cache if isinstance(cache, str) else store.usual_folder()) / "unpacked" / digest(
            path, facts.st_mtime_ns, facts.st_size)[:24]
        return [archive.inner(place)] if place.is_dir() else []
    except OSError:
        return []


@lru_cache(16)
def digest(path, changed, size):
    """SHA-256 of a file that has not changed since."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def inside(root, name):
    """The path `name` below `root`, of a file or of its frame; None where it leaves it, by a link too."""
    from toolkit.pixels import sources

    try:
        root = root.resolve(strict=True)
        file, number = sources.named(root / name)
        path = Path(file).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        return None
    if not path.is_relative_to(root):
        return None
    return path if number is None else path.with_name(f"{path.name}#{number}")


def frame(folder):
    """The rule by which the run read files of several frames."""
    from toolkit.pixels import frames

    try:
        return frames.checked(reading.text(input_of(folder).get("frames") or asked(folder).get("frames") or "auto"))
    except ValueError:
        return "auto"


def input_of(folder):
    """How a file became the model's input, by model.json; {} where that is not known."""
    try:
        wanted = reading.facts(paths(folder).model_facts).get("input")
    except UntrustedError:
        return {}
    return wanted if isinstance(wanted, dict) else {}


def depth(folder):
    """The rule by which the run read more than 8 bits: with its ends, where model.json has them."""
    from toolkit.pixels.depth import RULES, Depth

    rule = input_of(folder).get("depth")
    if isinstance(rule, dict):
        low, high = (reading.number(rule.get(end), -1e30, 1e30) for end in ("low", "high"))
        if low is not None and high is not None and low < high:
            return Depth(rule["rule"] if rule.get("rule") in RULES else "full", low, high)
    try:
        return Depth.of(asked(folder).get("depth") or "auto")
    except (ValueError, TypeError, AttributeError):
        return Depth()
