"""Which kind of device took a picture, or which programme wrote it: maker, model, software of EXIF or DICOM.

No other tag is read: serial numbers, places, dates and names stay where they are.
"""

MAKER, MODEL, SOFTWARE = 0x010F, 0x0110, 0x0131  # EXIF 2.32, table 4
LONGEST = 60  # characters


def of(image):
    """`name` by the EXIF data of a Pillow image that is not turned yet; "" where they are damaged or absent."""
    try:
        tags = image.getexif()
        return name(*(tags.get(tag, "") for tag in (MAKER, MODEL)), software=tags.get(SOFTWARE, ""))
    except Exception:  # hostile EXIF makes Pillow raise anything
        return ""


def name(maker, model, software=""):
    """Maker and model in one line, the maker once; the software where neither is known."""
    maker, model, software = (_line(text) for text in (maker, model, software))
    if maker and not model.casefold().startswith(maker.casefold()):
        model = f"{maker} {model}".strip()
    return (model or software)[:LONGEST]


def _line(text):
    """Printable characters of a tag; blanks joined."""
    text = text.decode("latin-1") if isinstance(text, bytes) else text if isinstance(text, str) else ""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text[:1000]).split())
