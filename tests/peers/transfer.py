"""A stranger's side of a transfer, written from the README's Protocol section alone.

    transfer.py send SOCKET [NAME DATA [DAMAGE]]    DAMAGE: crc, count, long, item, silent, gone, huge
    transfer.py recv SOCKET [ANSWER]                ANSWER: saved, enough, failed, gone

It connects to SOCKET. recv prints NAME, a tab and DATA for each item.
"""
import socket
import struct
import sys
import zlib

what, path, *rest = sys.argv[1:]
pipe = socket.socket(socket.AF_UNIX)
pipe.connect(path)


def hear(count):
    got = b""
    while len(got) < count:
        piece = pipe.recv(count - len(got))
        if not piece:
            sys.exit("the peer has gone")
        got += piece
    return got


def say(kind, payload=b""):
    pipe.sendall(kind + struct.pack("<I", len(payload)) + payload)


def record():
    kind, length = struct.unpack("<cI", hear(5))
    return kind, hear(length)


pipe.sendall(struct.pack("<8sHcBI", b"pipetool", 1, b"S" if what == "send" else b"R", 0, 0x80000000))
magic, version, role, _, _ = struct.unpack("<8sHcBI", hear(16))
assert magic == b"pipetool" and version >= 1 and role == (b"R" if what == "send" else b"S"), (magic, version, role)

if what == "send":
    name, data, damage = (*rest, "")[:3] if rest else ("", "", "silent")
    # Bytes that are no text come in as '\udcXX'.
    name, data = name.encode("utf-8", "surrogateescape"), data.encode()
    if damage == "silent":
        hear(1)
    if damage == "huge":
        # An item that is whole, and then one that says that impossibly much is to come.
        say(b"I", struct.pack("<cBQIqIIQ", b"T", 0, 0, 0, 0, 0, 2, 9))
        say(b"D", b"whole")
        say(b"E", struct.pack("<QI", 5, zlib.crc32(b"whole")))
        assert record() == (b"A", b"\0")
    left = 2**64 - 2 if damage == "huge" else len(data)
    head = struct.pack("<cBQIqIIQ", b"?" if damage == "item" else b"F", 1, len(data), 0, 0, 0, 1, left)
    try:
        say(b"I", head + name)
        for at in range(0, len(data), 3):
            say(b"D", data[at:at + 3])
        if damage == "gone":
            sys.exit()
        if damage == "long":
            pipe.sendall(b"D\xff\xff\xff\xff")
        count, crc = len(data) + (damage == "count"), zlib.crc32(data) ^ (damage == "crc")
        say(b"E", struct.pack("<QI", count, crc))
    except BrokenPipeError:
        pass  # It has failed already, and said why.
    kind, answer = record()
    assert kind == b"A", kind
    if answer != b"\0":
        sys.exit(answer[1:].decode())
    say(b"B")
else:
    while (record_ := record())[0] != b"B":
        kind, payload = record_
        assert kind == b"I", kind
        name, data = payload[38:], b""
        while (record_ := record())[0] == b"D":
            data += record_[1]
        kind, end = record_
        assert kind == b"E" and struct.unpack("<QI", end) == (len(data), zlib.crc32(data))
        print(name.decode(), data.decode(), sep="\t")
        answer = rest[0] if rest else "saved"
        if answer == "gone":
            sys.exit()
        say(b"A", {"saved": b"\0", "enough": b"\2", "failed": b"\1no room"}[answer])
        if answer != "saved":
            break
