"""Disks that are really full: a small file system of our own, in a name space that ends with the command."""

import subprocess

import pytest

_UNSHARE = ("unshare", "--map-root-user", "--mount")
_SCRIPT = """
disk=$1 size=$2 copy=$3 fill=$4
shift 4
mount -t tmpfs -o size="$size" tmpfs "$disk" || exit 99
if [[ $fill ]]; then  # once this pattern names something
  (until compgen -G "$disk/$fill" > /dev/null; do sleep 0.05; done; cat /dev/zero > "$disk/ballast") 2> /dev/null &
fi
"$@"
status=$?
rm -f "$disk/ballast"
cp -r "$disk/." "$copy"
exit $status
"""


def needed():
    """Skips the test where no file system can be mounted."""
    try:
        done = subprocess.run([*_UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, text=True)
        reason = done.stderr.strip()
    except OSError as error:
        reason = str(error)
    if reason:
        pytest.skip(f"no file system can be mounted here: {reason}")


def small(folder, size, *, fill=""):
    """(what to put before a command, the disk's place for it, where its files lie afterwards).

    With `fill` the rest of the disk is filled once a file of that pattern is there.
    """
    needed()
    disk, copy = folder / "disk", folder / "copy"
    disk.mkdir()
    copy.mkdir()
    return [*_UNSHARE, "bash", "-c", _SCRIPT, "bash", str(disk), size, str(copy), fill], disk, copy
