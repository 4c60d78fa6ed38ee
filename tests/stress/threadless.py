"""Run a program that can start processes but no threads, as in some container runtimes.

    python threadless.py PROGRAM [ARGUMENT...]

Old seccomp profiles refuse `clone3` with EPERM; the C library then gives up, and Python reports
"can't start new thread". Linux on x86-64 and AArch64 (both use the same number).
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

_SET_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2
_CLONE3, _EPERM = 435, 1
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000


def refuse_threads() -> None:
    """Keep this process and all its children from starting threads."""
    program = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in (
            (_LOAD, 0, 0, 0),
            (_JUMP_IF_EQUAL, 0, 1, _CLONE3),
            (_RETURN, 0, 0, _REFUSE | _EPERM),
            (_RETURN, 0, 0, _ALLOW),
        )
    )
    kept = ctypes.create_string_buffer(program)
    described = struct.pack("HxxxxxxP", 4, ctypes.addressof(kept))
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or library.prctl(
        _SET_SECCOMP, _FILTER, described, 0, 0
    ):
        raise OSError(ctypes.get_errno(), "seccomp is not available")


if __name__ == "__main__":
    refuse_threads()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - that is its purpose
