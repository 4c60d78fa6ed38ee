"""A samba on this machine, whose share hosts with kernels of their own mount."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.beds.mounts import Shared, listens
from tests.beds.processes import free_port

_SETTINGS = """
[global]
server role = standalone server
interfaces = {address}
bind interfaces only = yes
smb ports = {port}
disable netbios = yes
map to guest = Bad User
guest account = root
load printers = no
log file = {state}/log
pid directory = {state}
lock directory = {state}
state directory = {state}
cache directory = {state}
private dir = {state}
ncalrpc dir = {state}/ncalrpc
[shared]
path = {shared}
guest only = yes
force user = root
read only = no
"""


class Samba(Shared):
    """The server; hosts mount its share with `kernels.Hosts.mount_smb`."""

    label = "SMB"
    tools = ("smbd",)

    def __init__(self, work: Path, address: str) -> None:
        super().__init__(work, 0, address)
        self.port = free_port()

    def start_server(self) -> None:
        """Start smbd, which anybody on the bridge may use as root."""
        state = self.work / "state"
        state.mkdir(exist_ok=True)
        file = self.work / "smb.conf"
        where = {"address": self.address, "port": self.port, "shared": self.shared, "state": state}
        file.write_text(_SETTINGS.format(**where))
        command = ["smbd", "--foreground", "--no-process-group", "-s", str(file)]
        self._begin(None, command, partial(listens, self.address, self.port))

    def mount(self, number: int) -> None:
        """Hosts do."""
