# SPDX-License-Identifier: MIT
"""Members that die, stand still, come back: what was acknowledged is there, once, and the
survivors go on."""
import random
import signal
import time

from cluster import Client, Probe, benchmark, check_probe, wait_until
from delays import DelayedCluster, Relays
from e2e_case import Case, main
from writers import check_at, finish_writers, start_writers

# Service resumes within this after a member's process has died, with an election timeout of
# 300 ms; generous, since the tests share a machine with others.
STALL_MAX_US = 3_000_000


class Failures(Case):
    def progress(self, member):
        return int(member.info().get("seqno", 0))

    def wait_for_progress(self, member, messages):
        goal = self.progress(member) + messages
        wait_until(lambda: self.progress(member) >= goal, f"{messages} more messages")

    def check_probes(self, members, probes, results):
        """Everything acknowledged is at each member, once."""
        for probe, result in zip(probes, results):
            self.assertGreater(result["acknowledged"], 0)
            self.assertEqual(result["doubled"], 0)
            for member in members:
                self.assertEqual(check_probe(member, probe.name, result), (0, 0),
                                 f"{probe.name} at member {member.number}: {result}")

    def kill_under_load(self, choose):
        with self.cluster() as cluster:
            victim = choose(cluster, cluster.wait_for_leader())
            survivors = [member for member in cluster.members if member is not victim]
            probes = [Probe(self.probe, member, f"at{member.number}", 60)
                      for member in cluster.members]
            self.wait_for_progress(survivors[0], 1000)
            victim.kill()
            cluster.wait_for_leader(survivors)
            for member in survivors:
                self.wait_for_progress(member, 1000)
            results = [probe.end() for probe in probes]
            cluster.wait_for_same_digest(survivors)
            self.check_probes(survivors, probes, results)
            for probe, result in zip(probes, results):
                self.assertEqual(result["lost"], probe.member is victim)
                print(f"client at {'killed' if result['lost'] else 'surviving'} member "
                      f"{probe.member.number}: {result['acknowledged']} writes acknowledged, "
                      f"longest wait {result['longest_us'] / 1000:.1f} ms")
                if not result["lost"]:
                    self.assertLess(result["longest_us"], STALL_MAX_US)

    def test_the_leader_is_killed_under_load(self):
        self.kill_under_load(lambda cluster, leader: leader)

    def test_a_follower_is_killed_under_load(self):
        self.kill_under_load(lambda cluster, leader: next(
            member for member in cluster.members if member is not leader))

    def test_a_follower_that_stood_still_catches_up(self):
        with self.cluster() as cluster:
            leader = cluster.wait_for_leader()
            stopped, other = [member for member in cluster.members if member is not leader]
            probes = [Probe(self.probe, member, f"at{member.number}", 60)
                      for member in (leader, other)]
            self.wait_for_progress(leader, 1000)
            before = self.progress(stopped)
            stopped.signal(signal.SIGSTOP)
            load = benchmark(other.port, "-n", "20000", "-t", "set", "-r", "1000")
            time.sleep(2)  # the length of the pause, not a wait for anything
            behind = self.progress(leader) - before
            stopped.signal(signal.SIGCONT)
            load.communicate(timeout=60)
            self.assertEqual(load.returncode, 0)
            results = [probe.end() for probe in probes]
            begin = time.monotonic()
            seqno, _ = cluster.wait_for_same_digest()
            print(f"{behind} messages behind after 2 s; at seqno {seqno} "
                  f"{time.monotonic() - begin:.2f} s after the load's end")
            self.assertGreater(behind, 1000)
            self.check_probes(cluster.members, probes, results)
            self.assertEqual(stopped.call("SET", "a", "b"), "OK")

    def test_a_leader_that_stood_still_is_replaced_and_catches_up(self):
        with self.cluster() as cluster:
            leader = cluster.wait_for_leader()
            others = [member for member in cluster.members if member is not leader]
            probes = [Probe(self.probe, member, f"at{member.number}", 60) for member in others]
            self.wait_for_progress(others[0], 1000)
            leader.signal(signal.SIGSTOP)
            cluster.wait_for_leader(others)
            for member in others:
                self.wait_for_progress(member, 1000)
            leader.signal(signal.SIGCONT)
            results = [probe.end() for probe in probes]
            cluster.wait_for_same_digest()
            self.check_probes(cluster.members, probes, results)

    def test_without_a_majority_writes_wait_and_reads_do_not(self):
        with self.cluster() as cluster:
            last = cluster.members[0]
            last.call("SET", "a", "1")
            cluster.wait_for_same_digest()
            for member in cluster.members[1:]:
                member.signal(signal.SIGSTOP)
            with Client(last.port) as writer:
                writer.send("SET", "a", "2")
                wait_until(lambda: last.info().get("members_reachable") == "1",
                           "the others are missed")
                self.assertEqual(last.call("GET", "a"), b"1")
                for member in cluster.members[1:]:
                    member.signal(signal.SIGCONT)
                self.assertEqual(writer.receive(), "OK")
            self.assertEqual(last.call("GET", "a"), b"2")
            cluster.wait_for_same_digest()

    def test_more_writes_than_the_group_takes_wait_their_turn(self):
        with self.cluster() as cluster:
            last = cluster.members[0]
            for member in cluster.members[1:]:
                member.signal(signal.SIGSTOP)
            count, value = 60, b"x" * 1000000
            writers = [Client(last.port, timeout=30) for _ in range(count)]
            for i, writer in enumerate(writers):
                writer.send("APPEND", f"large{i}", value)
                writer.send("EXISTS", f"large{i}")
            taken = wait_until(lambda: int(last.info().get("total_writes_broadcast", 0)),
                               "writes are taken")
            self.assertEqual(last.call("PING"), "PONG")
            for member in cluster.members[1:]:
                member.signal(signal.SIGCONT)
            for writer in writers:
                self.assertEqual([writer.receive(), writer.receive()], [len(value), 1])
                writer.close()
            self.assertLess(taken, count)
            cluster.wait_for_same_digest()
            self.assertEqual(cluster.members[1].call("DBSIZE"), count)

    def test_all_connections_are_slow(self):
        with Relays(0.02) as relays, \
                DelayedCluster(self.program, self.folder, relays) as cluster:
            writers = start_writers(cluster.members, "w", random.Random(1))
            self.wait_for_progress(cluster.members[0], 100)
            joiner = cluster.add()
            joiner.start()
            joiner.wait_until_online()
            writers += start_writers([joiner], "j", random.Random(2))
            leader = cluster.wait_for_leader()
            relays.seconds = 0.04  # four round trips are 320 ms now: more than an election timeout
            self.wait_for_progress(leader, 100)
            relays.seconds = 0.01
            leader.kill()
            leader.start()
            leader.wait_until_online()
            histories = finish_writers(writers)
            cluster.wait_for_same_digest()
            for member in cluster.members:
                found = check_at(member, histories)
                self.assertTrue(found.is_clean(), "\n".join(found.lines[:20]))
            print(f"{sum(history.acknowledged() for history in histories)} writes acknowledged, "
                  "none lost, none doubled")

    def test_a_restarted_member_comes_back_as_a_new_one(self):
        with self.cluster() as cluster:
            victim = cluster.wait_for_leader()
            victim.call("SET", "a", "1")
            cluster.wait_for_same_digest()
            former = victim.info()["member_id"]
            victim.kill()
            victim.start()
            victim.wait_until_online()
            self.assertNotEqual(victim.info()["member_id"], former)
            self.assertEqual(victim.call("GET", "a"), b"1")
            self.assertEqual(victim.call("INCR", "n"), 1)
            cluster.wait_for_same_digest()


if __name__ == "__main__":
    main()
