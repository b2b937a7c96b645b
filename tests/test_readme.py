"""The README says what the code does. Run as a programme, this file writes the generated parts anew."""

import contextlib
import io
import json
import re
import shlex
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from toolkit import commandline, errors, fetch, options, run

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PACKAGE = ROOT / "toolkit"
KINDS = {"finetune": options.Finetune, "predict": options.Predict, "evaluate": options.Evaluate,
         "check": options.Check, "estimate": options.Estimate, "heatmaps": options.Heatmaps,
         "dashboard": options.Dashboard, "fetch": fetch.Fetch}
USED = ("preset", "root", "test_data", "label_column", "label_delimiter", "task", "label_order", "group_column",
        "group_pattern", "edits", "max_bad", "strict", "keep_split", "validation", "test", "size", "channels", "depth",
        "frames", "resize", "augment", "backbone", "weights", "offline", "train_from", "epochs", "learning_rate",
        "layer_decay", "optimizer", "batch_size", "time_budget", "folds", "probe_only", "cache_views", "cache_dir",
        "cache_limit", "executor", "run_dir", "resume",
        "accept_changed_data", "seed", "workers", "device", "devices", "no_wait")


def option_table():
    known = {f.name: f for f in fields(options.Finetune)}
    lines = ["| option | default | allowed | meaning |", "| --- | --- | --- | --- |"]
    for f in (known[name] for name in USED):
        default = "–" if f.default is None else "off" if f.default is False else f.default
        allowed = commandline.allowed(f).replace("true or false", "")
        lines.append(f"| `{commandline.flag(f.name)}` | {default} | {allowed} | {f.metadata['help']} |")
    return "\n".join(lines)


def table_of(text):
    """The Markdown table in a docstring."""
    return "\n".join(line for line in text.splitlines() if line.startswith("|"))


def rule():
    from toolkit.training import rule

    return "```\n" + "\n".join(line[4:] for line in rule.__doc__.splitlines() if line.startswith("    ")) + "\n```"


def decoding():
    from toolkit.pixels import decode

    return table_of(decode.__doc__)


def depth():
    from toolkit.pixels import depth

    return table_of(depth.__doc__)


def frames():
    from toolkit.pixels import frames

    return table_of(frames.__doc__)


def nifti():
    from toolkit.pixels import nifti

    return table_of(nifti.__doc__)


def resizing():
    from toolkit.pixels import resize

    return "\n".join(["| rule | what is done |", "| --- | --- |", *(f"| {k} | {v} |" for k, v in resize.RULES.items())])


def augmentation():
    from toolkit.pixels import augment

    return table_of(augment.__doc__)


def backbones():
    from toolkit.backbones import __main__ as command

    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        command.main(["--markdown"])
    return shown.getvalue().strip()


def public():
    return fetch.markdown()


GENERATED = {"options": option_table, "rule": rule, "decoding": decoding, "depth": depth, "frames": frames,
             "nifti": nifti, "resizing": resizing, "augmentation": augmentation, "backbones": backbones,
             "public": public}


