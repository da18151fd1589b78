"""Keys of an owner: recovery words, thumbprints, signed records, the keyring (docs/format.md section 1)."""

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap


class Refused(Exception):
    """Bytes that do not hold what the format demands of them."""


def from_base64url(text: str) -> bytes:
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if to_base64url(data) != text:
        raise Refused("base64url is not canonical")
    return data


def to_base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def hkdf(key: bytes, salt: bytes, info: str, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info.encode()).derive(key)


def raw(public_key) -> bytes:
    return public_key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def thumbprint(jwk: dict) -> str:
    """RFC 7638 for the key type of RFC 8037."""
    members = {name: jwk[name] for name in ("crv", "kty", "x")}
    return to_base64url(hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest())


def entropy_of_words(text: str) -> bytes:
    """24 words of BIP-39: 32 bytes and 8 bits of their SHA-256."""
    known = (Path(__file__).parent / "bip39-english.txt").read_text().split()
    words = text.lower().split()
    if len(words) != 24 or any(word not in known for word in words):
        raise Refused("the recovery words are not 24 words of the BIP-39 list")
    bits = 0
    for word in words:
        bits = bits << 11 | known.index(word)
    entropy, checksum = (bits >> 8).to_bytes(32, "big"), bits & 0xFF
    if hashlib.sha256(entropy).digest()[0] != checksum:
        raise Refused("the recovery words are mistyped: their checksum does not fit")
    return entropy


class Owner:
    """What the words give: the owner's id and the key that opens the keyring."""

    def __init__(self, words: str):
        entropy = entropy_of_words(words)
        root = Ed25519PrivateKey.from_private_bytes(hkdf(entropy, b"", "holdfast/v1/owner-root", 32))
        self.exchange = X25519PrivateKey.from_private_bytes(hkdf(entropy, b"", "holdfast/v1/owner-exchange", 32))
        self.id = thumbprint({"crv": "Ed25519", "kty": "OKP", "x": to_base64url(raw(root.public_key()))})
        self.raw_id = from_base64url(self.id)


def read_jws(jws: str, typ: str, jwk: dict | None = None) -> dict:
    """The payload of a compact JWS, verified with `jwk`, or with the payload's own `root`."""
    try:
        protected, payload, signature = jws.split(".")
        header, claims = (json.loads(from_base64url(part)) for part in (protected, payload))
        if header["alg"] != "EdDSA" or header["typ"] != typ or claims["v"] != 1:
            raise Refused(f"not a {typ} of version 1")
        key = Ed25519PublicKey.from_public_bytes(from_base64url((jwk or claims["root"])["x"]))
        key.verify(from_base64url(signature), f"{protected}.{payload}".encode())
        return claims
    except (ValueError, KeyError, TypeError, InvalidSignature) as error:
        raise Refused(f"a record ({typ}) does not verify") from error


def read_certificate(jws: str, owner_id: str) -> dict:
    certificate = read_jws(jws, "holdfast-device")
    if thumbprint(certificate["root"]) != owner_id or certificate["owner"] != owner_id:
        raise Refused("a device certificate of somebody else")
    if thumbprint(certificate["jwk"]) != certificate["machine"]:
        raise Refused("a device certificate whose key is not the machine's")
    return certificate


def wrapping_key(header: dict, exchange: X25519PrivateKey) -> bytes:
    """RFC 7518 section 4.6.2: Concat KDF over the shared secret."""
    secret = exchange.exchange(X25519PublicKey.from_public_bytes(from_base64url(header["epk"]["x"])))
    parts = (header["alg"].encode(), from_base64url(header.get("apu", "")), from_base64url(header.get("apv", "")))
    info = b"".join(len(part).to_bytes(4, "big") + part for part in parts) + (256).to_bytes(4, "big")
    return ConcatKDFHash(hashes.SHA256(), 32, info).derive(secret)


class Keyring:
    """The plain text of a keyring, opened as the recipient whose `kid` is the owner id."""

    def __init__(self, data: bytes, owner: Owner):
        if data[:4] != b"HFK1":
            raise Refused("the keyring has an unknown magic")
        jwe = json.loads(data[4:])
        for recipient in jwe["recipients"]:
            header = recipient.get("header", {}) | jwe.get("unprotected", {}) | json.loads(from_base64url(jwe["protected"]))
            if header.get("kid") == owner.id:
                break
        else:
            raise Refused("the keyring is not wrapped for the recovery words")
        if header["alg"] != "ECDH-ES+A256KW" or header["enc"] != "A256GCM":
            raise Refused("the keyring is wrapped in an unknown way")
        try:
            content_key = aes_key_unwrap(wrapping_key(header, owner.exchange), from_base64url(recipient["encrypted_key"]))
            plain = AESGCM(content_key).decrypt(
                from_base64url(jwe["iv"]), from_base64url(jwe["ciphertext"]) + from_base64url(jwe["tag"]), jwe["protected"].encode())
        except (InvalidUnwrap, InvalidTag) as error:
            raise Refused("the keyring does not open with these words") from error
        ring = json.loads(plain)
        if ring["v"] != 1 or ring["owner"] != owner.id:
            raise Refused("the keyring is of another version or owner")
        self.owner = owner.raw_id
        self.chunk_id_key = from_base64url(ring["chunkIdKey"])
        self.data_keys = {epoch["epoch"]: from_base64url(epoch["dataKey"]) for epoch in ring["epochs"]}

    def object_key(self, epoch: int, salt: bytes) -> bytes:
        if epoch not in self.data_keys:
            raise Refused(f"the keyring has no key of epoch {epoch}")
        return hkdf(self.data_keys[epoch], salt, "holdfast/v1/object", 32)
