#!/usr/bin/env python3
"""A client for knockd, written from spa(7) alone: kinds 1 and 2.

With --batch as the only argument, each line of standard input holds the
arguments of one run, and each run prints one line.
"""

import argparse
import hashlib
import hmac
import ipaddress
import json
import os
import socket
import sys
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

HMAC_KIND, ED25519_KIND = 1, 2
OBSERVED = 1


def h(key, message):
    """HMAC-SHA3-256."""
    return hmac.new(key, message, "sha3_256").digest()


def words(octets):
    """Numbers of four bytes each."""
    return [int.from_bytes(octets[i : i + 4], "big") for i in range(0, len(octets), 4)]


def sha3(message):
    return hashlib.sha3_256(message).digest()


def raw_public(key):
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


class Server:
    """What client and server share, and what follows from it."""

    def __init__(self, gate_key, name):
        self.seal_key = h(gate_key, b"knockd spa 1 seal")
        self.tag_key = h(gate_key, b"knockd spa 1 tag")
        self.mark_key = words(h(gate_key, b"knockd spa 1 mark"))
        self.id = h(gate_key, b"knockd spa 1 server" + name.encode())[:16]
        self.pad = h(gate_key, b"knockd spa 1 pad")[0]

    def salt(self, nonce):
        """The nonce and its mark."""
        x = self.mark_key[3]
        for word, k in zip(words(nonce), self.mark_key):
            x = (x + word * (k | 1)) % 2**32
        for k in self.mark_key[4:]:
            x = (x + (x >> 15)) * (k | 1) % 2**32
        return nonce + ((x + (x >> 16)) % 2**32).to_bytes(4, "big")

    def sealed(self, salt, body):
        """Seals, and unseals."""
        stream = hashlib.shake_256(self.seal_key + salt).digest(len(body))
        return bytes(a ^ b for a, b in zip(body, stream))

    def statement(self, salt, claim):
        return b"knockd spa 1 proof" + self.id + salt + claim

    def token(self, user, claim, nonce, padding):
        salt = self.salt(nonce)
        proof = user.prove(self.statement(salt, claim))
        body = claim + proof + bytes(72 - len(proof))
        tagged = salt + self.sealed(salt, body) + padding[: self.pad]
        return tagged + h(self.tag_key, tagged)

    def open(self, token):
        """Salt and body, or None for a stranger's."""
        tagged, tag = token[:-32], token[-32:]
        salt = tagged[:16]
        if len(token) != 168 + self.pad or salt != self.salt(salt[:12]):
            return None
        if not hmac.compare_digest(h(self.tag_key, tagged), tag):
            return None
        return salt, self.sealed(salt, tagged[16:136])


class Secret:
    """A user of kind 1."""

    kind = HMAC_KIND

    def __init__(self, secret):
        self.secret = secret
        self.id = sha3(b"secret" + secret)[:8]

    def prove(self, statement):
        return h(self.secret, statement)

    def proves(self, statement, proof):
        return hmac.compare_digest(self.prove(statement) + bytes(40), proof)


class Pair:
    """A user of kind 2, or its public half alone."""

    kind = ED25519_KIND

    def __init__(self, private, public):
        self.private, self.public = private, public
        self.id = sha3(b"ed25519" + raw_public(public))[:8]

    @classmethod
    def from_seed(cls, seed):
        private = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
        return cls(private, private.public_key())

    @classmethod
    def from_public(cls, public):
        return cls(None, ed25519.Ed25519PublicKey.from_public_bytes(public))

    def prove(self, statement):
        return self.private.sign(statement)

    def proves(self, statement, proof):
        try:
            self.public.verify(proof[:64], statement)
        except InvalidSignature:
            return False
        return proof[64:] == bytes(8)


def claim_of(user, door, address, seconds, issued):
    """The 48 bytes that are proven; no address asks for the packet's."""
    if address is None:
        flags, octets = OBSERVED, bytes(16)
    else:
        address = ipaddress.ip_address(address)
        mapped = bytes(10) + b"\xff\xff" + address.packed
        flags, octets = 0, mapped if address.version == 4 else address.packed
    return (
        bytes([1, user.kind])
        + flags.to_bytes(2, "big")
        + issued.to_bytes(8, "big")
        + user.id
        + sha3(b"door" + door.encode())[:8]
        + octets
        + seconds.to_bytes(4, "big")
    )


def described(server, user, opened):
    """A body in words."""
    salt, body = opened
    claim = body[:48]
    address = ipaddress.IPv6Address(claim[28:44])
    return {
        "version": claim[0],
        "kind": claim[1],
        "observed": int.from_bytes(claim[2:4], "big") == OBSERVED,
        "issued": int.from_bytes(claim[4:12], "big"),
        "user": claim[12:20].hex(),
        "door": claim[20:28].hex(),
        "address": str(address.ipv4_mapped or address),
        "seconds": int.from_bytes(claim[44:48], "big"),
        "proven": user.id == claim[12:20] and user.proves(server.statement(salt, claim), body[48:]),
    }


def parsed(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gate-key", type=bytes.fromhex, required=True)
    parser.add_argument("--server-name", required=True)
    key = parser.add_mutually_exclusive_group(required=True)
    key.add_argument("--secret", type=bytes.fromhex)
    key.add_argument("--ed25519", type=bytes.fromhex, help="the seed")
    key.add_argument("--ed25519-public", type=bytes.fromhex, help="to read tokens with")
    parser.add_argument("--open", type=bytes.fromhex, metavar="TOKEN", help="read a token")
    parser.add_argument("--door")
    parser.add_argument("--address", help="the default is the packet's own")
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--issued", type=int, default=time.time_ns() // 1_000_000)
    parser.add_argument("--nonce", type=bytes.fromhex, default=os.urandom(12))
    parser.add_argument("--padding", type=bytes.fromhex, default=os.urandom(255))
    parser.add_argument("--send", metavar="HOST:PORT")
    return parser.parse_args(arguments)


def run(arguments):
    asked = parsed(arguments)
    server = Server(asked.gate_key, asked.server_name)
    if asked.secret:
        user = Secret(asked.secret)
    elif asked.ed25519:
        user = Pair.from_seed(asked.ed25519)
    else:
        user = Pair.from_public(asked.ed25519_public)
    if asked.open:
        opened = server.open(asked.open)
        if opened is None:
            sys.exit("a stranger's token")
        print(json.dumps(described(server, user, opened)))
        return
    claim = claim_of(user, asked.door, asked.address, asked.seconds, asked.issued)
    token = server.token(user, claim, asked.nonce, asked.padding)
    if asked.send is None:
        print(token.hex())
        return
    host, port = asked.send.rsplit(":", 1)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.sendto(token, (host.strip("[]"), int(port)))


def main():
    if sys.argv[1:] != ["--batch"]:
        run(sys.argv[1:])
        return
    for line in sys.stdin:
        run(line.split())
        sys.stdout.flush()


if __name__ == "__main__":
    main()
