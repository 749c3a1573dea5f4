"""Receivers for the lab's watchdog: a webhook by HTTP and a mailbox by SMTP, both on free ports of loopback.

usage: sink.py FILE
What arrives is appended to FILE, one JSON a line, with the Unix time of its arrival as `at`. The first line has the ports.
"""

import asyncio
import json
import sys
import threading
import time
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.smtp import SMTP

BODY_MAX_BYTES = 10 << 20
lock = threading.Lock()


def tell(kind, **what):
    line = json.dumps({"at": time.time(), "kind": kind, **what})
    with lock, open(sys.argv[1], "a", encoding="utf-8") as file:
        file.write(line + "\n")


class Webhook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), BODY_MAX_BYTES))
        tell("webhook", body=json.loads(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Mailbox:
    async def handle_DATA(self, server, session, envelope):
        mail = message_from_bytes(envelope.content, policy=policy.default)
        part = mail.get_body(("plain",))
        tell("mail", to=envelope.rcpt_tos, headers={name.lower(): str(value) for name, value in mail.items()},
             text=part.get_content() if part else "")
        return "250 OK"


async def main():
    loop = asyncio.get_running_loop()
    web = ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    smtp = await loop.create_server(lambda: SMTP(Mailbox(), hostname="sink.test", loop=loop), "127.0.0.1", 0)
    tell("ports", webhook=web.server_address[1], smtp=smtp.sockets[0].getsockname()[1])
    await smtp.serve_forever()


asyncio.run(main())
