"""Certificates for servers on this machine: good, expired, for another host, or of an untrusted authority."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aembed import MissingExtraError


class Authority:
    """A certificate authority; two of them do not trust each other. Needs trustme.

        authority = Authority()
        server = LoopbackServer(tls=authority.context())
        http = HttpSettings(ca_file=authority.write(tmp_path / "ca.pem"))

    Raises:
        MissingExtraError: trustme is not installed.
    """

    def __init__(self) -> None:
        try:
            import trustme
        except ImportError as error:
            raise MissingExtraError("certificates for tests need trustme; pip install 'aembed[testing]'") from error
        self._ca = trustme.CA()

    def context(self, host: str = "127.0.0.1", *, expired: bool = False) -> ssl.SSLContext:
        """A certificate for ``host``."""
        until = datetime.now(UTC) - timedelta(days=1) if expired else None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(host, not_after=until).configure_cert(context)
        return context

    def write(self, path: str | Path) -> str:
        """Put the authority's own certificate into a file, for those who are to trust it; gives the path back."""
        self._ca.cert_pem.write_to_path(str(path))
        return str(path)
