"""The errors a user can mend, each with its exit code.

ToolkitError
├── OptionError      2    wrong options: name, value, what is allowed
├── DataError        3    data unusable: which file, why, what to do
├── ResourceError    4    out of memory or disk
├── DivergedError    5    a loss or score became non-finite
└── UntrustedError   6    damaged file, or one that must not be trusted

Beside them 130 (Ctrl-C) and 143 (SIGTERM); a run that ends because its stop file asks for it did as it was told: 0.
The text of an error is one sentence or two: what was wanted, what came, what to do.
"""

import contextlib
import errno
import gc
import os
import signal
import sys
import threading
import traceback

INTERRUPTED, TERMINATED = 130, 143
LIBRARIES = ("XlaRuntimeError", "JaxRuntimeError", "InternalError")  # JAX's, TensorFlow's: their text says what it was
SPENT = ("RESOURCE_EXHAUSTED", "Dst tensor is not initialized")
GARBAGE = 10_000  # objects made before unreachable ones are looked for; Python's own 700 suit smaller programs


class ToolkitError(Exception):
    """An error whose text a user can act on."""

    code = 1


class OptionError(ToolkitError):
    """A wrong option."""

    code = 2


class DataError(ToolkitError):
    """Data that cannot be used."""

    code = 3


class ResourceError(ToolkitError):
    """Memory or disk ran out."""

    code = 4


class DivergedError(ToolkitError):
    """Training became non-finite."""

    code = 5


class UntrustedError(ToolkitError):
    """A damaged file, or one that must not be trusted."""

    code = 6


class Terminated(BaseException):
    """SIGTERM arrived; like KeyboardInterrupt it passes every `except Exception`."""


class Stopped(BaseException):
    """The run was asked to end, by its stop file, before there was a result; the text says so."""


Interrupted = (KeyboardInterrupt, Terminated)


def out_of_memory(error):
    """Whether memory ran out, the computer's or a GPU's; errors of libraries by name, since an import takes seconds."""
    name = type(error).__name__
    return isinstance(error, MemoryError) or name == "ResourceExhaustedError" or (
        name in LIBRARIES and any(words in str(error) for words in SPENT))


@contextlib.contextmanager
def within_memory(less):
    """ResourceError instead of what is raised inside where memory runs out; less(): when, and what would take less."""
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise ResourceError(f"memory ran out {less()}.") from error


class Interrupts:
    """Ctrl-C and SIGTERM held back to the next safe point; a second one acts at once.

    A context manager around the work, called at each safe point: it raises KeyboardInterrupt or Terminated there when
    one has arrived. Outside the main thread, where Python takes no signals, it does nothing.
    """

    def __init__(self, say=lambda text: None):
        self.say, self.arrived, self.raised, self.before = say, None, False, {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error):
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        if self.arrived is not None:
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
        self.arrived = number
        with contextlib.suppress(RuntimeError):  # it may have come while another line was being printed
            self.say("stopping at the next safe point and keeping the best so far; once more stops at once")

    def __call__(self):
        if self.arrived is not None and not self.raised:  # once: what follows saves the best so far
            self.raised = True
            raise Terminated if self.arrived == signal.SIGTERM else KeyboardInterrupt


def plain(text):
    """`text` with control and direction characters escaped, safe to print on a terminal or into a log line.

    The joiners of composed emoji and of some scripts stay: they change no order and hide nothing.
    """
    shown = "\u200c\u200d"
    return "".join(c if c.isprintable() or c in shown else c.encode("unicode_escape").decode() for c in str(text))


def command(main):
    """Be the command `main` in a process of its own, to its exit code.

    Hardly anything here forms cycles, so they are looked for seldom, and not among all that is left at the end: a
    twentieth of a short run.
    """
    gc.set_threshold(GARBAGE)
    code = guarded(main)
    gc.freeze()
    sys.exit(code)


def guarded(command, arguments=None):
    """Run `command(arguments)` and return its exit code; an error a user can mend becomes one line on stderr."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    debug = "--debug" in arguments
    try:
        return command(arguments) or 0
    except ToolkitError as error:
        if debug:
            traceback.print_exc()
        print("error: " + "\n".join(plain(line) for line in str(error).splitlines()), file=sys.stderr)
        return error.code
    except Stopped:
        return 0
    except Interrupted as stop:
        return TERMINATED if isinstance(stop, Terminated) else INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if debug:
            traceback.print_exc()
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        place = plain(error.filename) if error.filename else "a file"
        print(f"error: {place}: {error.strerror or error}; " + (
            "free some space and run again." if full else "check that it exists and may be read or written."),
            file=sys.stderr)
        return ResourceError.code
    except Exception as error:
        if not out_of_memory(error):
            raise
        if debug:
            traceback.print_exc()
        print("error: memory ran out; try a smaller --batch-size or --size.", file=sys.stderr)
        return ResourceError.code
