"""A server that answers every request with an error, in the words of AWS, and sends back everything that it was sent: what S3's own
errors do with what was signed. The status is the first part of a path that is a number.
"""

import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CODES = {
    301: "PermanentRedirect", 400: "InvalidToken", 401: "Unauthorized", 403: "SignatureDoesNotMatch", 404: "NoSuchBucket",
    409: "OperationAborted", 500: "InternalError", 503: "SlowDown",
}  # fmt: skip


class Echo(BaseHTTPRequestHandler):
    """One request."""

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = re.search(r"(?:^|[/-])(\d{3})(?:[/?]|$)", self.path)
        status = int(found[1]) if found else 403
        code, sent = CODES[status], "\n".join(f"{name.lower()}:{value}" for name, value in self.headers.items())
        authorization, token = self.headers.get("Authorization") or "", self.headers.get("X-Amz-Security-Token") or ""
        key = re.search(r"Credential=([^/]+)", authorization)
        told = f"The request signature does not match. {authorization} {token}"
        if "x-amz-json" in (self.headers.get("Content-Type") or ""):
            body = f'{{"__type": "{code}", "message": "{told}"}}'
        else:
            body = (
                f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{told}</Message>'
                f"<AWSAccessKeyId>{key[1] if key else ''}</AWSAccessKeyId><Token-0>{token}</Token-0>"
                f"<StringToSign>{authorization}</StringToSign><CanonicalRequest>{self.path}\n{sent}</CanonicalRequest></Error>"
            )
        self.send_response(status)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        print(server.server_port, flush=True)
        server.serve_forever()
