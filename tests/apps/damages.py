"""Ways in which a run folder can be no run any more: by a power cut, another version, a bad disk or an enemy."""

import itertools
import json
import os


def replaced(file, text):
    """A damage: other contents in a file."""
    return lambda folder: (folder / file).write_bytes(text if isinstance(text, bytes) else text.encode())


def changed(file, **values):
    """A damage: other values in a file of facts."""
    def damage(folder):
        path = folder / file
        path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return damage


def gone(*files):
    """A damage: files that are missing."""
    return lambda folder: [(folder / file).unlink() for file in files]


def linked(file, target):
    """A damage: a symbolic link in a file's place."""
    def damage(folder):
        (folder / file).unlink()
        (folder / file).symlink_to(target)
    return damage


def sparse(file, size=1 << 30):
    """A damage: a gigabyte that takes no room on the disk."""
    return lambda folder: os.truncate(folder / file, size)


def pipe(file):
    """A damage: a pipe that nobody writes to, which holds up whoever opens it."""
    return lambda folder: [(folder / file).unlink(), os.mkfifo(folder / file)]


def in_place(file):
    """A damage: a folder in a file's place."""
    return lambda folder: [(folder / file).unlink(), (folder / file).mkdir()]


DEEP = "[" * 200_000 + "]" * 200_000
LONG = b'{"phase": "tune", "name": "' + b"x" * (4 << 20) + b'"}\n'
ODD = '{"phase": "tune", "name": "train_loss", "value": %s, "step": %s, "of": 3, "stage": %s}\n'
DAMAGES = {
    "run.json is cut": lambda folder: os.truncate(folder / "run.json", 200),
    "run.json is empty": replaced("run.json", ""),
    "run.json is a list": replaced("run.json", "[1, 2, 3]"),
    "run.json is binary": replaced("run.json", bytes(range(256)) * 40),
    "run.json is nested deep": replaced("run.json", '{"state": ' + DEEP + "}"),
    "run.json is a gigabyte": sparse("run.json"),
    "run.json is a link to outside": linked("run.json", "/etc/passwd"),
    "run.json is a pipe": pipe("run.json"),
    "run.json is a folder": in_place("run.json"),
    "run.json may not be read": lambda folder: (folder / "run.json").chmod(0),
    "run.json is of another version": changed("run.json", schema=99),
    "run.json has wrong types": changed("run.json", command=7, options="none", state=["finished"], times=[1],
                                        message={"a": 1}, schema=1),
    "run.json has a huge number": replaced("run.json", '{"schema": 1, "state": "finished", "times": {"seconds": '
                                           + "9" * 100_000 + "}}"),
    "run.json says no state": changed("run.json", state=None),
    "times are wrong": changed("run.json", times={"started": "the day after tomorrow", "seconds": -5}),
    "times are far off": changed("run.json", times={"started": "0001-01-01T00:00:00+23:59", "seconds": 1e308}),
    "options are odd": changed("run.json", options={"data": ["a"], "seed": {"x": 1}, "size": "x" * 100_000, "": None}),
    "status.json is a list": replaced("status.json", "[]"),
    "status.json is cut": replaced("status.json", '{"state": "runn'),
    "status.json has wrong types": replaced("status.json", '{"state": 5, "progress": "half", "seconds_left": [1], '
                                            '"message": {"a": 2}, "seconds": "long", "queued_as": -3}'),
    "status.json has NaN": replaced("status.json", '{"state": "running", "progress": NaN, "seconds_left": Infinity, '
                                    '"seconds": -Infinity}'),
    "status.json is missing": gone("status.json"),
    "events.jsonl is binary": replaced("events.jsonl", bytes(range(256)) * 4000),
    "events.jsonl has a huge line": replaced("events.jsonl", LONG * 3 + b'{"phase": "end"}\n'),
    "events.jsonl is a gigabyte": sparse("events.jsonl"),
    "events.jsonl is nested deep": replaced("events.jsonl", '{"phase": "tune", "value": ' + DEEP + "}\n"),
    "events.jsonl has odd values": replaced("events.jsonl", "".join(
        ODD % three for three in itertools.product(("NaN", "1e999", '"x"', "[1]", "{}", "null", "-1"),
                                                   ("0", "-1", "1e99", '"1"', "null"), ('"layer4"', "7", "null")))),
    "events.jsonl has half a line": lambda folder: os.truncate(
        folder / "events.jsonl", (folder / "events.jsonl").stat().st_size - 9),
    "events.jsonl is a pipe": pipe("events.jsonl"),
    "metrics.json is cut": lambda folder: os.truncate(folder / "metrics.json", 900),
    "metrics.json has wrong types": replaced("metrics.json", '{"schema": 1, "classes": "abc", "test": {"n": "x", '
                                             '"roc_auc": {"value": "good", "low": [], "high": {}}, "accuracy": 7, '
                                             '"confusion": "none"}, "chosen": 3, "seconds": {"tune": "long"}}'),
    "metrics.json has NaN": replaced("metrics.json", '{"test": {"roc_auc": {"value": NaN, "low": -Infinity, "high": 5}'
                                     '}, "chosen": "layer4"}'),
    "metrics.json is missing": gone("metrics.json"),
    "predictions.csv is binary": replaced("predictions.csv", bytes(range(256)) * 40),
    "predictions.csv has other columns": replaced("predictions.csv", "a,b\n1,2\n3\n"),
    "predictions.csv has odd numbers": replaced("predictions.csv", "split,path,label,predicted,p_a,p_b,p_c\n"
                                                "test,x,a,a,NaN,inf,-1\ntest,y,q,q,,,\n"),
    "predictions.csv is a gigabyte": sparse("predictions.csv"),
    "manifest.csv is cut": lambda folder: os.truncate(folder / "manifest.csv", 300),
    "manifest.csv is missing": gone("manifest.csv"),
    "thumbnails.zip is cut": lambda folder: os.truncate(folder / "thumbnails.zip", 900),
    "thumbnails.zip is a link to outside": linked("thumbnails.zip", "/etc/passwd"),
    "log.txt is a gigabyte": sparse("log.txt"),
    "log.txt is binary": replaced("log.txt", bytes(range(256)) * 4000),
    "lock is missing": gone("lock"),
    "lock is a pipe": pipe("lock"),
    "the folder may not be read": lambda folder: folder.chmod(0),
    "only run.json is there": lambda folder: gone(*(one.name for one in folder.iterdir() if one.name != "run.json"))(
        folder),
}
