"""python -m toolkit.heatmaps RUN_OR_MODEL [PICTURES...]: what in a picture speaks for each class of a finished model.

A file a picture, KEY.npz (see toolkit.explain.stored), in the folder heatmaps of the run, or in --out; the key is the
first 16 characters of the picture's sha256. What is there already, by the same model, is not made again. Without
PICTURES they are the run's own, read from the data that it was made from. Nothing else in the run is changed.
"""

from pathlib import Path
from typing import Callable, NamedTuple

from toolkit import artifact, errors, options
from toolkit.commandline import parse
from toolkit.data.reading import count
from toolkit.errors import DataError, OptionError, ResourceError, UntrustedError
from toolkit.files import read_json
from toolkit.progress import News, tell
from toolkit.run import FILES, paths
from toolkit.steps import named
from toolkit.training import device

READ_AT_ONCE = 16  # pictures


class Wanted(NamedTuple):
    """A picture: its name, its key where that is known before it is read, and what gives its bytes or array."""

    name: str
    key: str | None
    read: Callable


class Seen(NamedTuple):
    """A picture as the model sees it, and where that square lies on it (see pixels.resize.place)."""

    key: str
    pixels: object
    place: tuple


def main(arguments):
    """The command; returns its exit code."""
    chosen = parse(options.Heatmaps, "heatmaps", arguments)
    model_path, facts_path = artifact.located(Path(chosen.model))  # before TensorFlow is loaded
    facts, out = artifact.read_facts(facts_path), folder_of(chosen, model_path.parent)
    digest = facts["sha256"][FILES["model"]][:16]
    facts["input"]["frames"] = chosen.frames or facts["input"].get("frames", "auto")
    pictures = (of_command_line(chosen, facts["input"]["frames"]) if chosen.pictures
                else of_run(chosen, model_path.parent, facts["classes"]))
    new = [one for one in pictures if one.key is None or not there(out, one.key, digest)]
    if len(new) < len(pictures):
        tell(f"{count(len(pictures) - len(new), 'picture')} of {len(pictures)} done before")
    if new:
        named.check_input(facts["input"])
        tell(f"{count(len(new), 'picture')} to look at; the model is being loaded")
        made = explained(chosen, new, facts["input"], out, digest)
        tell(f"heat maps of {count(made, 'picture')} -> {out}")
    return 0


def folder_of(chosen, home):
    """The folder to write to, there and writable."""
    if not chosen.out and not paths(home).run.is_file():
        raise OptionError(f"{home} is no run folder; --out DIR says where the heat maps go.")
    out = Path(chosen.out) if chosen.out else paths(home).heatmaps
    try:
        out.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise OptionError(f"{out} cannot be made: {error.strerror}; --out DIR names another folder.") from error
    return out


def there(out, key, digest):
    """Whether a picture has heat maps by this model already."""
    from toolkit.explain import stored

    try:
        found = stored.read(out, key)
    except UntrustedError:
        return False
    return found is not None and found.model == digest


def of_command_line(chosen, frames):
    """The Wanted that PICTURES stand for."""
    from toolkit.pixels import sources

    found = named.listed(chosen.pictures, chosen.cache_dir, frames)
    return [Wanted(one.name, None, lambda path=one.path: sources.read(path)) for one in found]


def of_run(chosen, home, classes):
    """The Wanted of the run's own pictures: those of --only, else those that are worth a look first."""
    from toolkit.runs import predicted

    if not paths(home).predictions.is_file():
        raise OptionError(f"{home} holds no answers of a run, so its pictures are not known; name PICTURES.")
    answers = predicted.answers(home, classes)
    keys = answers.table["key"].to_numpy(object)
    if chosen.only:
        wanted = list(dict.fromkeys(chosen.only.split(",")))
        strange = sorted(set(wanted) - set(keys))
        if strange:
            raise OptionError(f"--only {strange[0]}: the run kept no such picture for validation or test.")
    else:
        order = [*answers.where("test", right=False, order="sure"), *answers.where("test", right=True, order="unsure")]
        wanted = list(dict.fromkeys(key for key in keys[order] if key))[:chosen.limit]
    if not wanted:
        raise OptionError(f"{home} does not say which files its test pictures were; name PICTURES.")
    rows = {key: row for row, key in reversed(list(enumerate(keys)))}
    return from_data(home, [(key, *answers.table[["path", "sha256"]].iloc[rows[key]]) for key in wanted])


def from_data(home, pictures):
    """The Wanted of (key, path, sha256), read from the data of the run. DataError where those are gone."""
    from toolkit.runs import predicted
    from toolkit.steps import look

    facts = read_json(paths(home).run)
    if facts.get("command") != "finetune" or not isinstance(facts.get("options"), dict):
        raise OptionError(f"{home} is no run that trained, so its pictures are not known; name PICTURES.")
    asked = options.from_dict(options.Finetune, facts["options"])
    try:
        samples = look.listed(asked)
    except (DataError, ResourceError) as error:
        raise DataError(f"The pictures of the run are read from {asked.data}, and that is not what it was: {error} Put "
                        "the data back, or name PICTURES.") from error
    rows = {predicted.written(path): row for row, path in enumerate(samples.rows["path"])}

    def read(path, sha256):
        from toolkit.pixels import batches, decode

        if path not in rows:
            raise decode.Unreadable("is not among the data any more")
        source = samples.read(rows[path])
        if batches.digest(source) != sha256:
            raise decode.Unreadable("is another picture than the run's of that name")
        return source

    return [Wanted(path, key, lambda path=path, sha256=sha256: read(path, sha256)) for key, path, sha256 in pictures]


def explained(chosen, pictures, wanted, out, digest):
    """Write the heat maps of `pictures` -> how many. DataError where none can be read."""
    import numpy as np

    from toolkit.explain import activation, stored

    device.before_import("auto")
    device.use("auto")
    model, _ = artifact.load(Path(chosen.model))
    explain, news, made, first = activation.build(model), News("pictures"), 0, None
    tell(f"method: {explain.method}")
    with errors.Interrupts(tell) as stop:
        for start in range(0, len(pictures), READ_AT_ONCE):
            seen = []
            for one in pictures[start:start + READ_AT_ONCE]:
                stop()
                found, fault = looked_at(one, wanted)
                if fault:
                    tell(f"{one.name} {fault}")
                    first = first or f"{one.name} {fault}"
                elif not there(out, found.key, digest):
                    seen.append(found)
                else:
                    made += 1
            if seen:
                maps, probabilities = explain(np.stack([one.pixels for one in seen]))
                for one, *arrays in zip(seen, maps, probabilities):
                    stored.write(out, one.key, *arrays, explain.method, one.place, digest)
                made += len(seen)
            news(min(start + READ_AT_ONCE, len(pictures)), len(pictures))
    if not made:
        raise DataError(f"none of {count(len(pictures), 'picture')} can be read; the first: {first}.")
    return made


def looked_at(one, wanted):
    """(Seen, None) of a Wanted, or (None, why it cannot be read)."""
    from toolkit.pixels import batches, decode, resize
    from toolkit.pixels.depth import Depth

    size, rule = wanted["height"], wanted["resize"]
    try:
        source = one.read()
        pixels = decode.decode(source, Depth(**wanted.get("depth") or {}), wanted["frames"]).pixels
    except decode.Unreadable as error:
        return None, str(error) or "cannot be read"
    place = resize.place(pixels.shape[1], pixels.shape[0], size, rule)
    return Seen(one.key or batches.digest(source)[:16], resize.fit(pixels, size, wanted["channels"], rule), place), None


if __name__ == "__main__":
    errors.command(main)
