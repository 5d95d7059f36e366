#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Computes token-vectors.json and context-vectors.json from token.md and context.md, with nothing of hwvault's own
# code: a second reading of the formats. Run it in this folder after a change of a format; the tests read the files.
import binascii
import hashlib
import hmac
import json
import struct

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def base62(number, width):
    text = ""
    for _ in range(width):
        number, digit = divmod(number, 62)
        text = ALPHABET[digit] + text
    assert number == 0
    return text


def token_text(prefix, token_id, secret):
    body = prefix + token_id + base62(int.from_bytes(secret, "big"), 43)
    return body + base62(binascii.crc32(body.encode()), 6)


def with_checksum(body):
    return body + base62(binascii.crc32(body.encode()), 6)


def token_vector(comment, prefix, token_id, secret):
    text = token_text(prefix, token_id, secret)
    hashed = text[len(prefix):-6]
    return {"comment": comment, "prefix": prefix, "id": token_id, "secret": secret.hex(), "token": text,
            "hash": hashlib.sha256(hashed.encode()).hexdigest()}


def fields(*values):
    encoded = b""
    for value in values:
        if isinstance(value, int):
            value = struct.pack("<Q", value)
        elif isinstance(value, str):
            value = value.encode()
        encoded += struct.pack("<I", len(value)) + value
    return encoded


def derive(root, label, context):
    return hmac.new(root, fields(label, context), hashlib.sha256).digest()


def token_vectors():
    some = bytes(range(32))
    ids = (base62(number, 10) for number in range(10**6))
    padded = next(i for i in ids if token_text("hwv_", i, some)[-6:].startswith("00"))
    good = [
        token_vector("a secret of zeros: 43 times `0`", "hwv_", "0000000000", bytes(32)),
        token_vector("the largest secret", "hwv_", "zzzzzzzzzz", b"\xff" * 32),
        token_vector("leading zero bytes keep their place", "hwv_", "Ab3dEf6hIj", bytes(31) + b"\x3e"),
        token_vector("bytes in order", "hwv_", "0123456789", some),
        token_vector("the shortest prefix", "ab_", "abcdefghij", hashlib.sha256(b"hwvault").digest()),
        token_vector("the longest prefix", "abcdef_", "ABCDEFGHIJ", hashlib.sha256(b"hwvault").digest()),
        token_vector("a checksum that begins with `00`", "hwv_", padded, some),
    ]
    token = good[3]["token"]
    body = token[:-6]
    bad = [
        ("empty", ""),
        ("the prefix alone", "hwv_"),
        ("one character short", token[:-1]),
        ("one character long", token + "0"),
        ("a newline behind", token + "\n"),
        ("another prefix", with_checksum("hwx_" + body[4:])),
        ("the prefix in capitals", with_checksum("HWV_" + body[4:])),
        ("a wrong checksum", token[:-1] + ("1" if token[-1] == "0" else "0")),
        ("two characters swapped", body[:16] + body[17] + body[16] + body[18:] + token[-6:]),
        ("not base62 in the id, with its right checksum", with_checksum(body[:5] + "-" + body[6:])),
        ("not base62 in the secret, with its right checksum", with_checksum(body[:20] + "+" + body[21:])),
        ("a character beyond ASCII in the secret", body[:20] + "\u00e4" + body[22:] + token[-6:]),
    ]
    return {"tokens": good, "refused": [{"comment": c, "prefix": "hwv_", "text": t} for c, t in bad]}


def context_vectors():
    root = bytes(range(100, 132))
    vault, account, record = bytes([1] * 16), bytes([2] * 16), bytes([3] * 16)
    nonce, seal_nonce = bytes(range(32)), bytes(range(32, 64))
    token_context = fields(vault, account, "deploy", 7, nonce)
    secret = derive(root, "hwvault/token/1", token_context)
    seal_context = fields(vault, record, 7, seal_nonce)
    seal_identity = fields(vault, account, record, "deploy", 7, seal_nonce)
    return {
        "root_key": root.hex(), "vault": vault.hex(), "account": account.hex(), "record": record.hex(),
        "name": "deploy", "generation": 7, "nonce": nonce.hex(), "seal_nonce": seal_nonce.hex(), "id": "0123456789",
        "token_context": token_context.hex(), "token_secret": secret.hex(),
        "token": token_text("hwv_", "0123456789", secret),
        "seal_context": seal_context.hex(), "seal_key": derive(root, "hwvault/seal/1", seal_context).hex(),
        "seal_identity": seal_identity.hex(),
    }


for name, vectors in (("token", token_vectors()), ("context", context_vectors())):
    with open(name + "-vectors.json", "w", encoding="utf-8") as file:
        json.dump(vectors, file, indent=2)
        file.write("\n")
