#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The demonstration that tools/demo runs once gr-kv is built.

  demo.py GR_KV KV_PROBE

On a terminal a table of the members is kept up to date; elsewhere it is printed when a step
ends. What clients saw is measured by clients (kv-probe), one at each member.
"""
import os
import pathlib
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "e2e"))
from cluster import (Cluster, Failed, Probe, ServerError, benchmark,  # noqa: E402
                     check_probe, wait_until)

# How often the table changes, and how long the load runs before and after the failure.
TABLE_S = 0.25
BEFORE_S = 2.0
ANSWER_S = 0.5  # whoever takes longer to say how it is does not answer
AFTER_S = 3.0

ELECTION_TIMEOUT_MS = 300

# A member that is not heard is suspected after the first, at the latest, and removed after the
# second on top.
SUSPECT_MS = 1000
EXPEL_MS = 2000

CHANGE_S = 20  # for a change of the membership to come to pass

TERMINAL = sys.stdout.isatty()
COLOURS = TERMINAL and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def paint(text, code):
    return f"\033[{code}m{text}\033[0m" if COLOURS else text


def bold(text):
    return paint(text, "1")


def step(text):
    print("\n" + bold(text), flush=True)


class Table:
    """The members, a line each; on a terminal over itself."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.lines = 0
        self.latest = {}

    def row(self, member):
        facts = member.info(ANSWER_S) if member.is_up() else {}
        now = time.monotonic()
        if not facts:
            self.latest.pop(member.number, None)
            state = "does not answer" if member.is_up() else "killed"
            return "  " + paint(f"{member.number:>6}  {state}", "31")
        seqno = int(facts["seqno"])
        before, then = self.latest.get(member.number, (seqno, now))
        self.latest[member.number] = (seqno, now)
        rate = f"{(seqno - before) / (now - then):,.0f}" if now > then else "-"
        reachable = f"{facts.get('members_reachable', '?')} of {facts.get('members', '?')}"
        return (f"  {member.number:>6}  {self.role(facts)}  {reachable:>9}  {seqno:>9,}  "
                f"{rate:>9}  {facts['digest']}")

    def role(self, facts):
        state = facts.get("state", "?")
        role = f"{facts.get('role', '?') if state == 'ONLINE' else state:<10}"
        if state == "ONLINE":
            return paint(role, "1;32") if role.startswith("leader") else role
        return paint(role, "33")

    def show(self):
        rows = [self.row(member) for member in self.cluster.members]
        if not TERMINAL:
            return rows
        if self.lines:
            print(f"\033[{self.lines}A", end="")
        head = paint("  member  role        reachable    message   writes/s  digest of the state", "2")
        for line in [head, *rows]:
            print(f"\033[2K{line}")
        sys.stdout.flush()
        self.lines = len(rows) + 1
        return rows

    def finish(self):
        """Leaves the last state on the screen."""
        rows = self.show()
        if not TERMINAL:
            print("  member  role        reachable    message   writes/s  digest of the state")
            print("\n".join(rows), flush=True)
        self.lines = 0

    def show_while(self, condition):
        while condition():
            self.show()
            time.sleep(TABLE_S)

    def show_until(self, condition, what):
        """Shows the members until the condition holds; how long that took."""
        begin = time.monotonic()
        while not condition():
            if time.monotonic() - begin > CHANGE_S:
                raise Failed(f"not within {CHANGE_S} s: {what}")
            self.show()
            time.sleep(0.02 if not TERMINAL else TABLE_S / 2)
        return time.monotonic() - begin

    def show_for(self, seconds):
        end = time.monotonic() + seconds
        self.show_while(lambda: time.monotonic() < end)


def finish_benchmark(run):
    """Its lines of results; raises if it failed."""
    output, _ = run.communicate(timeout=60)
    if run.returncode != 0:
        raise Failed(f"redis-benchmark failed: {output}")
    lines = output.replace("\r", "\n").split("\n")
    return [line.strip() for line in lines if "requests per second" in line and "rps=" not in line]


