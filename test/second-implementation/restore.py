#!/usr/bin/env python3
"""Restores a snapshot from folders copied off the holders' disks, with the 24 words and nothing else.

A second implementation of restore, written from docs/format.md alone: it proves that the format can be read
without Holdfast. It needs Python 3.11, python3-cryptography and python3-zstandard.

    restore.py --words FILE --list FOLDER...
    restore.py --words FILE [--snapshot ID] --target DIR FOLDER...

What it does not do: repair, verify what it does not restore, write over anything.
"""

import argparse
import json
import os
import struct
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from holders import SNAPSHOT, Holders
from keys import Keyring, Owner, Refused, from_base64url
from objects import HOLE, Repository

FIXED = 16_384


def open_keyring(holders: Holders, owner: Owner) -> Keyring:
    """The keyring of the newest head that opens: the highest epoch first."""
    heads = sorted((head for head, _ in holders.heads.values()), key=lambda head: (head["epoch"], head["seq"]), reverse=True)
    for head in heads:
        if keyring := holders.try_to(lambda: Keyring(holders.object(bytes.fromhex(head["keyring"])), owner)):
            return keyring
    raise Refused("no keyring opens")


def entries_of(page: bytes, variable: bool) -> list[tuple[bytes, int | None]]:
    if variable:
        return [struct.unpack_from("<16sI", page, at) for at in range(0, len(page), 20)]
    return [(page[at:at + 16], None) for at in range(0, len(page), 16)]


def ids_in(text: str) -> list[bytes]:
    data = from_base64url(text)
    return [data[at:at + 16] for at in range(0, len(data), 16)]


def chunk_list(repository: Repository, content: dict) -> list[tuple[bytes, int | None]]:
    """The chunks of a content: pages, then the deltas in their order (docs/format.md section 5)."""
    variable = {"cdc-64k": True, "fixed-16k": False}[content["chunker"]]
    if "pages" not in content:
        entries = entries_of(from_base64url(content["inline"]), variable)
    else:
        entries = []
        for id in ids_in(content["pages"]):
            page = repository.chunk(id)
            magic, flavour, count = struct.unpack_from("<4sB3xI", page)
            if magic != b"HFL1" or flavour != variable:
                raise Refused("a list page of another kind")
            entries += entries_of(page[12:], variable)[:count]
    for id in ids_in(content.get("delta", "")):
        delta = repository.chunk(id)
        magic, count = struct.unpack_from("<4sI", delta)
        if magic != b"HFD1":
            raise Refused("a delta of another kind")
        for index, chunk in struct.iter_unpack("<I16s", delta[8:8 + 20 * count]):
            entries += [(HOLE, None)] * (index + 1 - len(entries))
            entries[index] = (chunk, None)
    entries = entries[:content["count"]]
    if len(entries) != content["count"]:
        raise Refused("a list of chunks is cut short")
    return entries


def chunks_of(repository: Repository, content: dict) -> Iterator[tuple[bytes, bytes]]:
    """Each chunk's id and bytes, which are exactly the content's size together."""
    left = content["size"]
    for id, length in chunk_list(repository, content):
        length = min(FIXED, left) if length is None else length
        left -= length
        yield id, repository.chunk(id, length)
    if left != 0:
        raise Refused("the chunks of a content are not its size")


def check_name(name: str):
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise Refused(f"an entry is named {name!r}")


def restore_entry(repository: Repository, entry: dict, folder: Path):
    """One file, link or directory with all that it holds; times and modes last."""
    check_name(entry["name"])
    path = folder / entry["name"]
    if entry["type"] == "symlink":
        os.symlink(entry["target"], path)
    elif entry["type"] == "directory":
        path.mkdir()
        listing = json.loads(b"".join(data for _, data in chunks_of(repository, entry["content"])))
        if listing["v"] != 1:
            raise Refused("a directory of an unknown version")
        for child in listing["entries"]:
            restore_entry(repository, child, path)
    elif entry["type"] == "file":
        with path.open("xb") as file:
            for id, data in chunks_of(repository, entry["content"]):
                file.seek(len(data), os.SEEK_CUR) if id == HOLE else file.write(data)
            file.truncate(entry["content"]["size"])
    else:
        raise Refused(f"an entry of unknown type {entry['type']!r}")
    if entry["type"] != "symlink":
        os.chmod(path, entry["mode"])
    os.utime(path, ns=(int(entry["mtime"]), int(entry["mtime"])), follow_symlinks=False)


def oldest_first(snapshots: dict) -> list:
    """By their times, but none before its parent (docs/format.md section 3)."""
    times = {}
    for id in snapshots:
        line = []
        while id in snapshots and id not in times and id not in line:
            line.append(id)
            id = bytes.fromhex(snapshots[id].get("parent", ""))
        for id in reversed(line):
            time = datetime.fromisoformat(snapshots[id]["time"])
            parent = bytes.fromhex(snapshots[id].get("parent", ""))
            times[id] = max(time, times[parent] + timedelta(milliseconds=1)) if parent in times else time
    return sorted(snapshots, key=times.get)


def main():
    arguments = argparse.ArgumentParser(description="Restore a snapshot from collected holder folders.")
    arguments.add_argument("--words", type=Path, required=True, help="file with the 24 recovery words")
    arguments.add_argument("--list", action="store_true", help="print the snapshots")
    arguments.add_argument("--snapshot", help="its object id, or how it begins; default: the newest")
    arguments.add_argument("--target", type=Path, help="folder to restore into, made when it is not there")
    arguments.add_argument("folders", type=Path, nargs="+")
    wanted = arguments.parse_args()

    owner = Owner(wanted.words.read_text())
    holders = Holders(wanted.folders, owner)
    repository = Repository(holders, open_keyring(holders, owner))
    ids = [id for id, kind in holders.live_objects().items() if kind == SNAPSHOT and id.hex().startswith(wanted.snapshot or "")]
    snapshots = {id: document for id in ids if (document := holders.try_to(lambda: repository.document(id, SNAPSHOT)))}
    if not snapshots:
        raise Refused("no such snapshot can be read")
    ordered = oldest_first(snapshots)
    if wanted.list:
        for id in ordered:
            print(id.hex(), snapshots[id]["time"], *(root["path"] for root in snapshots[id]["roots"]))
        return holders
    if wanted.target is None:
        arguments.error("--target is needed")
    latest = {head["latest"] for head, _ in holders.heads.values() if "latest" in head}
    if wanted.snapshot is None and not latest <= {id.hex() for id in snapshots}:
        raise Refused("the newest snapshot cannot be read; choose an older one with --snapshot")
    wanted.target.mkdir(parents=True, exist_ok=True)
    for root in snapshots[ordered[-1]]["roots"]:
        restore_entry(repository, root["entry"], wanted.target)
    print(f"restored {ordered[-1].hex()} into {wanted.target}")
    return holders


if __name__ == "__main__":
    try:
        for problem in main().refused:
            print(f"passed over: {problem}", file=sys.stderr)
    except Refused as error:
        sys.exit(f"Cannot restore: {error}")
