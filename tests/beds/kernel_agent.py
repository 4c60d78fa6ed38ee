"""Runs commands on a host of its own kernel: as a server there, and as a program that asks it here.

    python kernel_agent.py                      serve, on the host
    python kernel_agent.py ADDRESS CWD COMMAND  run a command there, with this process's environment

A connection carries one command, as a line of JSON, and the answer, how it ended. If the program
that asks is killed, so is what it runs there.
"""

import contextlib
import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading

PORT = 9000


class _Command(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        asked = json.loads(self.rfile.readline())
        try:
            process = subprocess.Popen(
                asked["argv"],
                cwd=asked["cwd"],
                env=asked["environ"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            threading.Thread(target=self._end_with_asker, args=(process,), daemon=True).start()
            out, err = process.communicate()
            answer = [process.returncode, out, err]
        except OSError as error:
            answer = [1, "", str(error)]
        with contextlib.suppress(OSError):
            self.wfile.write(json.dumps(answer).encode() + b"\n")

    def _end_with_asker(self, process: subprocess.Popen[str]) -> None:
        with contextlib.suppress(OSError):
            self.connection.recv(1)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


class _Agent(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def ask(
    address: str, argv: list[str], cwd: str, environ: dict[str, str], timeout: float | None = None
) -> tuple[int, str, str]:
    """Exit code and output of a command on the host; OSError where that does not answer."""
    asked = {"argv": argv, "cwd": cwd, "environ": environ}
    with socket.create_connection((address, PORT), timeout) as connection:
        connection.sendall(json.dumps(asked).encode() + b"\n")
        answer = connection.makefile().readline()
    if not answer:
        raise ConnectionError("the host has gone")
    code, out, err = json.loads(answer)
    return code, out, err


if __name__ == "__main__":
    if len(sys.argv) == 1:
        _Agent(("0.0.0.0", PORT), _Command).serve_forever()  # noqa: S104 - on a bridge of its own
    ended, out, err = ask(sys.argv[1], sys.argv[3:], sys.argv[2], dict(os.environ))
    sys.stdout.write(out)
    sys.stderr.write(err)
    raise SystemExit(ended if ended >= 0 else 128 - ended)