def load(cluster, table, children):
    step("redis-benchmark at all three members at once: 30,000 SET, GET, INCR each")
    runs = [benchmark(member.port, "-t", "set,get,incr", "-n", "30000", "-r", "10000",
                      "-c", "20", "-P", "4") for member in cluster.members]
    children += runs
    table.show_while(lambda: any(run.poll() is None for run in runs))
    seqno, digest = cluster.wait_for_same_digest()
    table.finish()
    for member, run in zip(cluster.members, runs):
        for line in finish_benchmark(run):
            print(f"  member {member.number}: {line}")
    print(f"  After {int(seqno):,} writes the state is the same at all three: {bold(digest)}")


def kill_leader(cluster, table, probe_program, children):
    """Kills the leader under load; returns the probes' results and the survivors."""
    leader = cluster.wait_for_leader()
    survivors = [member for member in cluster.members if member is not leader]
    step(f"Clients write at all three; then the leader, member {leader.number}, "
         "is killed (SIGKILL)")
    probes = [Probe(probe_program, member, f"demo{member.number}", 50)
              for member in cluster.members]
    children += [probe.process for probe in probes]
    runs = [benchmark(member.port, "-t", "set", "-n", "100000000", "-r", "10000", "-c", "10")
            for member in survivors]
    children += runs
    table.show_for(BEFORE_S)
    leader.kill()
    if not TERMINAL:
        print(f"  member {leader.number} is killed", flush=True)
    table.show_for(AFTER_S)
    new_leader = cluster.wait_for_leader(survivors)
    for run in runs:
        run.terminate()
        run.communicate(timeout=10)
    results = [probe.end() for probe in probes]
    wait_until(lambda: all(member.info().get("unordered_bytes") == "0" for member in survivors),
               "the last writes are ordered")
    cluster.wait_for_same_digest(survivors)
    table.finish()
    print(f"  Member {new_leader.number} leads now.")
    return list(zip(probes, results)), survivors


def check_member(member, measured):
    """Compares what a member holds with what clients were told. The number of lies."""
    acknowledged = sum(result["acknowledged"] for _, result in measured)
    checks = [check_probe(member, probe.name, result) for probe, result in measured]
    missing = sum(check[0] for check in checks)
    doubled = sum(check[1] for check in checks)
    print(f"  member {member.number} holds of {acknowledged:,} acknowledged writes: "
          f"{missing} not, {doubled} twice")
    return missing + doubled


def report_failure(measured, survivors):
    """What the clients saw, and whether what they were told holds. The number of lies."""
    step("What clients saw")
    wrong = 0
    for probe, result in measured:
        where = "killed" if result["lost"] else "surviving"
        text = f"  at {where} member {probe.member.number}: {result['acknowledged']:,} writes"
        if not result["lost"]:
            text += f", longest wait {bold('%.0f ms' % (result['longest_us'] / 1000))}"
        print(text)
        wrong += result["doubled"]
    stalls = [result["longest_us"] for _, result in measured if not result["lost"]]
    if len(stalls) != len(survivors):
        print(paint("  A client of a survivor lost its connection.", "31"))
        wrong += 1
    wrong += sum(check_member(member, measured) for member in survivors)
    if stalls:
        print(f"  The stall: {bold('%.0f ms' % (max(stalls) / 1000))}; the election timeout is "
              f"{ELECTION_TIMEOUT_MS} ms.")
    return wrong


def lose_power(cluster, table, measured):
    """Kills all that are up and starts all again, the one that was killed before too. The number
    of lies among what clients had been told."""
    step("All are killed at once, as when the power fails, and started again")
    cluster.kill()
    table.finish()
    begin = time.monotonic()
    cluster.start()
    ready = time.monotonic() - begin
    cluster.wait_for_same_digest()
    table.finish()
    print(f"  All three take writes {bold('%.0f ms' % (ready * 1000))} after their start.")
    return sum(check_member(member, measured) for member in cluster.members)


def members_known(member):
    return [known["id"] for known in member.members()]


def join(cluster, table):
    """A fourth member comes in under load; returns it."""
    step("A fourth member joins under load: it gets a snapshot, and what was written meanwhile")
    joiner = cluster.add()
    joiner.start()
    took = table.show_until(lambda: joiner.state() == "ONLINE", "the fourth member is ONLINE")
    table.show_for(1)
    table.finish()
    facts = joiner.info()
    print(f"  Member {joiner.number} is ONLINE {bold('%.0f ms' % (took * 1000))} after its start, "
          f"with {joiner.call('DBSIZE'):,} keys, {int(facts['recovery_snapshot_bytes']):,} bytes "
          "of them in a snapshot.")
    return joiner


