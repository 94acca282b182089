"""The command line of an oracle, and the files that it names."""

import argparse
import ipaddress
import pathlib
from typing import Any, Dict, List, Optional, Tuple

import grpc

from anabranch_oracle.definition import Oracle

FLAGS: List[Tuple[str, Dict[str, Any]]] = [
    (
        "--listen",
        {
            "default": "127.0.0.1:7500",
            "metavar": "HOST:PORT",
            "help": "default %(default)s; port 0 takes a free one",
        },
    ),
    ("--insecure", {"action": "store_true", "help": "plaintext off loopback: whoever reaches the port may ask"}),
    (
        "--threads",
        {
            "type": int,
            "default": 1,
            "metavar": "N",
            "help": "batches scored side by side, for a function that is thread-safe and waits (default 1)",
        },
    ),
    (
        "--processes",
        {
            "type": int,
            "default": 0,
            "metavar": "N",
            "help": "the same in N worker processes, for a function that computes; a crash ends one of them only "
            "(default 0: none)",
        },
    ),
    ("--certificate-file", {"metavar": "PEM", "help": "serve TLS with this certificate chain; needs --key-file"}),
    ("--key-file", {"metavar": "PEM", "help": "private key of the certificate"}),
    (
        "--ca-file",
        {"metavar": "PEM", "help": "refuse clients without a certificate that these authorities have signed (mTLS)"},
    ),
    ("--token-file", {"metavar": "FILE", "help": "refuse calls without this bearer token; needs TLS"}),
    (
        "--grace",
        {
            "type": float,
            "default": 30.0,
            "metavar": "S",
            "help": "seconds that evaluations have to end after SIGTERM (default 30)",
        },
    ),
]


def is_loopback(listen: str) -> bool:
    """Whether only this machine reaches the address."""
    if listen.startswith("unix:"):
        return True
    host = listen.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_flags(made: Oracle, arguments: Optional[List[str]]) -> argparse.Namespace:
    """Ends the program with status 2 and the remedy where they are wrong."""
    parser = argparse.ArgumentParser(
        description=f"Serves {made.name}: {', '.join(made.names)} of {', '.join(made.formats)}.",
        epilog=f"Check it with: anabranch check-oracle HOST:PORT. Fingerprint: {made.fingerprint}",
    )
    for names, settings in FLAGS:
        parser.add_argument(names, **settings)
    flags = parser.parse_args(arguments)
    if bool(flags.certificate_file) != bool(flags.key_file):
        parser.error("--certificate-file and --key-file go together; one is missing")
    if flags.ca_file and not flags.certificate_file:
        parser.error("--ca-file asks clients for certificates; give --certificate-file and --key-file too")
    if flags.token_file and not flags.certificate_file:
        parser.error("--token-file: a token is sent over TLS only; give --certificate-file and --key-file")
    if not flags.certificate_file and not is_loopback(flags.listen) and not flags.insecure:
        parser.error(
            f"--listen {flags.listen} is reached from other machines; give --certificate-file and --key-file, "
            "or --insecure"
        )
    if flags.threads < 1 or flags.processes < 0:
        parser.error(f"--threads {flags.threads} --processes {flags.processes}: give at least 1 thread")
    return flags


def _read(path: str) -> bytes:
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise SystemExit(f"{path}: {error.strerror}; give a file that can be read") from None


def read_token(path: str) -> str:
    token = _read(path).decode("ascii", "replace").strip()
    if not token or not token.isprintable() or not token.isascii():
        raise SystemExit(f"{path}: holds no token; give a file with one line of printable ASCII")
    return token


def credentials_of(flags: argparse.Namespace) -> Optional[Any]:
    if not flags.certificate_file:
        return None
    authorities = _read(flags.ca_file) if flags.ca_file else None
    pair = (_read(flags.key_file), _read(flags.certificate_file))
    return grpc.ssl_server_credentials([pair], authorities, require_client_auth=bool(authorities))
