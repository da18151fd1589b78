"""Sealed objects, packs, indexes and chunks (docs/format.md sections 3 and 4)."""

import hashlib
import hmac
import json
import struct
from collections import OrderedDict, defaultdict
from dataclasses import dataclass

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from holders import INDEX, PACK, Holders
from keys import Keyring, Refused

HOLE = bytes(16)
LOCATOR, TABLE = 0xFFFF_FFFF, 0xFFFF_FFFE
MOST_PLAIN = 1 << 20


@dataclass
class Segment:
    number: int
    offset: int
    length: int
    plain_length: int
    codec: int
    chunks: list[tuple[bytes, int]]


def read_table(table: bytes) -> list[Segment]:
    try:
        (count,) = struct.unpack_from("<I", table, 0)
        at, segments = 4, []
        for number in range(count):
            offset, length, plain_length, codec, _, chunks = struct.unpack_from("<IIIBBH", table, at)
            at += 16
            listed = [struct.unpack_from("<16sI", table, at + 20 * i) for i in range(chunks)]
            at += 20 * chunks
            segments.append(Segment(number, offset, length, plain_length, codec, listed))
        return segments
    except struct.error as error:
        raise Refused("a table of contents is cut short") from error


class Sealed:
    """An object of kind 1, 2 or 3 with the keys that open it."""

    def __init__(self, data: bytes, kind: int, keyring: Keyring):
        magic, own_kind, self.epoch, self.salt = struct.unpack_from("<4sB3xI32s", data, 0)
        if magic != b"HFO1" or own_kind != kind:
            raise Refused("an object of an unknown or another kind")
        self.data, self.kind, self.owner = data, kind, keyring.owner
        self.cipher = AESGCM(keyring.object_key(self.epoch, self.salt))

    def open(self, number: int, offset: int, length: int, codec: int = 0) -> bytes:
        nonce = bytes(8) + struct.pack("<I", number)
        additional = struct.pack("<4sBBHI32s32sI", b"HFO1", self.kind, codec, 0, self.epoch, self.owner, self.salt, number)
        try:
            return self.cipher.decrypt(nonce, self.data[offset:offset + length], additional)
        except InvalidTag as error:
            raise Refused("an object does not open with its key") from error

    def segments(self) -> list[Segment]:
        offset, length, count = struct.unpack("<III", self.open(LOCATOR, 44, 28))
        segments = read_table(self.open(TABLE, offset, length))
        if len(segments) != count:
            raise Refused("a table of contents has another number of segments")
        return segments

    def plain(self, segment: Segment) -> bytes:
        data = self.open(segment.number, segment.offset, segment.length, segment.codec)
        if segment.plain_length > MOST_PLAIN or segment.codec > 1:
            raise Refused("a segment out of range")
        if segment.codec == 1:
            data = zstandard.ZstdDecompressor().decompress(data, max_output_size=segment.plain_length)
        if len(data) != segment.plain_length:
            raise Refused("a segment has another length")
        return data

    def text(self) -> bytes:
        """All segments joined: what an index or a snapshot says."""
        return b"".join(map(self.plain, self.segments()))


class Repository:
    """Chunks by id: found through the indexes, or the packs themselves where no index speaks of them."""

    def __init__(self, holders: Holders, keyring: Keyring):
        self.holders, self.keyring = holders, keyring
        self.places: dict[bytes, list[tuple[bytes, Segment, int]]] = defaultdict(list)
        self.packs: OrderedDict[bytes, Sealed] = OrderedDict()
        self.texts: OrderedDict[tuple[bytes, int], bytes] = OrderedDict()
        live = holders.live_objects()
        packs = {id for id, kind in live.items() if kind == PACK}
        for id in (id for id, kind in live.items() if kind == INDEX):
            packs -= holders.try_to(lambda: self.add_index(self.sealed(id, INDEX).text(), packs)) or set()
        for id in packs:
            holders.try_to(lambda: self.add_pack(id, self.pack(id).segments()))

    def sealed(self, id: bytes, kind: int) -> Sealed:
        return Sealed(self.holders.object(id), kind, self.keyring)

    def document(self, id: bytes, kind: int) -> dict:
        document = json.loads(self.sealed(id, kind).text())
        if document["v"] != 1:
            raise Refused("a document of an unknown version")
        return document

    def add_index(self, text: bytes, wanted: set[bytes]) -> set[bytes]:
        if text[:4] != b"HFI1":
            raise Refused("an index with an unknown magic")
        (count,) = struct.unpack_from("<I", text, 4)
        at, found = 8, set()
        for _ in range(count):
            id, _, _, _, length = struct.unpack_from("<32sII32sI", text, at)
            at += 76
            if id in wanted:
                self.add_pack(id, read_table(text[at:at + length]))
                found.add(id)
            at += length
        return found

    def add_pack(self, id: bytes, segments: list[Segment]):
        for segment in segments:
            at = 0
            for chunk, length in segment.chunks:
                self.places[chunk].append((id, segment, at))
                at += length

    def pack(self, id: bytes) -> Sealed:
        return remember(self.packs, id, 4, lambda: self.sealed(id, PACK))

    def chunk(self, id: bytes, length: int | None = None) -> bytes:
        """A chunk's plain text; a hole is zeros. Its id is checked."""
        if id == HOLE:
            return bytes(length)
        for pack, segment, at in self.places.get(id, []):
            data = self.holders.try_to(lambda: self.text_of(pack, segment)[at:])
            if data is None:
                continue
            data = data[:next(size for chunk, size in segment.chunks if chunk == id)]
            if hmac.digest(self.keyring.chunk_id_key, data, hashlib.sha256)[:16] == id and length in (None, len(data)):
                return data
        raise Refused(f"chunk {id.hex()[:8]} cannot be read from any pack")

    def text_of(self, pack: bytes, segment: Segment) -> bytes:
        return remember(self.texts, (pack, segment.number), 64, lambda: self.pack(pack).plain(segment))


def remember(cache: OrderedDict, key, most: int, make):
    """The value of `key`; the cache keeps the `most` last used."""
    value = cache.pop(key, None) or make()
    cache[key] = value
    if len(cache) > most:
        cache.popitem(last=False)
    return value