def leave(member, stays, table):
    step(f"Member {member.number} leaves (GR LEAVE) and takes no more writes")
    number = member.info()["member_id"]
    member.call("GR", "LEAVE")
    took = table.show_until(lambda: number not in members_known(stays), "the others know")
    table.show_until(lambda: member.state() == "OFFLINE", "it knows")
    try:
        member.call("SET", "a", "1")
        raise Failed("a member that has left takes a write")
    except ServerError as error:
        print(f"  The others know after {took * 1000:.0f} ms. It answers: {error}")
    table.finish()


def cut_off(member, stays, table):
    step(f"Member {member.number} stands still (SIGSTOP) for longer than the others wait")
    number = member.info()["member_id"]
    member.signal(signal.SIGSTOP)
    took = table.show_until(lambda: number not in members_known(stays), "it is removed")
    table.finish()
    print(f"  It is removed after {took:.1f} s. Now it goes on (SIGCONT).")
    member.signal(signal.SIGCONT)
    took = table.show_until(lambda: member.info().get("member_id") != number and
                            member.state() == "ONLINE", "it comes back")
    table.finish()
    print(f"  It has learned that, and has come back by itself, {bold('%.1f s' % took)} later, "
          f"as member {member.info()['member_id']} of the group.")


def change_members(cluster, table, probe_program, children):
    """Members come, go, and come back while clients write. The number of lies."""
    leader = cluster.wait_for_leader()
    leaver, stopped = [member for member in cluster.members if member is not leader]
    run = benchmark(leader.port, "-t", "set", "-n", "100000000", "-r", "10000", "-c", "10")
    probes = [Probe(probe_program, leader, "members", 50)]
    children += [run, probes[0].process]
    joiner = join(cluster, table)
    probes.append(Probe(probe_program, joiner, "joiner", 50))
    children.append(probes[1].process)
    leave(leaver, leader, table)
    cut_off(stopped, leader, table)
    run.terminate()
    run.communicate(timeout=10)
    measured = [(probe, probe.end()) for probe in probes]
    remaining = [leader, stopped, joiner]
    cluster.wait_for_same_digest(remaining)
    step("What clients saw meanwhile")
    wrong = 0
    for probe, result in measured:
        print(f"  at member {probe.member.number}: {result['acknowledged']:,} writes, longest wait "
              f"{bold('%.0f ms' % (result['longest_us'] / 1000))}")
        wrong += result["doubled"] + result["lost"]
    return wrong + sum(check_member(member, measured) for member in remaining), remaining


def demonstrate(program, probe_program, folder, children):
    begin = time.monotonic()
    step("Three members of one group, on loopback, each with a log on disk")
    options = ["--election-timeout-ms", str(ELECTION_TIMEOUT_MS),
               "--suspect-ceiling-ms", str(SUSPECT_MS), "--expel-timeout-ms", str(EXPEL_MS)]
    with Cluster(program, folder, options=options, data_root=folder) as cluster:
        table = Table(cluster)
        table.finish()
        load(cluster, table, children)
        measured, survivors = kill_leader(cluster, table, probe_program, children)
        wrong = report_failure(measured, survivors)
        wrong += lose_power(cluster, table, measured)
        lies, remaining = change_members(cluster, table, probe_program, children)
        wrong += lies
        digests = {member.call("DIGEST") for member in remaining}
        same = len(digests) == 1
        print(f"  The state at all of them is {'the same' if same else 'NOT the same'}: "
              f"{b', '.join(digests).decode()}")
    held = wrong == 0 and same
    verdict = paint("Everything held.", "1;32") if held else paint("NOT everything held.", "1;31")
    print(f"\n{verdict} {time.monotonic() - begin:.0f} s", flush=True)
    return 0 if held else 1


def main():
    if len(sys.argv) != 3:
        print(f"usage: {sys.argv[0]} GR_KV KV_PROBE", file=sys.stderr)
        return 2
    children = []
    # Ends as on an interrupt, so that no process stays behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="gr-kv-demo-") as folder:
            return demonstrate(sys.argv[1], sys.argv[2], folder, children)
    except (Failed, OSError) as error:
        print(f"tools/demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ntools/demo: interrupted", file=sys.stderr)
        return 130
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
                child.wait()


if __name__ == "__main__":
    sys.exit(main())
