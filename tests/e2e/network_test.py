# SPDX-License-Identifier: MIT
"""Members in networks of their own, between which packets are lost, and members that stand still:
what clients were told holds, and those who were cut off come back by themselves.

Needs the right to make network namespaces; is skipped where there is none."""
import contextlib
import random
import signal
import time

from cluster import Probe, ServerError, check_probe, wait_until
from e2e_case import Case, main
from network import Network, NetworkCluster, require
from writers import Pulse, check_at, finish_writers, start_writers

# Members are removed soon, so that tests need not wait.
QUICK = ("--suspect-ceiling-ms", "1000", "--expel-timeout-ms", "1000",
         "--unreachable-timeout-ms", "2000")

PAUSE_S = 3

# What clients of the others may wait while a member stands still for PAUSE_S. Other processes on
# this machine can only add to it: the best of some rounds counts.
FOLLOWER_STALL_MAX_MS = 50
LEADER_STALL_MAX_MS = 1000
ROUNDS = 3


class Networks(Case):
    @contextlib.contextmanager
    def group(self, *options, size=3):
        require()
        with Network(size) as network, \
                NetworkCluster(self.program, self.folder, network, options) as cluster:
            yield network, cluster

    def finish(self, cluster, writers, seconds=20):
        """All are together again, and hold what the writers were told."""
        for member in cluster.members:
            member.wait_until_online(seconds)
        histories = finish_writers(writers)
        cluster.wait_for_same_digest()
        for member in cluster.members:
            found = check_at(member, histories)
            self.assertTrue(found.is_clean(), "\n".join(found.lines[:20]))
        print(f"{sum(history.acknowledged() for history in histories)} writes acknowledged, "
              "none lost, none doubled")

    def wait_until_removed(self, number, others):
        for other in others:
            wait_until(lambda other=other: number not in [known["id"] for known in
                                                          other.members()],
                       f"member {number} is removed")

    def wait_until_back(self, member, former):
        """It has learned that it was removed, and is a member again. How long that took."""
        begin = time.monotonic()
        wait_until(lambda: member.info().get("member_id") != former, "it knows that it was removed")
        member.wait_until_online()
        return time.monotonic() - begin

    def cut_off(self, choose):
        """One member is cut off from the others until it is removed; then the network heals."""
        with self.group(*QUICK) as (network, cluster):
            victim = choose(cluster, cluster.wait_for_leader())
            others = [member for member in cluster.members if member is not victim]
            writers = start_writers(cluster.members, "w", random.Random(1))
            pulse = Pulse(others[0])
            time.sleep(0.5)  # some load before
            number = victim.info()["member_id"]
            begin = time.monotonic()
            network.part([victim.number], [member.number for member in others])
            self.wait_until_removed(number, others)
            took = time.monotonic() - begin
            wait_until(lambda: self.refuses(victim), "it refuses writes")
            print(f"removed after {took:.2f} s; a client of the others waited "
                  f"{pulse.end() * 1000:.0f} ms at most")
            network.heal()
            print(f"back {self.wait_until_back(victim, number):.2f} s after the network")
            self.finish(cluster, writers)

    def refuses(self, member):
        try:
            member.call("SET", "a", "1")
        except ServerError as error:
            return str(error).startswith(("NOQUORUM ", "NOTONLINE "))
        return False

    def test_the_leader_is_cut_off(self):
        self.cut_off(lambda cluster, leader: leader)

    def test_a_follower_is_cut_off(self):
        self.cut_off(lambda cluster, leader: next(
            member for member in cluster.members if member is not leader))

    def test_a_minority_of_five_is_cut_off(self):
        with self.group(*QUICK, size=5) as (network, cluster):
            writers = start_writers(cluster.members, "w", random.Random(1), each=1)
            time.sleep(0.5)  # some load before
            victims = [(member, member.info()["member_id"]) for member in cluster.members[:2]]
            network.part([1, 2], [3, 4, 5])
            for _, number in victims:
                self.wait_until_removed(number, cluster.members[2:])
            network.heal()
            for victim, number in victims:
                self.wait_until_back(victim, number)
            self.finish(cluster, writers)

    def test_nobody_reaches_anybody_and_then_all_do(self):
        with self.group(*QUICK) as (network, cluster):
            writers = start_writers(cluster.members, "w", random.Random(1))
            time.sleep(0.5)  # some load before
            network.part([1], [2, 3])
            network.part([2], [3])
            for member in cluster.members:
                wait_until(lambda member=member: member.state() == "ERROR GR_ERR_NO_QUORUM",
                           "it gives up")
                self.assertTrue(self.refuses(member))
            network.heal()
            self.finish(cluster, writers)

    def test_packets_get_lost_in_one_direction(self):
        for sender, receiver in ((1, 2), (2, 1), (2, 3)):
            with self.subTest(sender=sender, receiver=receiver), \
                    self.group(*QUICK) as (network, cluster):
                writers = start_writers(cluster.members, "w", random.Random(1))
                time.sleep(0.5)  # some load before
                network.lose(sender, receiver)
                time.sleep(4)  # long enough to be suspected, and removed: the group may choose
                network.heal()
                self.finish(cluster, writers)

    def test_every_tenth_packet_gets_lost(self):
        with self.group() as (network, cluster):
            for one in (1, 2, 3):
                for other in (1, 2, 3):
                    if one != other:
                        network.lose(one, other, percent=10)
            writers = start_writers(cluster.members, "w", random.Random(1))
            before = sum(writer.history.acknowledged() for writer in writers)
            wait_until(lambda: sum(writer.history.acknowledged() for writer in writers) >
                       before + 100, "writes are taken")
            network.heal()
            self.finish(cluster, writers)

    def test_packets_are_late_and_some_get_lost(self):
        with self.group() as (network, cluster):
            network.delay("delay", "20ms", "10ms", "loss", "2%")
            writers = start_writers(cluster.members, "w", random.Random(1))
            time.sleep(3)  # the length of the disturbance
            network.delay("delay", "0ms")
            self.finish(cluster, writers)

    # ---- members that stand still ----

    def pause(self, choose):
        """What clients of the others waited at most while one stood still, in ms."""
        with self.group() as (_, cluster):
            victim = choose(cluster, cluster.wait_for_leader())
            others = [member for member in cluster.members if member is not victim]
            view = others[0].info()["view"]
            probes = [Probe(self.probe, member, f"at{member.number}", 60) for member in others]
            time.sleep(0.5)  # some load before
            victim.signal(signal.SIGSTOP)
            time.sleep(PAUSE_S)  # the length of the pause
            victim.signal(signal.SIGCONT)
            victim.wait_until_online()
            results = [probe.end() for probe in probes]
            cluster.wait_for_same_digest()
            self.assertEqual(others[0].info()["view"], view, "it was removed")
            for probe, result in zip(probes, results):
                for member in cluster.members:
                    self.assertEqual(check_probe(member, probe.name, result), (0, 0))
            return max(result["longest_us"] for result in results) / 1000

    def best_pause(self, choose, limit_ms):
        stalls = []
        while len(stalls) < ROUNDS and (not stalls or min(stalls) > limit_ms):
            stalls.append(self.pause(choose))
        shown = ", ".join(f"{stall:.0f} ms" for stall in stalls)
        print(f"a client of the others waited at most: {shown}")
        self.assertLessEqual(min(stalls), limit_ms)

    def test_a_follower_that_stands_still_for_a_moment_stays(self):
        self.best_pause(lambda cluster, leader: next(
            member for member in cluster.members if member is not leader), FOLLOWER_STALL_MAX_MS)

    def test_a_leader_that_stands_still_for_a_moment_stays(self):
        self.best_pause(lambda cluster, leader: leader, LEADER_STALL_MAX_MS)

    def test_one_that_stands_still_for_long_comes_back(self):
        for of_leader in (False, True):
            with self.subTest(of_leader=of_leader), self.group(*QUICK) as (_, cluster):
                leader = cluster.wait_for_leader()
                victim = leader if of_leader else next(
                    member for member in cluster.members if member is not leader)
                others = [member for member in cluster.members if member is not victim]
                number = victim.info()["member_id"]
                writers = start_writers(others, "w", random.Random(1))
                victim.signal(signal.SIGSTOP)
                self.wait_until_removed(number, others)
                victim.signal(signal.SIGCONT)
                print(f"back {self.wait_until_back(victim, number):.2f} s after it went on")
                self.finish(cluster, writers)

    def test_one_that_is_killed_comes_back(self):
        with self.group(*QUICK) as (_, cluster):
            writers = start_writers(cluster.members, "w", random.Random(1))
            for victim in cluster.members:
                victim.kill()
                victim.start()
                victim.wait_until_online()
            self.finish(cluster, writers)


if __name__ == "__main__":
    main()
