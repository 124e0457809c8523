# SPDX-License-Identifier: MIT
"""Members that join under load, leave, are started again one after the other: the group goes on
meanwhile, and whatever clients were told is there, once, at all of them."""
import random
import signal
import time

from cluster import ServerError, benchmark, wait_until
from e2e_case import Case, main
from writers import Pulse, check_at, finish_writers, start_writers

# Members are removed soon, so that tests need not wait.
QUICK = ("--suspect-ceiling-ms", "1000", "--expel-timeout-ms", "1000")

# The group goes on all the time; this machine is shared with others.
STALL_MAX_S = 3.0


class Join(Case):
    def fill(self, cluster, keys, size):
        """Gives the group a state of some size."""
        load = benchmark(cluster.members[0].port, "-t", "set", "-n", str(keys), "-r",
                         str(10 * keys), "-d", str(size), "-P", "50", "-c", "10")
        load.communicate(timeout=120)
        self.assertEqual(load.returncode, 0)
        return cluster.members[0].call("DBSIZE")

    def check(self, cluster, histories):
        cluster.wait_for_same_digest()
        for member in cluster.up():
            found = check_at(member, histories)
            self.assertTrue(found.is_clean(), "\n".join(found.lines[:20]))

    def finish(self, cluster, writers, loads):
        for load in loads:
            load.terminate()
            load.communicate(timeout=20)
        histories = finish_writers(writers)
        self.check(cluster, histories)
        print(f"{sum(history.acknowledged() for history in histories)} writes acknowledged, "
              "none lost, none doubled")

    def load(self, members):
        """Clients that check, and clients that press."""
        writers = start_writers(members, "w", random.Random(1))
        loads = [benchmark(member.port, "-t", "set,incr", "-n", "100000000", "-r", "100000",
                           "-d", "100", "-c", "5", "-P", "2") for member in members]
        return writers, loads

    def join_under_load(self, cluster):
        founders = list(cluster.members)
        keys = self.fill(cluster, 100000, 100)
        writers, loads = self.load(founders)
        pulses = [Pulse(member) for member in founders]
        joiner = cluster.add()
        begin = time.monotonic()
        joiner.start()
        joiner.wait_until_online(60)
        took = time.monotonic() - begin
        facts = founders[0].info()
        stall = max(pulse.end() for pulse in pulses)
        writers += start_writers([joiner], "j", random.Random(2))
        time.sleep(0.5)  # some more load, now at the joiner too
        self.finish(cluster, writers, loads)
        forks = [int(member.info()["snapshot_fork_us"]) for member in founders]
        print(f"{keys} keys: ONLINE after {took:.2f} s under load, longest wait of a client "
              f"meanwhile {stall * 1000:.0f} ms, fork {max(forks)} us")
        self.assertLess(stall, STALL_MAX_S)
        self.assertEqual(facts["members"], "4")

    def test_a_member_joins_under_load(self):
        with self.cluster() as cluster:
            self.join_under_load(cluster)

    def test_a_member_joins_a_durable_group_under_load_and_comes_back(self):
        with self.durable_cluster(data_root=self.folder_in_memory()) as cluster:
            self.join_under_load(cluster)
            joiner = cluster.members[-1]
            for member in (joiner, cluster.members[0]):
                before = member.info()["member_id"]
                member.kill()
                member.start()
                member.wait_until_online()
                self.assertEqual(member.info()["member_id"], before)
            cluster.wait_for_same_digest()
            cluster.kill()
            cluster.start()
            cluster.wait_for_same_digest()

    def test_a_joiner_dies_anywhere_in_its_recovery(self):
        with self.cluster("--snapshot-rate", "20000000", *QUICK) as cluster:
            founders = list(cluster.members)
            self.fill(cluster, 100000, 200)
            writers, loads = self.load(founders)
            pulses = [Pulse(member) for member in founders]
            joiner = cluster.add()
            received = []
            for part in (0, 1, 5000000, 10000000, 15000000):
                joiner.start()

                def reached(part=part):
                    got = int(joiner.info().get("recovery_snapshot_bytes", -1))
                    return got + 1 if got >= part else 0

                received.append(wait_until(reached, f"{part} bytes of the snapshot") - 1)
                joiner.kill()
            joiner.start()
            joiner.wait_until_online(60)
            stall = max(pulse.end() for pulse in pulses)
            self.finish(cluster, writers, loads)
            print(f"killed after {received} bytes; longest wait of a client {stall * 1000:.0f} ms")
            self.assertLess(stall, STALL_MAX_S)

    def test_donors_die_in_the_middle(self):
        with self.cluster("--snapshot-rate", "10000000", *QUICK) as cluster:
            for _ in range(2):
                joined = cluster.add()
                joined.start()
                joined.wait_until_online()
            self.fill(cluster, 100000, 200)
            joiner = cluster.add()
            joiner.start()
            wait_until(lambda: int(joiner.info().get("recovery_snapshot_bytes", 0)) > 5000000,
                       "a part of the snapshot")
            number = joiner.info()["recovery_donor"]
            donor = next(member for member in cluster.members
                         if member.info().get("member_id") == number)
            donor.kill()
            joiner.wait_until_online(60)
            facts = joiner.info()
            print(f"{facts['recovery_attempts']} donors were tried")
            self.assertGreater(int(facts["recovery_attempts"]), 1)
            cluster.wait_for_same_digest()

    def rolling(self, cluster):
        for _ in range(2):
            joined = cluster.add()
            joined.start()
            joined.wait_until_online()
        self.fill(cluster, 20000, 100)
        writers = start_writers(cluster.members, "w", random.Random(1))
        for member in list(cluster.members):
            load = benchmark(cluster.members[member.number % 5].port, "-t", "set", "-n", "2000",
                             "-r", "1000", "-c", "5")
            begin = time.monotonic()
            member.kill()
            member.start()
            member.wait_until_online(60)
            print(f"member {member.number} is back after {time.monotonic() - begin:.2f} s")
            output, _ = load.communicate(timeout=60)
            self.assertEqual(load.returncode, 0, output)
        self.finish(cluster, writers, [])

    def test_every_member_is_started_again(self):
        with self.cluster(*QUICK) as cluster:
            self.rolling(cluster)

    def test_every_durable_member_is_started_again(self):
        with self.durable_cluster(*QUICK, data_root=self.folder_in_memory()) as cluster:
            self.rolling(cluster)

    def test_a_member_leaves_and_joins_again(self):
        with self.cluster() as cluster:
            first = cluster.members[0]
            joiner = cluster.add()
            joiner.start()
            joiner.wait_until_online()
            self.assertEqual(joiner.call("SET", "a", "1"), "OK")
            pulse = Pulse(first)
            self.assertEqual(joiner.call("GR", "LEAVE"), "OK")
            wait_until(lambda: joiner.state() == "OFFLINE", "it has left")
            wait_until(lambda: len(first.members()) == 3, "the others know")
            for words in (("SET", "a", "2"), ("GET", "a")):
                with self.assertRaisesRegex(ServerError, "^NOTONLINE "):
                    joiner.call(*words)
            joins = wait_until(lambda: self.try_to(joiner, "GR", "JOIN"), "it may join")
            self.assertEqual(joins, "OK")
            joiner.wait_until_online()
            print(f"longest wait of a client {pulse.end() * 1000:.0f} ms")
            self.assertEqual(joiner.call("GET", "a"), b"1")
            cluster.wait_for_same_digest()

    def try_to(self, member, *words):
        try:
            return member.call(*words)
        except ServerError:
            return None

    def test_an_operator_removes_a_member(self):
        with self.cluster("--rejoin-interval-ms", "3600000") as cluster:
            first, _, third = cluster.members
            for member in cluster.members:
                member.wait_until_online()
            with self.assertRaisesRegex(ServerError, "GR_ERR_INVALID"):
                first.call("GR", "REMOVE", "77")
            self.assertEqual(first.call("GR", "REMOVE", third.info()["member_id"]), "OK")
            wait_until(lambda: third.state() == "ERROR GR_ERR_REMOVED", "it is told")
            self.assertEqual([member["id"] for member in first.members()], ["1", "2"])
            with self.assertRaisesRegex(ServerError, "^NOTONLINE "):
                third.call("SET", "a", "1")
            self.assertEqual(third.call("GR", "JOIN"), "OK")
            third.wait_until_online()
            cluster.wait_for_same_digest()

    def test_what_a_member_says_of_the_others(self):
        with self.cluster("--weight", "7") as cluster:
            for member in cluster.members:
                member.wait_until_online()
            leader = cluster.wait_for_leader()
            members = leader.members()
            self.assertEqual([member["state"] for member in members], ["ONLINE"] * 3)
            self.assertEqual([member["weight"] for member in members], ["7"] * 3)
            own = members[leader.number - 1]
            self.assertEqual((own["role"], own["self"]), ("leader", "1"))
            self.assertEqual(own["address"],
                             f"127.0.0.1:{cluster.group_ports[leader.number - 1]}")
            stopped = next(member for member in cluster.members if member is not leader)
            stopped.signal(signal.SIGSTOP)
            wait_until(lambda: leader.members()[stopped.number - 1]["state"] == "UNREACHABLE",
                       "it is missed")
            stopped.signal(signal.SIGCONT)
            wait_until(lambda: leader.members()[stopped.number - 1]["state"] == "ONLINE",
                       "it is heard again")
            stats = dict(line.split(":", 1) for line in
                         leader.call("GR", "STATS").decode().strip().split("\r\n"))
            self.assertEqual(stats["state"], "ONLINE")
            self.assertIn("frames_sent", stats)

    def test_without_a_majority_writes_are_refused_in_the_end(self):
        with self.cluster("--unreachable-timeout-ms", "1000", "--expel-timeout-ms", "60000",
                          "--suspect-ceiling-ms", "1000") as cluster:
            last, *others = cluster.members
            for member in cluster.members:
                member.wait_until_online()
            last.call("SET", "a", "1")
            cluster.wait_for_same_digest()
            with last.connect() as waiting:
                for member in others:
                    member.signal(signal.SIGSTOP)
                begin = time.monotonic()
                waiting.send("APPEND", "a", "2")
                with self.assertRaisesRegex(ServerError, "^NOQUORUM .* may take effect"):
                    waiting.receive()
                print(f"a write on its way is answered after {time.monotonic() - begin:.2f} s")
            with self.assertRaisesRegex(ServerError, "^NOQUORUM .*GR FORCE"):
                last.call("SET", "b", "1")
            self.assertIn(last.call("GET", "a"), (b"1", b"12"))
            self.assertEqual(last.state(), "ERROR GR_ERR_NO_QUORUM")
            for member in others:
                member.signal(signal.SIGCONT)
            last.wait_until_it_answers()
            cluster.wait_for_same_digest()
            self.assertEqual(last.call("GET", "a"), b"12")

    def test_an_operator_declares_a_majority_lost(self):
        for durable in (False, True):
            make = self.durable_cluster if durable else self.cluster
            with self.subTest(durable=durable), make(
                    "--unreachable-timeout-ms", "1000", "--suspect-ceiling-ms", "1000",
                    size=5) as cluster:
                first, second, *lost = cluster.members
                first.call("SET", "a", "1")
                cluster.wait_for_same_digest()
                with self.assertRaisesRegex(ServerError, "a majority of the members can be"):
                    first.call("GR", "FORCE", "1", "2")
                for member in lost:
                    member.kill()
                wait_until(lambda: first.state() == "ERROR GR_ERR_NO_QUORUM", "it gives up")
                self.assertEqual(first.call("GR", "FORCE", "1", "2"), "OK")
                for member in (first, second):
                    member.wait_until_it_answers()
                    self.assertEqual([known["id"] for known in member.members()], ["1", "2"])
                self.assertEqual(second.call("INCR", "a"), 2)
                # They are two now, and others may join them.
                joiner = cluster.add()
                joiner.start()
                joiner.wait_until_online()
                cluster.wait_for_same_digest([first, second, joiner])

    def test_whom_the_group_does_not_let_in(self):
        with self.cluster("--members-max", "3") as cluster:
            joiner = cluster.add()
            joiner.start()
            self.assertEqual(joiner.wait_for_end(), 1)
            self.assertIn("the group has members_max members", joiner.log())
            stranger = cluster.add()
            stranger.start("--members-max", "4")
            self.assertEqual(stranger.wait_for_end(), 1)
            self.assertIn("must be equal at all members", stranger.log())


if __name__ == "__main__":
    main()
