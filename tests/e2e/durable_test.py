# SPDX-License-Identifier: MIT
"""Durable members: what was acknowledged outlives them all, and storage that is gone, taken,
full or damaged is refused in clear words."""
import random
import re
import shutil
import subprocess
import time

from cluster import Client, Cluster, ServerError, benchmark, wait_until
from e2e_case import Case, main
from writers import check_at, finish_writers, start_writers

DAMAGED_BYTES = 16


class Durable(Case):
    def check(self, members, histories):
        for member in members:
            found = check_at(member, histories)
            self.assertTrue(found.is_clean(), "\n".join(found.lines[:20]))

    def wait_for_writes(self, writers, count):
        goal = sum(writer.history.acknowledged() for writer in writers) + count
        wait_until(lambda: sum(writer.history.acknowledged() for writer in writers) >= goal,
                   f"{count} more writes are acknowledged")

    def ends_with(self, member, text, status=1):
        """The member ends by itself, with an error that says so."""
        self.assertEqual(member.wait_for_end(), status, member.log())
        said = member.log() + member.error_path.read_text()
        self.assertIn(text, said)
        return said

    def lose_power_under_load(self, data_root):
        chance = random.Random(1)
        with self.durable_cluster("--checkpoint-bytes", "200000", data_root=data_root) as cluster:
            writers = start_writers(cluster.members, "w", chance)
            loads = [benchmark(member.port, "-t", "set,incr", "-n", "100000000", "-r", "1000",
                               "-c", "5") for member in cluster.members]
            for _ in range(3):
                self.wait_for_writes(writers, 300)
                cluster.kill()
                begin = time.monotonic()
                cluster.start()
                print(f"all answer {time.monotonic() - begin:.2f} s after they were started")
            self.wait_for_writes(writers, 100)
            for load in loads:
                load.communicate(timeout=20)
            histories = finish_writers(writers)
            cluster.wait_for_same_digest()
            self.check(cluster.members, histories)
            facts = cluster.members[0].info()
            self.assertEqual(facts["mode"], "durable")
            self.assertEqual(facts["boot"], "4")
            print(f"{sum(history.acknowledged() for history in histories)} writes acknowledged")

    def test_all_lose_power_on_a_disk(self):
        self.lose_power_under_load(self.folder)

    def test_all_lose_power_on_a_file_system_in_memory(self):
        self.lose_power_under_load(self.folder_in_memory())

    def test_two_of_three_go_on_and_the_third_comes_later(self):
        with self.durable_cluster() as cluster:
            first, second, third = cluster.members
            first.call("SET", "before", "1")
            cluster.kill()
            for member in (first, second):
                member.start()
            for member in (first, second):
                member.wait_until_it_answers()
                self.assertEqual(member.call("GET", "before"), b"1")
            writers = start_writers([first, second], "w", random.Random(1))
            self.wait_for_writes(writers, 300)
            third.start()
            third.wait_until_it_answers()
            self.wait_for_writes(writers, 100)
            histories = finish_writers(writers)
            cluster.wait_for_same_digest()
            self.check(cluster.members, histories)
            self.assertEqual(third.call("GET", "before"), b"1")

    def test_one_of_three_waits_for_a_second(self):
        with self.durable_cluster() as cluster:
            first, second, _ = cluster.members
            first.call("SET", "a", "1")
            cluster.kill()
            first.start()
            wait_until(lambda: first.info().get("loading") == "0", "its log is replayed")
            with self.assertRaisesRegex(ServerError, "^(NOTONLINE|NOQUORUM) "):
                first.call("APPEND", "a", "2")
            second.start()
            first.wait_until_it_answers()
            self.assertEqual(first.call("APPEND", "a", "2"), 2)

    def test_clients_are_told_while_the_log_is_replayed(self):
        with self.durable_cluster("--checkpoint-bytes", "1000000000", size=1) as cluster:
            member = cluster.members[0]
            load = benchmark(member.port, "-n", "300000", "-P", "200", "-d", "100", "-t", "set")
            load.communicate(timeout=60)
            member.call("SET", "last", "1")
            member.kill()
            member.start()
            loading = 0
            while member.info().get("loading") != "0":
                try:
                    member.call("PING")
                except ServerError as error:
                    self.assertTrue(str(error).startswith("LOADING "), error)
                    loading += 1
                except (OSError, ConnectionError):
                    self.assertTrue(member.is_up(), member.log())
            print(f"LOADING was answered {loading} times")
            self.assertGreater(loading, 0)
            self.assertEqual(member.call("PING"), "PONG")
            member.wait_until_it_answers()
            self.assertEqual(member.call("GET", "last"), b"1")

    def test_a_clean_stop_and_a_quick_start(self):
        with self.durable_cluster() as cluster:
            load = benchmark(cluster.members[0].port, "-n", "200000", "-P", "100", "-r", "100000",
                             "-t", "set")
            load.communicate(timeout=60)
            state = cluster.wait_for_same_digest()
            for member in cluster.members:
                self.assertEqual(member.stop(), 0, member.log())
                self.assertEqual(member.error_path.read_text(), "")
            begin = time.monotonic()
            for member in cluster.members:
                member.start()
            cluster.wait_for_leader()
            for member in cluster.members:
                member.wait_until_it_answers()
            print(f"ready {time.monotonic() - begin:.2f} s after the start, "
                  f"{cluster.members[0].info()['restored_records']} records replayed")
            cluster.kill()
            cluster.start()
            self.assertEqual(cluster.members[0].call("DBSIZE"),
                             cluster.members[1].call("DBSIZE"))
            # As before, but for what was written to see whether they answer.
            for member in cluster.members:
                for key in ("answers:1", "answers:2", "answers:3"):
                    member.call("DEL", key)
            self.assertEqual(cluster.wait_for_same_digest()[1], state[1])

    def test_a_snapshot_lets_the_log_forget(self):
        with self.durable_cluster("--checkpoint-bytes", "1000000",
                                  "--segment-bytes", "262144") as cluster:
            member = cluster.members[0]
            load = benchmark(member.port, "-n", "100000000", "-P", "20", "-r", "100", "-d", "500",
                             "-t", "set")
            wait_until(lambda: int(member.info()["snapshots_written"]) >= 4, "four snapshots")
            load.terminate()
            load.communicate()
            cluster.wait_for_same_digest()
            facts = member.info()
            print(f"{facts['log_bytes_written']} bytes written, the log keeps {facts['log_bytes']}")
            self.assertLess(int(facts["log_bytes"]), int(facts["log_bytes_written"]))
            self.assertEqual(facts["snapshot_last_status"], "ok")
            self.assertGreater(int(facts["snapshot_seqno"]), 0)
            digest = facts["digest"]
            member.kill()
            member.start()
            wait_until(lambda: member.info().get("digest") == digest, "the state is back")
            self.assertGreaterEqual(int(member.info()["snapshot_seqno"]),
                                    int(facts["snapshot_seqno"]))

    def test_a_snapshot_that_fails_costs_nothing_but_itself(self):
        with self.durable_cluster("--checkpoint-bytes", "1000", size=1) as cluster:
            member = cluster.members[0]
            (member.data_path / "snapshot.tmp").mkdir()
            member.call("SET", "a", "x" * 2000)
            wait_until(lambda: member.info()["snapshot_last_status"] == "Is a directory",
                       "it fails")
            self.assertIn("the former one stays", member.log())
            self.assertEqual(member.call("SET", "b", "1"), "OK")
            member.kill()
            member.start()
            member.wait_until_it_answers()
            self.assertEqual(member.call("GET", "b"), b"1")

    def test_a_stop_while_the_log_is_replayed(self):
        with self.durable_cluster("--checkpoint-bytes", "1000000000", size=1) as cluster:
            member = cluster.members[0]
            load = benchmark(member.port, "-n", "300000", "-P", "200", "-d", "100", "-t", "set")
            load.communicate(timeout=60)
            member.call("SET", "last", "1")
            member.kill()
            member.start()
            wait_until(lambda: "loading" in member.info(), "it serves clients")
            self.assertEqual(member.stop(), 0, member.log())
            member.start()
            member.wait_until_it_answers()
            self.assertEqual(member.call("GET", "last"), b"1")

    # ---- who comes back as another member ----

    def test_a_member_that_was_away_too_long_gets_a_snapshot(self):
        with self.durable_cluster("--log-slots", "4096", "--expel-timeout-ms", "600000",
                                  data_root=self.folder_in_memory()) as cluster:
            victim, other, third = cluster.members
            victim.kill()
            with Client(other.port) as client:
                for i in range(6000):
                    client.call("SET", "a", i)
            victim.start()
            victim.wait_until_online()
            self.assertIn("another member's snapshot", victim.log())
            self.assertEqual(third.call("SET", "b", "1"), "OK")
            cluster.wait_for_same_digest()
            # What it was given is durable.
            cluster.kill()
            cluster.start()
            cluster.wait_for_same_digest()

    def test_a_member_that_was_removed_gets_what_it_missed(self):
        with self.durable_cluster("--suspect-ceiling-ms", "1000", "--expel-timeout-ms", "1000",
                                  data_root=self.folder_in_memory()) as cluster:
            victim, other, _ = cluster.members
            victim.call("SET", "before", "1")
            cluster.wait_for_same_digest()
            self.assertEqual(victim.stop(), 0, victim.log())
            wait_until(lambda: len(other.members()) == 2, "it is removed")
            other.call("SET", "a", "1")
            victim.start()
            victim.wait_until_online()
            self.assertNotIn("another member's snapshot", victim.log())
            self.assertEqual(victim.call("GET", "a"), b"1")
            cluster.wait_for_same_digest()
            cluster.kill()
            cluster.start()
            cluster.wait_for_same_digest()

    def test_a_member_whose_directory_was_wiped_begins_anew(self):
        with self.durable_cluster() as cluster:
            victim, other, _ = cluster.members
            victim.call("SET", "a", "1")
            cluster.wait_for_same_digest()
            victim.kill()
            shutil.rmtree(victim.data_path)
            victim.start()
            victim.wait_until_online()
            self.assertEqual(victim.info()["member_id"], "4")
            self.assertEqual(victim.call("GET", "a"), b"1")
            self.assertEqual(other.call("INCR", "n"), 1)
            cluster.wait_for_same_digest()
            cluster.kill()
            cluster.start()
            cluster.wait_for_same_digest()

    def test_a_member_whose_log_is_gone_begins_with_its_snapshot(self):
        with self.durable_cluster() as cluster:
            victim, other, _ = cluster.members
            victim.call("SET", "a", "1")
            cluster.wait_for_same_digest()
            self.assertEqual(victim.stop(), 0, victim.log())
            shutil.rmtree(victim.data_path / "log")
            other.call("SET", "b", "2")
            victim.start()
            victim.wait_until_online()
            self.assertNotIn("another member's snapshot", victim.log())
            self.assertEqual(victim.call("MGET", "a", "b"), [b"1", b"2"])
            cluster.wait_for_same_digest()

    # ---- refusals ----

    def test_a_member_without_a_directory_is_none_of_a_durable_group(self):
        cluster = self.durable_cluster()
        stranger = cluster.members[2]
        stranger.data_path = None
        try:
            for member in cluster.members:
                member.start()
            for member in cluster.members:
                wait_until(lambda member=member: "limits or durability" in member.log(),
                           f"member {member.number} says so")
                self.assertEqual(member.info()["role"], "forming")
        finally:
            cluster.end(show_logs=False)

    def test_a_snapshot_without_its_log_and_without_others_is_refused(self):
        with self.durable_cluster(size=1) as cluster:
            member = cluster.members[0]
            member.call("SET", "a", "1")
            self.assertEqual(member.stop(), 0)
            shutil.rmtree(member.data_path / "log")
            member.start()
            self.ends_with(member, "the log that belongs to it is gone")

    def test_a_second_process_on_one_directory_is_refused(self):
        with self.durable_cluster() as cluster:
            other = Cluster(self.program, self.folder, data_root=self.folder)
            other.group = cluster.group
            done = subprocess.run(other.members[0].command(), capture_output=True, text=True,
                                  timeout=20, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(str(cluster.members[0].data_path / "log"), done.stderr)
            self.assertIn(f"in use by process {cluster.members[0].process.pid}", done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertEqual(cluster.members[0].call("INCR", "n"), 1)

    def test_a_member_whose_disk_is_full_ends_and_the_others_go_on(self):
        cluster = self.durable_cluster("--segment-bytes", "1048576")
        victim, other, third = cluster.members
        disk = self.small_file_system(victim.data_path, "8m")
        with cluster:
            load = benchmark(other.port, "-n", "20000", "-d", "1000", "-r", "100000", "-P", "10",
                             "-t", "set")
            said = self.ends_with(victim, "GR_ERR_STORAGE")
            self.assertIn("No space left on device", said)
            print(said.strip().split("\n")[-1])
            load.communicate(timeout=60)
            self.assertEqual(load.returncode, 0)
            for member in (other, third):
                member.wait_until_it_answers()
            # With more room it comes back.
            subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
            cluster.start()
            cluster.wait_for_same_digest()

    def damage(self, path):
        """Overwrites some bytes in the middle of what is written; returns where."""
        data = path.read_bytes()
        middle = len(data.rstrip(b"\0")) // 2
        with open(path, "r+b") as file:
            file.seek(middle)
            file.write(bytes(byte ^ 0x55 for byte in data[middle:middle + DAMAGED_BYTES]))
        return middle

    def expect_damage_named(self, member, path):
        middle = self.damage(path)
        member.start()
        said = self.ends_with(member, str(path))
        line = next(line for line in said.split("\n") if str(path) in line and "error" in line
                    or line.startswith("gr-kv: "))
        place = re.search(r"(offset|byte) (\d+)", line)
        self.assertTrue(place, line)
        self.assertLessEqual(int(place.group(2)), middle, line)
        print(f"damaged at {middle}: {line}")

    def test_a_log_with_damage_in_its_middle_is_refused(self):
        with self.durable_cluster("--segment-bytes", "65536") as cluster:
            victim, other, _ = cluster.members
            load = benchmark(other.port, "-n", "2000", "-d", "1000", "-P", "10", "-t", "set")
            load.communicate(timeout=60)
            cluster.wait_for_same_digest()
            victim.kill()
            sound = self.folder / "sound"
            shutil.copytree(victim.data_path, sound)
            files = [path for path in (victim.data_path / "log").iterdir()
                     if path.stat().st_size > 0]
            self.expect_damage_named(victim, sorted(files)[len(files) // 2])
            self.assertEqual(other.call("INCR", "n"), 1)
            # With the sound files it is the member that it was.
            shutil.rmtree(victim.data_path)
            sound.rename(victim.data_path)
            victim.start()
            victim.wait_until_it_answers()
            cluster.wait_for_same_digest()

    def test_a_damaged_snapshot_is_refused(self):
        with self.durable_cluster(size=1) as cluster:
            member = cluster.members[0]
            for i in range(100):
                member.call("SET", f"key{i}", "x" * 100)
            self.assertEqual(member.stop(), 0)
            self.expect_damage_named(member, member.data_path / "snapshot")


if __name__ == "__main__":
    main()
