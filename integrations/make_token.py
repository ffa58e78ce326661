"""Play identity provider: write ``jwks.json`` into the current folder and print tokens for ann and bob.

The private key is thrown away, so each run replaces the tokens of the one before.
"""

import json
import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from jwt.algorithms import RSAAlgorithm


def main() -> None:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    public = {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": "k1"}
    Path("jwks.json").write_text(json.dumps({"keys": [public]}), "utf-8")
    now = int(time.time())
    for name in ("ann", "bob"):
        claims = {"iss": "https://idp.example", "aud": "orders", "sub": name, "iat": now, "exp": now + 3600}
        print(f"{name}={jwt.encode(claims, key, 'RS256', headers={'kid': 'k1'})}")


if __name__ == "__main__":
    main()
