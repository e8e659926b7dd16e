"""Python's MessagePack libraries as peers of ours.

  msgpack_peer.py LIBRARY make SEED COUNT    writes random trees to standard output
  msgpack_peer.py LIBRARY echo               reads trees from standard input and writes them again

LIBRARY is msgpack or ormsgpack. A tree is a line of hexadecimal digits.
"""
import random
import sys

import msgpack
import ormsgpack


def read_with_msgpack(data):
    return msgpack.unpackb(data, strict_map_key=False, timestamp=0)


def write_with_msgpack(value):
    return msgpack.packb(value)


class Extension:
    """An extension as ormsgpack hands it out: packed again by its default function."""

    def __init__(self, code, data):
        self.code = code
        self.data = data


def read_with_ormsgpack(data):
    return ormsgpack.unpackb(data, option=ormsgpack.OPT_NON_STR_KEYS, ext_hook=Extension)


def write_with_ormsgpack(value):
    return ormsgpack.packb(
        value, option=ormsgpack.OPT_NON_STR_KEYS, default=lambda value: ormsgpack.Ext(value.code, value.data))


LIBRARIES = {
    "msgpack": (read_with_msgpack, write_with_msgpack),
    "ormsgpack": (read_with_ormsgpack, write_with_ormsgpack),
}


def length(source):
    """Those at which the encoding changes, and small ones more often."""
    return source.choice([0, 1, 2, 3, 5, 15, 16, 17, 31, 32, 33, 255, 256, 257] + [4] * 12)


def text(source):
    return "".join(source.choice("aZ\n\0éж漢🍺\U0010ffff") for _ in range(length(source)))


def tree(source, library, depth):
    kind = source.randrange(11 if depth > 0 else 8)
    if kind == 0:
        return source.choice([None, True, False])
    if kind == 1:
        return source.getrandbits(64) >> source.randrange(64)
    if kind == 2:
        return -(source.getrandbits(63) >> source.randrange(63)) - 1
    if kind == 3:
        return source.choice([0.5, -0.0, float("inf"), source.uniform(-1e300, 1e300)])
    if kind == 4:
        return text(source)
    if kind == 5:
        return source.randbytes(length(source))
    if kind == 6:
        data = source.randbytes(length(source))
        # Both leave negative types to the format itself.
        extension = msgpack.ExtType if library == "msgpack" else Extension
        return extension(source.randrange(128), data)
    if kind == 7:
        # ormsgpack has no timestamps.
        if library == "ormsgpack":
            return None
        return msgpack.Timestamp(source.getrandbits(62) >> source.randrange(62), source.randrange(10**9))
    if kind == 8:
        return [tree(source, library, depth - 1) for _ in range(min(length(source), 40))]
    keys = [source.choice([text(source), source.randrange(1000)]) for _ in range(min(length(source), 40))]
    return {key: tree(source, library, depth - 1) for key in keys}


def main():
    library = sys.argv[1]
    read, write = LIBRARIES[library]
    if sys.argv[2] == "make":
        source = random.Random(int(sys.argv[3]))
        for _ in range(int(sys.argv[4])):
            print(write(tree(source, library, 4)).hex())
        return
    for line in sys.stdin:
        print(write(read(bytes.fromhex(line))).hex())


main()
