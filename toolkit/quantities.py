"""Times, sizes and rates as people write them."""

import re
from contextlib import contextmanager

from toolkit.errors import OptionError

STAGES = ("head", "layer4", "layer3", "layer2", "layer1", "stem")


def rates(text):
    """{"head": 1e-3, ...} from "head=1e-3,layer4=1e-4"; None stays None."""
    if text is None:
        return None
    found = {}
    for part in text.split(","):
        stage, _, value = part.partition("=")
        try:
            found[stage.strip()] = float(value)
        except ValueError:
            raise OptionError(f"--rates {text!r}: {part!r} is not STAGE=RATE, such as layer4=1e-4.") from None
        if stage.strip() not in STAGES or not 0 < found[stage.strip()] <= 10:
            raise OptionError(f"--rates {text!r}: allowed are rates above 0 and up to 10 for {', '.join(STAGES)}.")
    return found


def seconds(text):
    """Seconds of "90s", "10m" or "2h"; None stays None."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not match or float(match[1]) <= 0:
        raise OptionError(f"--time-budget {text!r}: wanted a time such as 90s, 10m or 2h.")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def size(text, name="--cache-limit"):
    """Bytes of "500MB", "20GB" or "1TB" (powers of 1000); "0" keeps nothing."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", text.strip().lower())
    if not match:
        raise OptionError(f"{name} {text!r}: wanted a size such as 500MB or 20GB.")
    return int(float(match[1]) * 1000 ** ("", "k", "m", "g", "t").index(match[2]))


def size_in_words(number):
    """Bytes as people read them, such as "95.2 MB" (powers of 1000): what `size` reads."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= unit:
            return f"{number / unit:.3g} {name}"
    return f"{number} bytes"


def depth(text):
    """Refuse what is no rule for more than 8 bits."""
    if text != "auto":
        from toolkit.pixels.depth import Depth  # with NumPy, which --help does without

        with _refusing(f"--depth {text!r}"):
            Depth.of(text)


def frames(text):
    """Refuse what is no rule for files of several frames; None is one."""
    if text not in (None, "auto"):
        from toolkit.pixels.frames import checked

        with _refusing(f"--frames {text!r}"):
            checked(text)


@contextmanager
def _refusing(what):
    try:
        yield
    except ValueError as error:
        raise OptionError(f"{what}: {error}.") from None
