"""Errors: exit codes, one line on standard error, and interruptions that wait for a safe point."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit import errors

ROOT = Path(__file__).resolve().parents[1]


def raising(error):
    def command(arguments):
        raise error
    return command


@pytest.mark.parametrize("error, code", [
    (errors.OptionError("say what"), 2), (errors.DataError("say what"), 3), (errors.ResourceError("say what"), 4),
    (errors.DivergedError("say what"), 5), (errors.UntrustedError("say what"), 6),
    (errors.ToolkitError("say what"), 1)])
def test_B2_each_error_has_its_code_and_one_line(capsys, error, code):
    assert errors.guarded(raising(error), []) == code
    assert capsys.readouterr().err == "error: say what\n"


def of_a_library(name, text):
    """An error as TensorFlow or JAX raises it, told by the name of its class."""
    return type(name, (Exception,), {})(text)


SPENT = [MemoryError(), of_a_library("ResourceExhaustedError", "OOM when allocating tensor with shape[64,512]"),
         of_a_library("XlaRuntimeError", "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes."),
         of_a_library("JaxRuntimeError", "RESOURCE_EXHAUSTED: Out of memory"),
         of_a_library("InternalError", "Failed copying input tensor to GPU:0: Dst tensor is not initialized.")]
OTHERS = [of_a_library("XlaRuntimeError", "INTERNAL: no such kernel"), of_a_library("InternalError", "RESOURCE"),
          ZeroDivisionError("RESOURCE_EXHAUSTED")]


@pytest.mark.parametrize("error", SPENT, ids=lambda error: type(error).__name__)
def test_E5_memory_that_runs_out_is_told_in_a_sentence_and_what_takes_less(capsys, error):
    assert errors.guarded(raising(error), []) == 4
    assert capsys.readouterr().err == "error: memory ran out; try a smaller --batch-size or --size.\n"
    with pytest.raises(errors.ResourceError, match="^memory ran out in tuning; try less.$") as caught:
        with errors.within_memory(lambda: "in tuning; try less"):
            raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", OTHERS, ids=lambda error: type(error).__name__)
def test_E5_what_only_looks_like_it_is_a_fault_of_our_own(error):
    with pytest.raises(type(error)), errors.within_memory(lambda: "never"):
        raise error
    with pytest.raises(type(error)):
        errors.guarded(raising(error), [])


@pytest.mark.parametrize("error, code, said", [
    (OSError(errno.ENOSPC, "No space left on device", "x.bin"), 4, "x.bin: No space left on device; free some space"),
    (PermissionError(errno.EACCES, "Permission denied", "x.bin"), 4, "x.bin: Permission denied; check"),
    (OSError("odd"), 4, "odd")])
def test_E5_what_the_system_refuses_becomes_a_sentence(capsys, error, code, said):
    assert errors.guarded(raising(error), []) == code
    shown = capsys.readouterr().err
    assert shown.startswith("error: ") and said in shown and "Traceback" not in shown


def test_debug_shows_the_traceback(capsys):
    assert errors.guarded(raising(errors.DataError("say what")), ["--debug"]) == 3
    shown = capsys.readouterr().err
    assert "Traceback" in shown and shown.endswith("error: say what\n")


def test_a_fault_of_our_own_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        errors.guarded(raising(ZeroDivisionError()), [])


def test_success_is_zero_and_arguments_are_handed_on():
    seen = []
    assert errors.guarded(seen.append, ["a", "--b"]) == 0 and seen == [["a", "--b"]]


@pytest.mark.parametrize("hostile, shown", [
    ("a\x1b[31mb", r"a\x1b[31mb"), ("a\nb", r"a\nb"), ("x\u202egpj", r"x\u202egpj"), ("\u200f\u2066", r"\u200f\u2066"),
    ("a\x00b\x7f", r"a\x00b\x7f"), ("Zellkörper 細胞 é", "Zellkörper 細胞 é"), (Path("a b"), "a b")])
def test_I4_names_are_shown_as_plain_text(hostile, shown):
    assert errors.plain(hostile) == shown


def test_I4_an_error_that_quotes_a_name_cannot_colour_the_terminal(capsys):
    errors.guarded(raising(errors.DataError("bad file \x1b]0;x\x07\u202e\nsecond line")), [])
    assert capsys.readouterr().err == "error: bad file \\x1b]0;x\\x07\\u202e\nsecond line\n"


def run(code, **more):
    """A process that runs `code` inside `guarded`, whose exit code it ends with."""
    program = f"""
import os, signal, sys, time
from toolkit import errors

def command(arguments):
{chr(10).join('    ' + line for line in code.splitlines())}

sys.exit(errors.guarded(command, []))
"""
    return subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, **more)


SAFE_POINTS = """
with errors.Interrupts(print) as stop:
    os.kill(os.getpid(), {first})
    print("finished the step", flush=True)
    try:
        stop()
        print("not reached")
    except errors.Interrupted:
        stop()
        print("saved", flush=True)
        raise
"""


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_E1_E2_one_signal_ends_at_the_next_safe_point(number, code):
    process = run(SAFE_POINTS.format(first=int(number)))
    out, err = process.communicate(timeout=60)
    assert process.returncode == code and err == ""
    assert out.splitlines()[1:] == ["finished the step", "saved"] and "stopping" in out.splitlines()[0]


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_E1_E2_a_second_signal_acts_at_once(number, code):
    process = run(f"""
with errors.Interrupts() as stop:
    os.kill(os.getpid(), {int(number)})
    os.kill(os.getpid(), {int(number)})
    print("not reached", flush=True)
""")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (code, "", "")


def test_signals_are_as_before_afterwards():
    before = signal.getsignal(signal.SIGTERM)
    with errors.Interrupts():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_reader_that_leaves_early_is_no_error():
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [sys.executable, "-c", "from toolkit import errors; import sys\n"
         "sys.exit(errors.guarded(lambda a: [print('x' * 1000, flush=True) for _ in range(100)] and 0, []))"],
        cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0 and err == ""
