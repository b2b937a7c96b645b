"""How large a JPEG, JPEG-LS or JPEG 2000 codestream says that it is, without decoding it."""

import struct

JPEG_2000 = b"\xff\x4f\xff\x51"                           # its begin, with the marker of its sizes (ISO 15444-1, A.5.1)
FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # markers with the sizes of a JPEG or JPEG-LS picture
BARE = {0x01, *range(0xD0, 0xD9)}                         # markers that nothing belongs to


def sides(data):
    """(width, height) of the first codestream in the bytes; (0, 0) where they are none of these."""
    try:
        if (start := data.find(JPEG_2000, 0, 2**20)) >= 0:
            right, bottom, left, top = struct.unpack_from(">4I", data, start + 8)
            return max(0, right - left), max(0, bottom - top)
        return _jpeg(data) if data[:2] == b"\xff\xd8" else (0, 0)
    except struct.error:
        return 0, 0


def _jpeg(data):
    place = 2
    while place + 4 <= len(data):
        if data[place] != 0xFF or data[place + 1] == 0xFF:
            place += 1
        elif data[place + 1] in FRAMES:
            height, width = struct.unpack_from(">2H", data, place + 5)
            return width, height
        elif data[place + 1] in BARE:
            place += 2
        else:
            place += 2 + struct.unpack_from(">H", data, place + 2)[0]
    return 0, 0
