"""Options: one dataclass is default, meaning, range, command line and file; a wrong one is refused by name."""

import json
from dataclasses import asdict, fields

import pytest

from toolkit import commandline, options
from toolkit.errors import OptionError
from toolkit.options import Finetune, Predict

COMMANDS = {"finetune": Finetune, "predict": Predict}
EVERY = [pytest.param(f, id=f"{name}.{f.name}") for name, kind in COMMANDS.items() for f in fields(kind)]
NAMED = [f for f in fields(Finetune) if not f.metadata.get("positional")]


def finetune(*arguments):
    return commandline.parse(Finetune, "finetune", list(arguments))


def refused(*arguments):
    with pytest.raises(OptionError) as error:
        finetune(*arguments)
    return str(error.value)


@pytest.fixture
def file(tmp_path):
    """Writes an options file and returns its path."""
    def write(name, text):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)
    return write


def beyond(f):
    """Values just outside the range of a field."""
    m = f.metadata
    if m.get("choices"):
        return ["nothing of the kind" if f.type is str else max(m["choices"]) + 1]
    step = 1 if commandline.kind_of(f) == "int" else 1e-9
    return ([m["low"] - step] if m.get("low") is not None else []) + (
        [m["high"] + step] if m.get("high") is not None else []) + (
        [m["short_of"]] if m.get("short_of") is not None else [])


@pytest.mark.parametrize("f", EVERY)
def test_every_option_has_a_meaning_and_a_default_in_its_range(f):
    assert f.metadata["help"] and not f.metadata["help"].endswith(".")
    assert commandline.fits(f, f.default)
    if commandline.kind_of(f) in ("int", "float") and not f.metadata.get("choices"):
        assert f.metadata["low"] is not None, "a number needs a range"


@pytest.mark.parametrize("f", [f for f in NAMED if beyond(f)], ids=lambda f: f.name)
def test_B2_out_of_range_names_option_value_and_range(f):
    for value in beyond(f):
        said = refused("DATA", f"{commandline.flag(f.name)}={value!r}".replace("'", ""))
        assert commandline.flag(f.name) in said and f"{value}" in said and commandline.allowed(f) in said


@pytest.mark.parametrize("f", [f for f in NAMED if commandline.kind_of(f) in ("int", "float")], ids=lambda f: f.name)
@pytest.mark.parametrize("value", ["many", "nan", ""])
def test_B2_wrong_type_names_option_value_and_range(f, value):
    said = refused("DATA", commandline.flag(f.name), value)
    assert said.startswith(f"{commandline.flag(f.name)} ") and value in said and commandline.allowed(f) in said


@pytest.mark.parametrize("f", NAMED, ids=lambda f: f.name)
def test_B2_a_typo_is_answered_with_the_near_name(f):
    name = commandline.flag(f.name)
    typo = name + "q" if name == "--devices" else name[:-1] + ("q" if name[-1] != "q" else "x")  # --device is one too
    assert f"{typo} is no option of finetune, did you mean {name}?" in refused("DATA", typo, "1")


@pytest.mark.parametrize("arguments, said", [
    ((), "DATA is missing"),
    (("DATA", "more"), "more"),
    (("DATA", "--epochs"), "--epochs wants a whole number, 1 to 1000; got none"),
    (("DATA", "--epo", "3"), "--epo is no option"),
    (("DATA", "--strict=true"), "--strict is given alone"),
    (("DATA", "--resize", "crpo"), "did you mean crop?"),
    (("DATA", "--label-smoothing", "inf"), "--label-smoothing wants a number, 0 to below 1; got 'inf'"),
    (("DATA", "--seed", "-1"), "0 to 2147483647"),
    (("DATA", "--rates", "layer4"), "not STAGE=RATE"),
    (("DATA", "--rates", "layer9=1"), "layer4, layer3"),
    (("DATA", "--rates", "head=0"), "rates above 0 and up to 10"),
    (("DATA", "--time-budget", "ten"), "90s, 10m or 2h"),
    (("DATA", "--cache-limit", "much"), "--cache-limit 'much': wanted a size such as 500MB or 20GB"),
    (("DATA", "--cache-limit=-1GB"), "500MB or 20GB"),
    (("DATA", "--cache-dtype", "float8"), "float16, float32, bfloat16"),
    (("DATA", "--executor", "openvin"), "did you mean openvino?"),
    (("DATA", "--views", "4"), "--views is no option"),
    (("DATA", "--device", "tpu"), "auto, cpu, gpu and gpu:N"),
    (("DATA", "--be\x1b[31mpretty"), r"\x1b"),
])
def test_B2_the_refusal_says_what_was_wanted(arguments, said):
    found = refused(*arguments)
    assert said in found and "\x1b" not in found and "\n" not in found


