"""Folders copied off holders' disks: heads, live lists and shards (docs/format.md sections 2, 7 and 8)."""

import hashlib
import json
import struct
from base64 import b64decode
from collections import defaultdict
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from erasure import data_shards
from keys import Owner, Refused, from_base64url, read_certificate, read_jws, to_base64url

PACK, INDEX, SNAPSHOT, KEYRING = 1, 2, 3, 4
LEAF = 65_536


def merkle_root(leaves: list[bytes]) -> bytes:
    """RFC 9162 section 2.1.1 over leaf hashes."""
    if len(leaves) == 1:
        return leaves[0]
    left = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + merkle_root(leaves[:left]) + merkle_root(leaves[left:])).digest()


def leaves_of(data: bytes) -> list[bytes]:
    return [hashlib.sha256(b"\x00" + data[at:at + LEAF]).digest() for at in range(0, len(data), LEAF)]


def round_up(value: int, step: int) -> int:
    return -(-value // step) * step


class Shard:
    """A shard file. Opening it reads and checks its header and leaves; `read` checks the bytes."""

    HEAD = struct.Struct("<4s4BQQ32s32sII32s")

    def __init__(self, path: Path, owner: Owner, machines: dict[str, bytes]):
        self.path = path
        with path.open("rb") as file:
            fixed = file.read(self.HEAD.size)
            if len(fixed) < self.HEAD.size:
                raise Refused(f"{path}: cut short")
            (magic, self.kind, self.k, n, self.number, self.length, self.size, owner_id, machine, _, _, self.id) = self.HEAD.unpack(fixed)
            if magic != b"HFS1":
                raise Refused(f"{path}: unknown magic")
            step = 64 if self.length <= self.k << 20 else LEAF
            if not (1 <= self.k <= 128 and self.k <= n <= self.k + 127 and self.number < n and self.length > 0):
                raise Refused(f"{path}: a header out of range")
            if self.size != round_up(-(-self.length // self.k), step) or owner_id != owner.raw_id:
                raise Refused(f"{path}: a header that does not fit")
            roots = file.read(32 * n)
            signature = file.read(64)
            leaves = file.read(32 * -(-self.size // LEAF))
            self.offset = file.tell()
        key = machines.get(to_base64url(machine))
        if key is None:
            raise Refused(f"{path}: no certificate of the machine that signed it")
        try:
            signed = fixed[:7] + b"\0" + fixed[8:] + roots
            Ed25519PublicKey.from_public_bytes(key).verify(signature, b"holdfast/v1/shard" + signed)
        except InvalidSignature as error:
            raise Refused(f"{path}: the header's signature is wrong") from error
        self.leaves = [leaves[at:at + 32] for at in range(0, len(leaves), 32)]
        if merkle_root(self.leaves) != roots[32 * self.number:32 * self.number + 32]:
            raise Refused(f"{path}: the leaves do not give the root")
        self.code = (self.kind, self.k, self.length, self.size, roots[:32 * self.k])

    def read(self) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            data = file.read(self.size)
        if len(data) != self.size or leaves_of(data) != self.leaves:
            raise Refused(f"{self.path}: damaged")
        return data


class Holders:
    """Everything of one owner in the folders: `heads` (the newest of each device) and objects by id."""

    def __init__(self, folders: list[Path], owner: Owner):
        self.refused: list[str] = []
        self.machines: dict[str, bytes] = {}
        self.heads: dict[str, tuple[dict, bytes]] = {}
        self.shards: dict[bytes, list[Shard]] = defaultdict(list)
        own = [path for folder in folders for path in (folder, *folder.rglob("*"))
               if path.is_dir() and path.name == owner.raw_id.hex()]
        for path in sorted(path for folder in own for path in folder.glob("*.head")):
            self.try_to(lambda: self.add_head(path, owner))
        for path in sorted(path for folder in own for path in folder.glob("*.shard")):
            self.try_to(lambda: self.add_shard(Shard(path, owner, self.machines)))
        if not self.heads:
            raise Refused("no head of this owner lies in the folders")

    def try_to(self, action):
        try:
            return action()
        except Refused as error:
            self.refused.append(str(error))

    def add_head(self, path: Path, owner: Owner):
        try:
            document = json.loads(path.read_bytes())
            live = b64decode(document["live"], validate=True)
        except (ValueError, KeyError) as error:
            raise Refused(f"{path}: not a head") from error
        certificate = read_certificate(document["certificate"], owner.id)
        head = read_jws(document["head"], "holdfast-head", certificate["jwk"])
        if [head[name] for name in ("owner", "machine", "epoch")] != [certificate[name] for name in ("owner", "machine", "epoch")]:
            raise Refused(f"{path}: the head of another device")
        if hashlib.sha256(live).hexdigest() != head["live"]["sha256"]:
            raise Refused(f"{path}: not the live list that the head signs")
        self.machines[head["machine"]] = from_base64url(certificate["jwk"]["x"])
        known = self.heads.get(head["machine"])
        if known is None or (head["epoch"], head["seq"]) > (known[0]["epoch"], known[0]["seq"]):
            self.heads[head["machine"]] = (head, live)

    def add_shard(self, shard: Shard):
        self.shards[shard.id].append(shard)

    def live_objects(self) -> dict[bytes, int]:
        """The kind of each object that a newest head names."""
        entries = [live[at:at + 41] for _, live in self.heads.values() for at in range(0, len(live), 41)]
        return {entry[1:33]: entry[0] for entry in entries}

    def object(self, id: bytes) -> bytes:
        """The bytes of an object, from any k of its shards; its id is checked."""
        codes = defaultdict(dict)
        for shard in self.shards[id]:
            codes[shard.code].setdefault(shard.number, []).append(shard)
        most = 0
        for (_, k, length, _, _), copies in codes.items():
            good = {}
            for number in sorted(copies):
                data = next(filter(None, (self.try_to(copy.read) for copy in copies[number])), None)
                if data is not None:
                    good[number] = data
                if len(good) == k:
                    whole = b"".join(data_shards(k, good))[:length]
                    if merkle_root(leaves_of(whole)) == id:
                        return whole
            most = max(most, len(good))
        raise Refused(f"object {id.hex()[:8]}: only {most} good shards lie in the folders")
