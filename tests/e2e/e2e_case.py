# SPDX-License-Identifier: MIT
"""What the end-to-end tests share: where the programs are, and a folder for each test."""
import pathlib
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

    def cluster(self, *options, size=3):
        return Cluster(self.program, self.folder, size=size, options=options)


def main():
    """Runs the tests of the calling module: FILE GR_KV KV_PROBE [unittest's arguments]"""
    if len(sys.argv) < 3:
        sys.exit(f"usage: {sys.argv[0]} GR_KV KV_PROBE [unittest's arguments]")
    Case.program = pathlib.Path(sys.argv[1]).resolve()
    Case.probe = pathlib.Path(sys.argv[2]).resolve()
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
