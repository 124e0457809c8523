# SPDX-License-Identifier: MIT
"""A network of its own for each member: namespaces, joined by a bridge, with which packets can be
lost, and delayed, between the members. Their clients are outside, and always reach them."""
import os
import shutil
import subprocess
import unittest

from cluster import Cluster, Failed, Member

# Addresses that nothing else here has: 198.18.0.0/15 is for tests of networks (RFC 2544). Of its
# 512 parts each process has another one.
PREFIX = f"198.{18 + os.getpid() // 256 % 2}.{os.getpid() % 256}"
CLIENTS = f"{PREFIX}.254"


def run(*words, check=True):
    done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(words)}: {done.stderr.strip()}")
    return done


def require():
    """Skips the test where networks cannot be made."""
    for tool in ("ip", "nft", "tc"):
        if not shutil.which(tool):
            raise unittest.SkipTest(f"{tool} is not installed: tools/setup installs it")
    done = run("unshare", "--net", "nft", "add", "table", "inet", "x", check=False)
    if done.returncode != 0:
        raise unittest.SkipTest(f"network namespaces are not permitted: {done.stderr.strip()}")


class Network:
    """As a context manager it takes all away again."""

    def __init__(self, size):
        self.bridge = f"grkv{os.getpid()}"
        self.names = [f"{self.bridge}-{i + 1}" for i in range(size)]
        self.hosts = [f"{PREFIX}.{i + 1}" for i in range(size)]

    def __enter__(self):
        try:
            run("ip", "link", "add", self.bridge, "type", "bridge")
            run("ip", "addr", "add", f"{CLIENTS}/24", "dev", self.bridge)
            run("ip", "link", "set", self.bridge, "up")
            for i, name in enumerate(self.names):
                self._make(i + 1, name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for i, name in enumerate(self.names):
            run("ip", "link", "del", self.outer(i + 1), check=False)
            run("ip", "netns", "del", name, check=False)
        run("ip", "link", "del", self.bridge, check=False)

    def outer(self, number):
        """The bridge's end of the cable to a member's network."""
        return f"{self.bridge}v{number}"

    def _make(self, number, name):
        outer = self.outer(number)
        run("ip", "netns", "add", name)
        run("ip", "link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", outer, "master", self.bridge, "up")
        self.inside(number, "ip", "addr", "add", f"{PREFIX}.{number}/24", "dev", "eth0")
        self.inside(number, "ip", "link", "set", "eth0", "up")
        self.inside(number, "ip", "link", "set", "lo", "up")
        self.inside(number, "nft", "add", "table", "inet", "loss")
        self.inside(number, "nft", "add", "chain", "inet", "loss", "input",
                    "{ type filter hook input priority 0; }")

    def inside(self, number, *words, check=True):
        return run("ip", "netns", "exec", self.names[number - 1], *words, check=check)

    def lose(self, sender, receiver, percent=100):
        """Packets of one member to another one are lost, in this direction alone."""
        rule = ["ip", "saddr", f"{PREFIX}.{sender}"]
        if percent < 100:
            rule += ["numgen", "random", "mod", "100", "<", str(percent)]
        self.inside(receiver, "nft", "add", "rule", "inet", "loss", "input", *rule, "drop")

    def part(self, some, others):
        """No packet gets from one side to the other."""
        for one in some:
            for other in others:
                self.lose(one, other)
                self.lose(other, one)

    def heal(self):
        for number in range(1, len(self.names) + 1):
            self.inside(number, "nft", "flush", "chain", "inet", "loss", "input")

    def delay(self, *words):
        """Delays, or loses, what members send to each other, by tc's netem. Skips the test where
        the kernel has none."""
        for number in range(1, len(self.names) + 1):
            done = self.inside(number, "tc", "qdisc", "replace", "dev", "eth0", "root", "netem",
                               *words, check=False)
            if done.returncode != 0:
                raise unittest.SkipTest(f"this kernel has no netem: {done.stderr.strip()}")


class NetworkMember(Member):
    def __init__(self, cluster, number, network):
        super().__init__(cluster, number, 6379)
        self.host = network.hosts[number - 1]
        self.name = network.names[number - 1]

    def command(self, *more):
        inside = ["ip", "netns", "exec", self.name]
        return [*inside, *super().command("--bind", self.host, *more)]


class NetworkCluster(Cluster):
    """A group whose members live in the namespaces of a network."""

    def __init__(self, program, folder, network, options=()):
        super().__init__(program, folder, size=len(network.names), options=options)
        self.group_ports = [7000] * len(network.names)
        self.members = [NetworkMember(self, i + 1, network) for i in range(len(network.names))]
