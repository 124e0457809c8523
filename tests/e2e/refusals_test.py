# SPDX-License-Identifier: MIT
"""What gr-kv refuses: one clear line, and an exit status that is not 0."""
import subprocess
import uuid

from cluster import Client, Cluster, wait_until
from e2e_case import Case, main

OPTIONS = ["--id", "1", "--group", str(uuid.uuid4()), "--member", "1=127.0.0.1:1", "--port", "1"]


class Refusals(Case):
    def refused(self, words, status, text, **streams):
        streams = {"stdout": subprocess.PIPE, **streams}
        done = subprocess.run([str(self.program), *words], stderr=subprocess.PIPE, text=True,
                              timeout=20, check=False, **streams)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(text, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("gr-kv: "), done.stderr)

    def test_bad_options(self):
        def without(name):
            at = OPTIONS.index(name)
            return OPTIONS[:at] + OPTIONS[at + 2:]

        for words, text in [
                ([], "--group is missing"),
                (without("--id"), "--id is missing"),
                (without("--group"), "--group is missing"),
                (without("--member"), "--member is missing"),
                (without("--port"), "--port is missing"),
                (["--nonsense"], "'--nonsense' is not an option"),
                (["nonsense"], "'nonsense' is not an option"),
                (["--port"], "'--port' needs a value"),
                ([*OPTIONS, "--port", "0"], "--port '0'"),
                ([*OPTIONS, "--port", "65536"], "--port '65536'"),
                ([*OPTIONS, "--port", "12x"], "--port '12x'"),
                ([*OPTIONS, "--id", "2"], "--id 2 is not among"),
                ([*OPTIONS, "--id", "0"], "--id '0'"),
                ([*OPTIONS, "--member", "1=a:1"], "given twice"),
                ([*OPTIONS, "--member", "a:1"], "--member 'a:1'"),
                ([*OPTIONS, "--group", "6c0f5a3e"], "--group '6c0f5a3e'"),
                ([*OPTIONS, "--join", "a:1"], "a founder is given by"),
                ([*OPTIONS[2:4], "--port", "1", "--join", "a:1"], "--listen is missing"),
                ([*OPTIONS[2:4], "--port", "1", "--join", "a:1,,b:2"], "--join 'a:1,,b:2'"),
                ([*OPTIONS, "--uuid", "6c0f5a3e"], "--uuid '6c0f5a3e'"),
                ([*OPTIONS, "--weight", "101"], "--weight '101'"),
                ([*OPTIONS, "--max-clients", "0"], "--max-clients '0'"),
                ([*OPTIONS, "--message-bytes", "1"], "--message-bytes '1'"),
                ([*OPTIONS, "--data", ""], "--data ''"),
                ([*OPTIONS, "--data", "a" * 5000], "--data 'aaa"),
                ([*OPTIONS, "--checkpoint-bytes", "0"], "--checkpoint-bytes '0'")]:
            with self.subTest(words=words):
                self.refused(words, 2, text)

    def test_options_that_the_library_refuses(self):
        cluster = Cluster(self.program, self.folder, size=1)
        words = cluster.members[0].command()[1:]
        self.refused([*words, "--member", "2=nonsense"], 1, "nonsense")
        self.refused([*words, "--heartbeat-interval-ms", "299"], 1, "election_timeout_ns")
        self.refused([*words, "--bind", "nonsense"], 1, "nonsense")
        self.refused([*words, "--log-slots", "1"], 1, "log_slots_max")
        self.refused([*words, "--cache-bytes", "1"], 1, "cache_bytes_max")
        self.refused([*words, "--data", str(self.folder), "--segment-bytes", "1"], 1,
                     "segment_bytes")
        self.refused([*words, "--data", "/proc/nowhere"], 1, "/proc/nowhere")
        self.refused([*words, "--data", "/dev/null"], 1, "/dev/null")

    def test_taken_ports(self):
        with self.cluster(size=1) as cluster:
            taken = cluster.members[0]
            other = Cluster(self.program, self.folder, size=1)
            words = other.members[0].command()[1:]
            self.refused([*words, "--port", str(taken.port)], 1, "Address already in use")
            other.group_ports = cluster.group_ports
            self.refused(other.members[0].command()[1:], 1, "ddress already in use")

    def test_files_that_cannot_be_written(self):
        cluster = Cluster(self.program, self.folder, size=1)
        words = cluster.members[0].command()[1:]
        self.refused([*words, "--log", "/nowhere/log"], 1, "cannot open --log /nowhere/log")
        self.refused([*words, "--log", "/dev/full"], 1, "No space left on device")
        with open("/dev/full", "w", encoding="ascii") as full:
            self.refused(["--help"], 2, "No space left on device", stdout=full)

    def test_a_member_of_another_group(self):
        with self.cluster() as cluster:
            stranger = Cluster(self.program, self.folder)
            stranger.group_ports = [*cluster.group_ports[:2], stranger.group_ports[2]]
            member = stranger.members[2]
            member.log_path = self.folder / "stranger.log"
            member.start()
            try:
                wait_until(lambda: "wrong group" in member.log(), "the stranger is told")
                wait_until(lambda: "wrong group" in cluster.members[0].log(), "the group tells")
                self.assertEqual(cluster.members[0].call("INCR", "n"), 1)
                self.assertEqual(member.info()["role"], "forming")
            finally:
                member.kill()

    def test_a_clean_stop(self):
        with self.cluster() as cluster:
            with Client(cluster.members[0].port) as client:
                client.call("SET", "a", "b")
                for member in cluster.members:
                    self.assertEqual(member.stop(), 0, member.error_path.read_text())
                self.assertTrue(client.is_closed())
            for member in cluster.members:
                self.assertEqual(member.error_path.read_text(), "")
                self.assertIn("stopped by a signal", member.log())


if __name__ == "__main__":
    main()
