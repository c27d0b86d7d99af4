"""The certificate authority's public part, and what the authority issues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Issued(NamedTuple):
    """A certificate with the chain, and the private key, both PEM."""

    certificate: str
    key: str


@dataclass(frozen=True)
class Authority:
    """The public part of the certificate authority, PEM.

    trusted: the authorities to trust. signers: the authorities that may have signed certificates in use.
    """

    trusted: str = ""
    signers: str = ""
