# SPDX-License-Identifier: MIT
"""Clients that remember what they were told, and the comparison of that with what members hold.

A writer sends one write at a time and waits for the answer, so at most one is in doubt when a
member dies. What it did between two checks is a history: SETs of keys that nobody else has,
INCRs of one counter, APPENDs of tokens to one list. Histories are complete in themselves, so
that each is checked with a few reads.
"""
import threading
import time

from cluster import Failed, ServerError, is_refusal

# Longer than any outage that a test makes: a connection to a member that lives is not given up.
ANSWER_S = 60

KINDS = ("set", "incr", "append")


class History:
    """The writes of one writer, each with whether it was acknowledged, in the order in which
    they were sent. One that was not may have taken effect, or not."""

    def __init__(self, name):
        self.name = name
        self.writes = {kind: [] for kind in KINDS}
        self.wrong_replies = []

    def acknowledged(self):
        return sum(known for writes in self.writes.values() for _, known in writes)

    def words(self, kind, number):
        """The command of a write."""
        if kind == "set":
            return ("SET", f"set:{self.name}:{number}", f"{self.name}:{number}")
        if kind == "incr":
            return ("INCR", f"counter:{self.name}")
        return ("APPEND", f"list:{self.name}", f"{number},")

    def check_reply(self, kind, reply):
        """What the answer of an acknowledged write must be, as far as it is known."""
        known = sum(known for _, known in self.writes["incr"])
        sent = len(self.writes["incr"])
        if kind == "set" and reply != "OK":
            self.wrong_replies.append(f"{self.name}: SET answered {reply}")
        if kind == "incr" and not known < reply <= sent + 1:
            self.wrong_replies.append(f"{self.name}: INCR answered {reply}, {known} of {sent} "
                                      "before it were acknowledged")

    def keys(self):
        sets = [f"set:{self.name}:{number}" for number, _ in self.writes["set"]]
        return [*sets, f"counter:{self.name}", f"list:{self.name}"]

    def check(self, values):
        """Compares with the values of its keys. What is wrong: lost, doubled, and lines."""
        found = Findings()
        *sets, counter, tokens = values
        for (number, known), value in zip(self.writes["set"], sets):
            expected = f"{self.name}:{number}".encode()
            if value is None and known:
                found.lose(1, f"{self.name}: SET {number} was acknowledged and is not there")
            elif value not in (None, expected):
                found.lose(1, f"{self.name}: SET {number} holds {value}")
        self._check_counter(int(counter or 0), found)
        self._check_list((tokens or b"").decode(), found)
        for line in self.wrong_replies:
            found.double(1, line)
        return found

    def _check_counter(self, value, found):
        known = sum(known for _, known in self.writes["incr"])
        sent = len(self.writes["incr"])
        if value < known:
            found.lose(known - value, f"{self.name}: {known} INCR acknowledged, {value} there")
        if value > sent:
            found.double(value - sent, f"{self.name}: {sent} INCR sent, {value} there")

    def _check_list(self, text, found):
        """Acknowledged tokens are in the order in which they were sent. One in doubt may come
        after later ones: it was on its way when its member died."""
        there = [int(token) for token in text.split(",") if token]
        known = {number for number, known in self.writes["append"] if known}
        missing = known - set(there)
        if missing:
            found.lose(len(missing),
                       f"{self.name}: APPEND {sorted(missing)} acknowledged, not there")
        twice = len(there) - len(set(there))
        if twice:
            found.double(twice, f"{self.name}: tokens there twice: {brief(text)}")
        if not set(there) <= {number for number, _ in self.writes["append"]}:
            found.double(1, f"{self.name}: tokens there that were never sent: {brief(text)}")
        in_order = [number for number in there if number in known]
        if in_order != sorted(in_order):
            found.double(1, f"{self.name}: tokens out of order: {brief(text)}")


def brief(text):
    return text if len(text) <= 60 else f"{text[:30]} ... {text[-30:]}"


