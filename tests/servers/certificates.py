"""An authority of our own, and the certificate that it gives to a server on loopback."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


class Certificates:
    """The files of an authority, and of one server, by its name or at 127.0.0.1."""

    def __init__(self, folder: Path, name: str | None = None) -> None:
        self.authority = folder / "authority.pem"
        self.certificate = folder / "server.pem"
        self.key = folder / "server.key"
        signer, own = (
            ec.generate_private_key(ec.SECP256R1()),
            ec.generate_private_key(ec.SECP256R1()),
        )
        root = _builder("authority", "authority", signer).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        loopback = x509.IPAddress(ip_address("127.0.0.1"))
        address = x509.SubjectAlternativeName([x509.DNSName(name) if name else loopback])
        server = _builder("server", "authority", own).add_extension(address, critical=False)
        for builder, path in ((root, self.authority), (server, self.certificate)):
            signed = builder.sign(signer, hashes.SHA256())
            path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        self.key.write_bytes(
            own.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )


def _builder(name: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return x509.CertificateBuilder(
        subject_name=_name(name),
        issuer_name=_name(issuer),
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - DAY,
        not_valid_after=now + DAY,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