@pytest.mark.parametrize("arguments, names", [
    (("DATA", "--rates", "head=1e-3", "--layer-decay", "0.3"), ("--rates", "--layer-decay")),
    (("--resume",), ("--resume", "--run-dir")),
    (("DATA", "--weights", "none", "--train-from", "head"), ("--weights", "--train-from")),
    (("DATA", "--validation", "0.5", "--test", "0.4"), ("--validation", "--test")),
    (("DATA", "--probe-only", "--train-from", "layer4"), ("--probe-only", "--train-from")),
    (("DATA", "--fold-repeats", "3"), ("--fold-repeats", "folds")),
    (("DATA", "--probe-only", "--weights", "none"), ("--probe-only", "--weights")),
])
def test_B2_options_that_exclude_each_other_are_both_named(arguments, names):
    assert all(name in refused(*arguments) for name in names)


@pytest.mark.parametrize("name, text, line, key, why", [
    ("o.yaml", "size: 64\nbackbon: resnet18\n", 2, "backbon", "did you mean backbone?"),
    ("o.yaml", "size: 64\ntrain-frm: head\n", 2, "train-frm", "did you mean train_from?"),
    ("o.yaml", "batch_size: 8\nsize: 9999\n", 2, "size", "32 to 1024 pixels"),
    ("o.yml", "# epochs: none\nseed: 1\nepochs: many\n", 3, "epochs", "'many'"),
    ("o.yaml", "strict: 1\n", 1, "strict", "true or false"),
    ("o.yaml", "size: true\n", 1, "size", "'True'"),
    ("o.yaml", "backbone: 50\n", 1, "backbone", "text"),
    ("o.yaml", "layer-decay: 2\n", 1, "layer-decay", "0.001 to 1"),
    ("o.json", '{"size": 64,\n "epochs": 3.5}', 2, "epochs", "a whole number"),
    ("o.json", '{"size": 64, "resize": "crpo"}', 1, "resize", "did you mean crop?"),
    ("o.toml", 'size = 64\n\nepochs = "x"\n', 3, "epochs", "'x'"),
])
def test_B3_a_wrong_file_is_refused_with_line_and_key(file, name, text, line, key, why):
    path = file(name, text)
    said = refused("DATA", "--config", path)
    assert said.startswith(f"--config {path}, line {line}, {key}: ") and why in said


@pytest.mark.parametrize("name, text, said", [
    ("o.yaml", "a: [\n", "line 2"), ("o.json", '{"size": 64', "line 1"), ("o.toml", "size = \n", "line 1"),
    ("o.yaml", "- size\n", "got a list"), ("o.yaml", "size\n", "got a str")])
def test_B3_a_file_that_is_none_is_refused(file, name, text, said):
    path = file(name, text)
    found = refused("DATA", "--config", path)
    assert found.startswith(f"--config {path}") and said in found and "\n" not in found


def test_B3_a_missing_file_is_refused(tmp_path):
    assert "No such file" in refused("DATA", "--config", str(tmp_path / "none.yaml"))


@pytest.mark.parametrize("name, text", [
    ("o.yaml", "data: DATA\nsize: 96\nlearning-rate: 1e-3\nstrict: true\nepochs: null\n"),
    ("o.json", '{"data": "DATA", "size": 96, "learning_rate": 0.001, "strict": true}'),
    ("o.toml", 'data = "DATA"\nsize = 96\nlearning_rate = 1e-3\nstrict = true\n')])
def test_B3_the_command_line_wins_over_the_file(file, name, text):
    path = file(name, text)
    assert finetune("--config", path) == Finetune("DATA", size=96, learning_rate=1e-3, strict=True)
    assert finetune("OTHER", "--size", "64", "--config", path) == Finetune("OTHER", size=64, learning_rate=1e-3,
                                                                           strict=True)
    # a default that is given by name wins too
    assert finetune("--size", "224", "--config", path).size == 224


