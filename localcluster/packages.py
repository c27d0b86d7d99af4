"""Installs the Debian packages a node needs, if missing, and changes nothing else on the machine.

apt upgrades no package, and services of the new packages are neither started nor enabled.
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
# systemd units that these packages enable. Only units of newly installed packages are disabled.
UNITS = {"containerd": "containerd.service"}
POLICY = Path("/usr/sbin/policy-rc.d")
NO_SERVICES = "#!/bin/sh\n# Made by Freehold's local cluster for the time of one installation.\nexit 101\n"
OPTIONS = (
    "--yes",
    "--quiet",
    "--no-install-recommends",
    "--no-upgrade",
    # By default apt also upgrades installed packages of the same source package.
    "--option=APT::Get::Upgrade-By-Source-Package=false",
    "--option=DPkg::Lock::Timeout=300",
)


def missing() -> list[str]:
    """Return the packages that are not installed."""
    query = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *PACKAGES],
        capture_output=True,
        text=True,
    )
    installed = {line.split()[0] for line in query.stdout.splitlines() if line.endswith(" installed")}
    return [package for package in PACKAGES if package not in installed]


def ensure(step: Step) -> None:
    """Install the missing packages; print their names first."""
    if not shutil.which("apt-get"):
        raise LocalClusterError(
            "The local cluster needs Debian or Ubuntu (apt-get was not found). "
            "On other systems use Docker or Podman with CLUSTER=kind."
        )
    wanted = missing()
    if not wanted:
        step.detail = "nothing to install"
        return
    step.say(f"installing from Debian: {', '.join(wanted)} (no service is started, nothing is upgraded)")
    run(["apt-get", "update", "--quiet"], timeout=300)
    _install(wanted)
    for package in set(wanted) & set(UNITS):
        # deb-systemd-helper refuses to run outside a maintainer script unless this variable names a package.
        run(["deb-systemd-helper", "disable", UNITS[package]], env={"DPKG_MAINTSCRIPT_PACKAGE": package})
    step.detail = f"installed from Debian: {', '.join(wanted)}"


def _install(wanted: list[str]) -> None:
    """Run apt-get with a policy-rc.d that starts no service; a private mount limits the policy to apt-get."""
    # A file with this content is a leftover of an installation that was killed.
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
