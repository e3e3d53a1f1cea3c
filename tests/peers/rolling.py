#!/usr/bin/env python3
"""The ports of a rolling sequence, as spa(7) tells how to find them.

rolling.py SECRET PERIOD_NUMBER FIRST LAST STEPS, the secret in hex; prints the
ports with spaces between them. Needs the standard library alone.
"""

import hmac
import struct
import sys


def ports(secret, period, first, last, steps):
    count = last - first + 1
    found = []
    block = 0
    while len(found) < steps:
        text = b"knockd rolling 1" + struct.pack(">QB", period, block)
        numbers = struct.unpack(">8I", hmac.new(secret, text, "sha3_256").digest())
        for number in numbers:
            port = first + number % count
            if found and found[-1] == port:
                port = first if port == last else port + 1
            found.append(port)
        block += 1
    return found[:steps]


def main():
    secret = bytes.fromhex(sys.argv[1])
    print(*ports(secret, *(int(word) for word in sys.argv[2:6])))


if __name__ == "__main__":
    main()