@pytest.mark.parametrize("name", options.PRESETS)
def test_a_preset_gives_way_to_the_file_and_to_the_command_line(file, name):
    values = options.PRESETS[name]
    assert finetune("DATA", "--preset", name) == Finetune("DATA", preset=name, **values)
    path = file("o.yaml", f"preset: {name}\nsize: 64\npatience: 9\n")
    wanted = values | {"size": 64, "patience": 9}
    assert finetune("DATA", "--config", path) == Finetune("DATA", preset=name, **wanted)
    assert finetune("DATA", "--config", path, "--patience", "2", "--train-from", "layer4") == Finetune(
        "DATA", preset=name, **wanted | {"patience": 2, "train_from": "layer4"})
    assert finetune("DATA", "--config", path, "--preset", "balanced").patience == 9
    known = {f.name: f for f in NAMED}
    for option, value in values.items():  # a flag could not be taken back
        assert commandline.typed(known[option], value) and commandline.fits(known[option], value)
        assert known[option].type is not bool


def test_the_preset_balanced_is_what_stands_where_nothing_is_said():
    assert finetune("DATA") == finetune("DATA", "--preset", "balanced") == Finetune("DATA", preset="balanced")
    assert [name for name, values in options.PRESETS.items() if not values] == [Finetune.preset] == ["balanced"]


def test_B2_a_preset_that_is_none_is_refused_and_a_clash_names_it():
    assert "--preset 'bst': allowed is fast, balanced, best, did you mean best?" in refused("DATA", "--preset", "bst")
    said = refused("DATA", "--preset", "fast", "--weights", "none")
    assert "--train-from head with --weights none" in said and "(--preset fast stands for --train-from head.)" in said


@pytest.mark.parametrize("pictures", ["a.png", ["a.png", "b"]])
def test_B3_predict_takes_a_file_too(file, pictures):
    path = file("o.json", json.dumps({"model": "run", "pictures": pictures, "batch_size": 4}))
    found = commandline.parse(Predict, "predict", ["--config", path])
    assert found == Predict("run", tuple([pictures] if isinstance(pictures, str) else pictures), batch_size=4)


def test_B3_effective_options_go_through_json_and_back():
    chosen = finetune("DATA", "--size", "64", "--rates", "head=1e-3,layer4=1e-4", "--epochs", "3", "--strict",
                      "--time-budget", "10m", "--max-bad", "0", "--cache-views", "0", "--cache-limit", "5GB",
                      "--cache-dir", "there", "--probe-only")
    assert options.from_dict(Finetune, json.loads(json.dumps(asdict(chosen)))) == chosen


@pytest.mark.parametrize("wrong", [{"sise": 64}, {"size": 8}, {"size": "64"}, {"size": 64.0}, {"size": True},
                                   {"size": None}, {"size": [64]}, {"strict": 1}, {"layer_decay": "x"}, {"root": 3},
                                   {"time_budget": "ten"}, {"data": None}, {"views": 4}, {"cache_limit": "much"},
                                   {"cache_views": -1}, {"devices": 0}])
def test_options_of_a_changed_run_are_refused(wrong):
    with pytest.raises(OptionError):
        options.from_dict(Finetune, asdict(Finetune("DATA")) | wrong)


def test_B1_help_states_every_option_with_range_and_default(capsys):
    for command, kind in COMMANDS.items():
        with pytest.raises(SystemExit) as ended:
            commandline.parse(kind, command, ["--help"])
        shown = " ".join(capsys.readouterr().out.split())
        assert ended.value.code == 0
        for f in fields(kind):
            assert " ".join(f.metadata["help"].split()) in shown
            if not f.metadata.get("positional"):
                assert commandline.flag(f.name) in shown
                assert commandline.allowed(f).replace("true or false", "") in shown
                if f.default not in (None, False):
                    assert f"default: {f.default}" in shown


@pytest.mark.parametrize("arguments", [("--probe-only",), ("--probe-only", "--train-from", "head"),
                                       ("--cache-views", "0"), ("--cache-limit", "0")])
def test_what_goes_together_is_let_through(arguments):
    finetune("DATA", *arguments)


def test_sizes_are_read():
    for text, wanted in (("20GB", 20 * 10**9), ("500MB", 5 * 10**8), ("1.5 tb", 15 * 10**11), ("2k", 2000), ("0", 0),
                         ("12345", 12345), ("7B", 7), (Finetune.cache_limit, 20 * 10**9)):
        assert options.size(text) == wanted
    for text in ("", "GB", "1XB", "1GB2", "-1", "1e9", "nan"):
        with pytest.raises(OptionError, match="--cache-limit"):
            options.size(text)


def test_rates_and_times_are_read():
    assert options.rates("head=1e-3, layer4=0.0001") == {"head": 1e-3, "layer4": 1e-4} and options.rates(None) is None
    for text, seconds in (("90s", 90), ("10m", 600), ("2h", 7200), ("1.5h", 5400), ("30", 30), (None, None)):
        assert options.seconds(text) == seconds
