"""A mail server that keeps what it takes, and says so: a JSON line each. The first line is its port.

Where somebody only asks whether it would take something (RCPT, then RSET), the line says for whom. It takes nothing without
TLS and the right password, asks `later@…` to come again once, and has no mailbox `nobody@…`.
"""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Inbox:
    def __init__(self):
        self.asked_to_come_again = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return f"550 5.1.1 <{address}> has no mailbox here"
        if address.startswith("later@") and address not in self.asked_to_come_again:
            self.asked_to_come_again.add(address)
            return "451 4.7.1 come again"
        envelope.rcpt_tos.append(address)
        session.taken_for = address
        return "250 OK"

    async def handle_RSET(self, server, session, envelope):
        print(json.dumps({"asked_for": session.taken_for, "tls": session.ssl is not None}), flush=True)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        taken = {"to": envelope.rcpt_tos, "tls": session.ssl is not None, "message": envelope.content.decode()}
        print(json.dumps(taken), flush=True)
        return "250 2.0.0 queued as 4Xy1"


def authenticate(server, session, envelope, mechanism, data):
    right = (data.login, data.password) == (b"gateway", b"correct horse")
    return AuthResult(success=right, handled=False)


async def main(chain, key):
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(chain, key)
    inbox = Inbox()

    def session():
        return SMTP(inbox, hostname="localhost", tls_context=tls, require_starttls=True, auth_required=True,
                    authenticator=authenticate)

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
