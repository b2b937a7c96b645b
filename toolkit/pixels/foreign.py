"""What a file is that is not a picture we read: by its first bytes, for the sentence of the refusal."""

MAGIC = (  # (offset, bytes, what it is and what to do)
    (0, b"version https://git-lfs", "a Git LFS pointer, not the picture itself; fetch it with: git lfs pull"),
    (0, b"SIMPLE  =", "a FITS file; save it as TIFF first"),
    (0, b"%!PS", "a PostScript file, which is never run"),
    (0, b"\xc5\xd0\xd3\xc6", "a PostScript file, which is never run"),
    (0, b"8BPS", "a Photoshop file; save it as PNG or TIFF first"),
    (0, b"%PDF", "a PDF file; save its picture as PNG first"),
    (4, b"ftypheic", "an HEIC photograph; save it as JPEG first"),
    (4, b"ftypmif1", "an HEIF photograph; save it as JPEG first"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"\x1f\x8b", "packed by gzip; unpack it first"),
    (344, b"ni1\0", "a NIfTI header whose pixels lie in an .img file; save both as one .nii file"),
    (0, b"\xd0\xcf\x11\xe0", "a Windows system or office file"),
    (0, b"\x00\x05\x16\x07", "a macOS resource fork"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"\x93NUMPY", "a NumPy array; put arrays into an .npz file"),
)
HALF_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"GIF8", b"RIFF")


def name(data):
    """One sentence on what `data` is instead of a picture."""
    for offset, magic, sentence in MAGIC:
        if data[offset:offset + len(magic)] == magic:
            return sentence
    head = data[:2048].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return "a web page saved under a picture's name"
    if b"<svg" in head:
        return "an SVG drawing, not pixels; save it as PNG first"
    if _headless_dicom(data):
        return "a DICOM file without its preamble, which is not read; save it anew with one"
    if data.startswith(HALF_PICTURES):
        return "damaged: it begins like a picture but its header cannot be read"
    if _is_text(data[:2048]):
        return "text, not a picture"
    return ("not a picture in a format that is read (PNG, JPEG, TIFF, BMP, GIF, WEBP, AVIF, JPEG 2000, PPM, DICOM, "
            "NIfTI)")


def _headless_dicom(data):
    """Group 0002 or 0008 at the start, then a value representation or a short length, as DICOM writes them."""
    if b"\x08\x00\x05\x00CS" in data[:132]:
        return True
    if data[:2] not in (b"\x02\x00", b"\x08\x00") or len(data) < 132:
        return False
    return data[4:6].isalpha() and data[4:6].isupper() or int.from_bytes(data[4:8], "little") < 1024


def _is_text(head):
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return False
        text = head[:error.start].decode("utf-8")
    return bool(text) and sum(c.isprintable() or c.isspace() for c in text) >= 0.95 * len(text)
