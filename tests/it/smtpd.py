"""A real SMTP server for tests: STARTTLS or TLS from the first byte, optional AUTH; tells on stdout, one JSON a line.

usage: smtpd.py CERT KEY PORT starttls|tls|plain [USER PASSWORD]
Port 0 picks a free one. The first line is {"port": N}, each further one a message. Recipients `full@` get 451, `nobody@` 550.
"""
import asyncio, json, ssl, sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        answers = {"full": "451 4.2.2 mailbox full, try later", "nobody": "550 5.1.1 no such user"}
        answer = answers.get(address.split("@")[0])
        if answer:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        data = envelope.content.decode("utf-8", "replace")
        tell(sender=envelope.mail_from, to=envelope.rcpt_tos, tls=session.ssl is not None or MODE == "tls",
             authenticated=bool(session.authenticated), data=data)
        return "250 2.0.0 Ok: queued as 4XyZ12"


def tell(**what):
    print(json.dumps(what), flush=True)


def authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and [data.login.decode(), data.password.decode()] == LOGIN
    return AuthResult(success=good, handled=good)


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERT, KEY)
    options = {}
    if MODE == "starttls":
        options.update(tls_context=context, require_starttls=True)
    if LOGIN:
        options.update(authenticator=authenticate, auth_required=True, auth_require_tls=MODE == "starttls")
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(Handler(), hostname="mail.test", loop=loop, **options), "127.0.0.1", PORT,
        ssl=context if MODE == "tls" else None)
    tell(port=server.sockets[0].getsockname()[1])
    await server.serve_forever()


CERT, KEY, PORT, MODE, LOGIN = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5:]
asyncio.run(main())
