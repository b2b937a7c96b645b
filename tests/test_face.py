"""The face other projects use: a few names, each imported when it is first asked for, the same ever after."""

import subprocess
import sys
from pathlib import Path

import pytest

import toolkit


def said(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          cwd=Path(__file__).resolve().parents[1])
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("order", ["", "import toolkit.finetune, toolkit.artifact; "])
def test_a_name_is_the_same_whatever_was_imported_before(order):
    names = toolkit.__all__
    kinds = said(f"import toolkit; {order}"
                 f"print(*[type(getattr(toolkit, n)).__name__ for _ in range(2) for n in {names}])")
    assert dict(zip(names * 2, kinds)) == {"Finetune": "type", "backbones": "module", "finetune": "module",
                                           "load": "function"}
    assert kinds[:len(names)] == kinds[len(names):]


def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(AttributeError, match="backbones, finetune, load"):
        toolkit.nothing_of_the_kind


def test_the_command_is_a_function_too():
    assert toolkit.finetune.finetune.__doc__ and toolkit.Finetune("DATA").seed == 0