class Findings:
    """What checks have found wrong."""

    def __init__(self):
        self.lost = 0
        self.doubled = 0
        self.lines = []

    def lose(self, count, line):
        self.lost += count
        self.lines.append(line)

    def double(self, count, line):
        self.doubled += count
        self.lines.append(line)

    def add(self, other):
        self.lost += other.lost
        self.doubled += other.doubled
        self.lines += other.lines

    def is_clean(self):
        return not self.lines


def check_at(member, histories):
    """Compares histories with what a member holds."""
    found = Findings()
    with member.connect() as client:
        for history in histories:
            keys = history.keys()
            values = []
            for first in range(0, len(keys), 1000):
                values += client.call("MGET", *keys[first:first + 1000])
            found.add(history.check(values))
    for i, line in enumerate(found.lines):
        found.lines[i] = f"member {member.number}: {line}"
    return found


class Writer(threading.Thread):
    """Writes at one member after the other, a new one whenever the connection is lost."""

    def __init__(self, name, members, chance):
        super().__init__(daemon=True)
        self.history = History(name)
        self.members = members
        self.chance = chance
        self.stopping = threading.Event()
        self.failure = None

    def finish(self):
        """Ends it once its last write is answered or lost; its history."""
        self.stopping.set()
        self.join(ANSWER_S + 10)
        if self.is_alive():
            raise Failed(f"writer {self.history.name} has no answer within {ANSWER_S} s")
        if self.failure:
            raise self.failure
        return self.history

    def run(self):
        try:
            while not self.stopping.is_set():
                self._write_at(self.chance.choice(self.members))
        except Exception as failure:  # pylint: disable=broad-except
            self.failure = failure

    def _write_at(self, member):
        """Writes until the connection is lost."""
        try:
            client = member.connect(ANSWER_S)
        except OSError:
            time.sleep(0.005)  # nobody listens: do not spin
            return
        with client:
            while not self.stopping.is_set() and self._write(client):
                pass

    def _write(self, client):
        """One write. False: the connection is of no use any more."""
        kind = self.chance.choice(KINDS)
        writes = self.history.writes[kind]
        number = len(writes) + 1
        try:
            reply = client.call(*self.history.words(kind, number))
        except TimeoutError as error:
            raise Failed(f"no answer within {ANSWER_S} s") from error
        except ServerError as error:
            if is_refusal(error):
                return self._refused(writes, number, error)
            if not str(error).startswith("ERR halted: "):
                raise
            reply = None
        except (OSError, ConnectionError):
            reply = None
        if reply is not None:
            self.history.check_reply(kind, reply)
        writes.append((number, reply is not None))
        return reply is not None


    def _refused(self, writes, number, error):
        """Goes elsewhere, or, after a while, on here. What may take effect all the same is a
        write without an answer."""
        if "may" in str(error) and "take effect" in str(error).replace("taken", "take"):
            writes.append((number, False))
        time.sleep(0.005)
        return len(self.members) == 1


def start_writers(members, name, chance, each=2):
    """Starts some writers for each member; each begins with whichever it likes."""
    writers = [Writer(f"{name}.{i}", members, chance) for i in range(each * len(members))]
    for writer in writers:
        writer.start()
    return writers


def finish_writers(writers):
    """Ends them; their histories."""
    for writer in writers:
        writer.stopping.set()
    return [writer.finish() for writer in writers]


class Pulse(threading.Thread):
    """Writes at one member all the time; how long it had to wait at most."""

    def __init__(self, member):
        super().__init__(daemon=True)
        self.member = member
        self.stopping = threading.Event()
        self.longest = 0.0
        self.failure = None
        self.start()

    def run(self):
        try:
            with self.member.connect(ANSWER_S) as client:
                while not self.stopping.is_set():
                    begin = time.monotonic()
                    client.call("INCR", f"pulse:{self.member.number}")
                    self.longest = max(self.longest, time.monotonic() - begin)
        except (OSError, ServerError) as failure:
            self.failure = failure

    def end(self):
        """Ends it; the longest wait in seconds."""
        self.stopping.set()
        self.join(ANSWER_S)
        if self.failure:
            raise self.failure
        return self.longest
