"""The table that `python -m toolkit.backbones` prints, and the same one in the README."""

import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.backbones import weights
from toolkit.backbones.resnet_table import RESNETS

ROOT = Path(__file__).parents[2]


def printed(*arguments):
    return subprocess.run([sys.executable, "-m", "toolkit.backbones", *arguments], cwd=ROOT, capture_output=True,
                          text=True)


def test_every_network_and_every_set_of_weights_is_listed():
    table = printed("--markdown").stdout
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in table.splitlines()[2:]}
    assert lines.keys() == RESNETS.keys()
    for name, line in lines.items():
        for source in weights.for_network(name):
            assert source.tag in line and source.licence in line
    assert "| 25,557,032 | 4.09 G | 3-4-6-3 | 224 | arXiv:1512.03385 |" in lines["resnet50"]


def test_B1_help_and_table_load_no_keras():
    code = ("import sys; from toolkit.backbones import __main__ as table; table.main([]); "
            "assert not {'keras', 'tensorflow', 'jax', 'numpy', 'pandas'} & set(sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in RESNETS:
        assert f"\n{name} " in done.stdout
    assert printed("--help").returncode == 0


@pytest.mark.parametrize("wrong, near", [("resnet5O", "resnet50"), ("--markdwn", "--markdwn")])
def test_B2_unknown_names_are_refused(wrong, near):
    done = printed(wrong)
    assert done.returncode == 2 and near in done.stderr and not done.stdout and "Traceback" not in done.stderr


def test_README_holds_the_table():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for line in printed("--markdown").stdout.splitlines():
        assert line in readme, "run `python -m toolkit.backbones --markdown` and put its table into README.md"