def block(name):
    """What stands between the marks of `name`."""
    found = re.findall(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", README.read_text(encoding="utf-8"), re.S)
    assert len(found) == 1, f"one block {name!r} is wanted in the README"
    return found[0].strip()


def commands():
    """(command, arguments) of every `python -m toolkit.X` line of the README."""
    lines = re.findall(r"^\S*python -m toolkit\.(\w+)(.*)$", README.read_text(encoding="utf-8"), re.M)
    return [(name, shlex.split(rest, comments=True)) for name, rest in lines]


@pytest.mark.parametrize("name", GENERATED)
def test_generated_parts_are_those_of_the_code(name):
    assert block(name) == GENERATED[name](), "python tests/test_readme.py writes them anew"


def test_tables_name_every_policy():
    from toolkit.pixels import augment, resize

    for name in augment.POLICIES:
        assert f"| {name} |" in block("augmentation")
    for name in resize.RULES:
        assert f"| {name} |" in block("resizing")
    for word in ("EXIF", "16-bit", "floating point", "DICOM", "palette", "alpha", "CMYK", "animation", "bomb"):
        assert word in block("decoding")


def test_every_command_and_option_that_is_named_exists(capsys):
    assert {name for name, _ in commands()} == {*KINDS, "backbones"}
    for name, arguments in commands():
        if name in KINDS:
            without = [a for i, a in enumerate(arguments) if "--config" not in arguments[max(0, i - 1):i + 1]]
            commandline.parse(KINDS[name], name, without)
        else:
            GENERATED[name]()
    known = {commandline.flag(f.name) for kind in KINDS.values() for f in fields(kind)} | {"--help", "--config"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", README.read_text(encoding="utf-8"))) <= known


@pytest.mark.parametrize("kind", KINDS)
def test_every_command_line_parses_with_help(kind, capsys):
    with pytest.raises(SystemExit) as ended:
        commandline.parse(KINDS[kind], kind, ["--help"])
    assert ended.value.code == 0 and f"toolkit.{kind}" in capsys.readouterr().out


def test_every_file_of_the_run_folder_is_named():
    text = README.read_text(encoding="utf-8")
    assert [name for name in run.FILES.values()
            if not {f"`{name}`", f"`{name}/`"} & set(re.findall(r"`[^`\n]+`", text))
            and not any(other.startswith(f"{name}/") for other in run.FILES.values())] == []


def test_every_exit_code_is_named():
    codes = {int(code) for cell in re.findall(r"^\| ([\d, ]+) \|", README.read_text(encoding="utf-8"), re.M)
             for code in cell.split(",")}
    kinds = {kind.code for kind in vars(errors).values() if isinstance(kind, type)
             and issubclass(kind, errors.ToolkitError) and kind is not errors.ToolkitError}
    assert codes == kinds | {0, errors.INTERRUPTED, errors.TERMINATED}


def test_variables_are_those_that_are_read():
    source = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    source += (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:TOOLKIT|HF|KERAS)_[A-Z_]+\b", README.read_text(encoding="utf-8")))
    assert named == set(re.findall(r"[\"'](TOOLKIT_[A-Z_]+|HF_[A-Z_]+|KERAS_BACKEND)[\"']", source))


def test_files_that_are_pointed_at_are_there():
    text = README.read_text(encoding="utf-8")
    pointed = re.findall(r"!?\[[^\]]*\]\(([^)#:]+)\)", text) + re.findall(r"`(toolkit/[\w/]+\.py|LICENSE)`", text)
    assert len(pointed) >= 3 and [name for name in pointed if not (ROOT / name).is_file()] == []


def test_make_knows_the_commands():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = set(re.findall(r"^make (\w+)", README.read_text(encoding="utf-8"), re.M))
    assert named == {"app", "demo", "test"} <= targets


def test_G1_the_keras_import_runs_as_written(tmp_path, monkeypatch, capsys):
    import keras
    from PIL import Image

    from toolkit import artifact, predict
    from toolkit.pixels import decode

    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    assert len(code.strip().splitlines()) == 5
    monkeypatch.chdir(tmp_path)
    image = keras.Input((224, 224, 3))
    x = keras.layers.Rescaling([1 / 255] * 3, [0.0] * 3)(image)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 5, 4, activation="relu")(x))
    model = keras.Model(image, keras.layers.Dense(3, activation="softmax")(x))
    Path("runs/first").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), "uint8")
    artifact.write(Path("runs/first"), model, {
        "task": "classification", "classes": ["a", "b", "c"], "input": {
            "height": 224, "width": 224, "channels": 3, "resize": "squash", "decoder": decode.DECODER}}, pixels)
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (60, 90, 3), "uint8")).save("new.png")
    names = {}
    exec(code, names)
    assert names["probabilities"].shape == (1, 3) and names["probabilities"].sum() == pytest.approx(1.0, abs=1e-5)
    # a plain picture gives the same numbers by the command
    capsys.readouterr()
    assert predict.main(["runs/first", "new.png", "--out", "new.csv"]) == 0
    row = Path("new.csv").read_text(encoding="utf-8-sig").splitlines()[1].split(",")
    assert [float(cell) for cell in row[3:6]] == pytest.approx(names["probabilities"][0].tolist(), abs=1e-5)
    assert json.loads(Path("runs/first/model.json").read_text(encoding="utf-8"))["classes"] == ["a", "b", "c"]


def write():
    """Put every generated part into the README."""
    text = README.read_text(encoding="utf-8")
    for name, made in GENERATED.items():
        text = re.sub(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
                      lambda found, made=made: f"{found[1]}{made()}\n{found[2]}", text, flags=re.S)
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
