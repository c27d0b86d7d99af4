"""Debian packages the nodes need: installed when missing, and nothing else of the machine changed.

apt is told to upgrade nothing; services that the packages bring are neither started nor enabled.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from .errors import LocalClusterError
from .progress import Step
from .run import run

PACKAGES = (
    "buildah",
    "containerd",
    "containernetworking-plugins",
    "iproute2",
    "mmdebstrap",
    "nftables",
    "runc",
)
# Units that come enabled with these packages; only those of packages installed just now are disabled.
UNITS = {"containerd": "containerd.service"}
POLICY = Path("/usr/sbin/policy-rc.d")
NO_SERVICES = "#!/bin/sh\n# Made by Freehold's local cluster for the time of one installation.\nexit 101\n"
OPTIONS = (
    "--yes",
    "--quiet",
    "--no-install-recommends",
    "--no-upgrade",
    # Else apt also upgrades installed packages that share a source package with a new one.
    "--option=APT::Get::Upgrade-By-Source-Package=false",
    "--option=DPkg::Lock::Timeout=300",
)


def missing() -> list[str]:
    """The packages this machine has not got."""
    asked = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *PACKAGES],
        capture_output=True,
        text=True,
    )
    installed = {line.split()[0] for line in asked.stdout.splitlines() if line.endswith(" installed")}
    return [package for package in PACKAGES if package not in installed]


def ensure(step: Step) -> None:
    """Installs what is missing, after saying so."""
    if not shutil.which("apt-get"):
        raise LocalClusterError(
            "The local cluster is made for Debian and Ubuntu (apt-get was not found). "
            "With Docker or Podman, CLUSTER=kind runs anywhere."
        )
    wanted = missing()
    if not wanted:
        step.detail = "nothing to install"
        return
    step.say(f"installing from Debian: {', '.join(wanted)} (no service is started, nothing is upgraded)")
    run(["apt-get", "update", "--quiet"], timeout=300)
    _install(wanted)
    for package in set(wanted) & set(UNITS):
        # The helper refuses to work outside a package's own script unless it is told the package.
        run(["deb-systemd-helper", "disable", UNITS[package]], env={"DPKG_MAINTSCRIPT_PACKAGE": package})
    step.detail = f"installed from Debian: {', '.join(wanted)}"


def _install(wanted: list[str]) -> None:
    """Runs apt-get with a policy that starts no service; the policy is seen by apt-get alone (a mount of its own)."""
    # One of ours can only have stayed behind when an installation was killed.
    ours = not POLICY.exists() or POLICY.read_text() == NO_SERVICES
    if ours:
        POLICY.write_text(NO_SERVICES)
        POLICY.chmod(0o755)
    try:
        with tempfile.NamedTemporaryFile("w", prefix="policy-rc.d-") as policy:
            policy.write(NO_SERVICES)
            policy.flush()
            Path(policy.name).chmod(0o755)
            script = f'mount --bind {policy.name} {POLICY} && exec apt-get install "$@"'
            run(
                ["unshare", "--mount", "sh", "-c", script, "apt-get", *OPTIONS, *wanted],
                env={"DEBIAN_FRONTEND": "noninteractive"},
                timeout=900,
            )
    finally:
        if ours:
            POLICY.unlink()
