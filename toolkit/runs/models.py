"""Models that can be asked: those of runs, and those from elsewhere, which stand in a folder or came by the browser.

Here model.json alone is read; the network is looked through and loaded by the command that asks it.
"""

from dataclasses import dataclass, field
from pathlib import Path

from toolkit import artifact
from toolkit.errors import OptionError, UntrustedError
from toolkit.run import paths
from toolkit.runs import folders, uploads


@dataclass(frozen=True)
class Model:
    """`path`: what commands take, a run folder or a .keras file; `file`: the .keras file; facts: model.json.

    run: the name of the run that it is of, "" for one from elsewhere.
    """

    path: Path
    file: Path
    facts: dict = field(repr=False)
    run: str = ""

    @property
    def classes(self):
        return tuple(self.facts["classes"])


def of_run(root, name):
    """The Model of a run; None where it holds none. UntrustedError where model.json is damaged."""
    folder = folders.checked(root, name)
    if folder is None or not (paths(folder).model.is_file() and paths(folder).model_facts.is_file()):
        return None
    return Model(folder, paths(folder).model, artifact.read_facts(paths(folder).model_facts), name)


def elsewhere(root, asked):
    """The Model that `asked` names: a path, or the id of an upload. Raises OptionError or UntrustedError."""
    if uploads.ID.fullmatch(asked):
        return brought(root, asked)
    path = Path(asked.strip()).expanduser()
    if not path.is_absolute():
        raise OptionError("Give the whole path of a model.keras or of the folder that holds it, such as "
                          "/models/first/model.keras.")
    return found(path)


def found(path):
    """The Model of a .keras file, of the .json beside it, or of the folder that holds both."""
    keras, facts = artifact.located(path)
    return Model(path if path.is_dir() else keras, keras, artifact.read_facts(facts))


def brought(root, upload):
    """The Model of two files that came by the browser."""
    place = uploads.place(root, upload)
    files = [place / path for path, _ in uploads.files(place)]
    kinds = [path.suffix.lower() for path in files]
    if sorted(kinds) != [".json", ".keras"]:
        raise OptionError("A model is two files that belong together: a model.keras and its model.json. Choose both.")
    keras, facts = files[kinds.index(".keras")], files[kinds.index(".json")]
    if keras.with_suffix(".json") != facts:
        raise UntrustedError(f"{keras.name} and {facts.name} are not of one name; a model and its facts are called "
                             "alike, such as model.keras and model.json.")
    return found(keras)
