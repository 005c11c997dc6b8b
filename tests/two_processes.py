"""What every test that starts two processes of one run needs."""

import os
import socket


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


def environment(devices: int) -> dict[str, str]:
    """This environment with so many fake devices and XLA's own choices else: what two programs
    differ by was measured on those."""
    return os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
