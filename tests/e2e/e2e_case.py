# SPDX-License-Identifier: MIT
"""What the end-to-end tests share: where the programs are, and a folder for each test."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

from cluster import Cluster


class Case(unittest.TestCase):
    program = None
    probe = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="gr-kv-e2e-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def folder_in_memory(self):
        """A folder on a file system that syncs at once."""
        folder = tempfile.TemporaryDirectory(prefix="gr-kv-e2e-", dir="/dev/shm")
        self.addCleanup(folder.cleanup)
        return pathlib.Path(folder.name)

    def small_file_system(self, path, size):
        """Mounts a file system of this size at the path; skips the test where that is not
        allowed."""
        path.mkdir(exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(path)],
                              stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"a small file system cannot be mounted: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", str(path)], check=True)
        return path

    def cluster(self, *options, size=3):
        return Cluster(self.program, self.folder, size=size, options=options)

    def durable_cluster(self, *options, size=3, data_root=None):
        return Cluster(self.program, self.folder, size=size, options=options,
                       data_root=data_root or self.folder)


def main():
    """Runs the tests of the calling module: FILE GR_KV KV_PROBE [unittest's arguments]"""
    if len(sys.argv) < 3:
        sys.exit(f"usage: {sys.argv[0]} GR_KV KV_PROBE [unittest's arguments]")
    Case.program = pathlib.Path(sys.argv[1]).resolve()
    Case.probe = pathlib.Path(sys.argv[2]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
