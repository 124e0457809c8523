# SPDX-License-Identifier: MIT
"""Groups of real gr-kv processes on loopback, and a small client to look at them.

Used by the end-to-end tests and by tools/demo. Nothing here waits a fixed time for something
to happen: wait_until() polls a condition up to a deadline and says what did not come true.
"""
import os
import pathlib
import random
import signal
import socket
import subprocess
import time
import uuid

DEADLINE_S = 20


class Failed(Exception):
    """A condition that did not come true, or a program that did not do what it must."""


def wait_until(condition, what, seconds=DEADLINE_S):
    """Polls until the condition gives something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise Failed(f"not within {seconds} s: {what}")
        time.sleep(0.01)


def free_ports(count):
    """Ports that nobody has, below those that the system gives to outgoing connections."""
    ports = set()
    while len(ports) < count:
        port = random.randrange(15000, 30000)
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.add(port)
    return list(ports)


class ServerError(Exception):
    """An error reply."""


def is_refusal(error):
    """True if a member says that it did not take the command, and may do so later."""
    return str(error).startswith(("LOADING ", "NOTONLINE ", "NOQUORUM "))


class Client:
    """A connection that speaks RESP2. Errors in replies are returned, not raised, within
    arrays; a reply that is an error is raised."""

    def __init__(self, port, timeout=10, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stream.close()
        self.socket.close()

    def send(self, *words):
        self.socket.sendall(encode(*words))

    def send_raw(self, data):
        self.socket.sendall(data)

    def receive(self):
        reply = self._reply()
        if isinstance(reply, ServerError):
            raise reply
        return reply

    def call(self, *words):
        self.send(*words)
        return self.receive()

    def is_closed(self):
        """True if the server has closed it, and has sent nothing more."""
        return self.stream.read(1) == b""

    def _reply(self):
        line = self.stream.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError(f"the connection ended within a reply: {line!r}")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return ServerError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._bulk(int(rest))
        if kind == b"*":
            return [self._reply() for _ in range(int(rest))]
        raise Failed(f"no RESP2: {line!r}")

    def _bulk(self, size):
        data = self.stream.read(size + 2)
        if len(data) != size + 2 or not data.endswith(b"\r\n"):
            raise ConnectionError("the connection ended within a bulk string")
        return data[:-2]


def encode(*words):
    """A command on the wire."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


class Member:
    """One gr-kv process: a founder, or, with a `group_port`, one that joins. Its number is what
    the tests call it; the group may know it by another one."""

    def __init__(self, cluster, number, port, group_port=None):
        self.cluster = cluster
        self.number = number
        self.host = "127.0.0.1"
        self.port = port
        self.group_port = group_port
        self.uuid = str(uuid.uuid4())
        self.process = None
        self.log_path = cluster.folder / f"member{number}.log"
        self.error_path = cluster.folder / f"member{number}.err"
        self.data_path = cluster.data_root / f"data{number}" if cluster.data_root else None

    def connect(self, timeout=10):
        return Client(self.port, timeout, self.host)

    def command(self, *more):
        words = [str(self.cluster.program), "--port", str(self.port)]
        words += ["--group", self.cluster.group]
        if self.group_port:
            words += ["--join", self.cluster.seeds(), "--uuid", self.uuid]
        else:
            words += ["--id", str(self.number), *self.cluster.addresses()]
        words += self.listen_words()
        if self.data_path:
            words += ["--data", str(self.data_path)]
        return [*words, "--log", str(self.log_path), *self.cluster.options, *more]

    def listen_words(self):
        """Where the others reach it, if it is no founder with an address of its own."""
        return ["--listen", f"{self.host}:{self.group_port}"] if self.group_port else []

    def start(self, *more):
        with open(self.error_path, "ab") as errors:
            self.process = subprocess.Popen(self.command(*more), stderr=errors)

    def log(self):
        return self.log_path.read_text() if self.log_path.exists() else ""

    def is_up(self):
        return self.process is not None and self.process.poll() is None

    def info(self, timeout=10):
        """INFO as a dictionary; empty while the member does not answer."""
        try:
            with self.connect(timeout) as client:
                text = client.call("INFO").decode()
        except (OSError, ConnectionError):
            return {}
        lines = [line for line in text.split("\r\n") if ":" in line]
        return dict(line.split(":", 1) for line in lines)

    def call(self, *words):
        with self.connect() as client:
            return client.call(*words)

    def state(self):
        """Its own state, and a word on why: "ONLINE", "ERROR GR_ERR_NO_QUORUM"."""
        facts = self.info()
        return f"{facts.get('state', '')} {facts.get('state_error', '')}".strip()

    def wait_until_online(self, seconds=DEADLINE_S):
        def online():
            if not self.is_up():
                raise Failed(f"member {self.number} has ended: {self.error_path.read_text()}")
            return self.state() == "ONLINE"

        wait_until(online, f"member {self.number} is ONLINE", seconds)

    def members(self):
        """What it knows of the members: GR MEMBERS as a list of dictionaries."""
        lines = [line.decode() for line in self.call("GR", "MEMBERS")]
        return [dict(field.split("=", 1) for field in line.split()) for line in lines]

    def signal(self, number):
        os.kill(self.process.pid, number)
        if number == signal.SIGSTOP:  # its threads run on until the first has taken notice
            os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def wait_for_end(self):
        """Its exit status, once it has ended by itself."""
        return self.process.wait(timeout=DEADLINE_S)

    def wait_until_it_answers(self):
        """Waits until it takes a write: it has delivered all that its log held, and the group
        has decided what became of the writes of its former process."""
        def answers():
            if not self.is_up():
                raise Failed(f"member {self.number} has ended: {self.error_path.read_text()}")
            try:
                return self.call("SET", f"answers:{self.number}", "yes") == "OK"
            except ServerError as error:
                if not is_refusal(error):
                    raise
            except (OSError, ConnectionError):
                pass
            return False

        wait_until(answers, f"member {self.number} answers")

    def stop(self):
        """Asks it to end; returns its exit status."""
        self.signal(signal.SIGTERM)
        return self.process.wait(timeout=DEADLINE_S)


class Cluster:
    """A group of members, in a folder of its own. As a context manager it ends them all, and
    shows their logs if the body failed. With `data_root`, a folder, its members are durable."""

    def __init__(self, program, folder, size=3, options=(), data_root=None):
        self.program = pathlib.Path(program)
        self.folder = pathlib.Path(folder)
        self.group = str(uuid.uuid4())
        self.options = list(options)
        self.data_root = pathlib.Path(data_root) if data_root else None
        ports = free_ports(2 * size)
        self.group_ports = ports[size:]
        self.members = [Member(self, i + 1, ports[i]) for i in range(size)]

    def add(self):
        """One more member, which joins once it is started."""
        port, group_port = free_ports(2)
        member = Member(self, len(self.members) + 1, port, group_port)
        self.members.append(member)
        return member

    def seeds(self):
        """Whom a joiner asks: the founders, wherever they are by now."""
        return ",".join(self.founder_addresses())

    def founder_addresses(self):
        """Where the founders listen for each other."""
        return [f"{member.host}:{port}" for member, port in zip(self.members, self.group_ports)]

    def addresses(self):
        words = []
        for i, address in enumerate(self.founder_addresses()):
            words += ["--member", f"{i + 1}={address}"]
        return words

    def __enter__(self):
        try:
            for member in self.members:
                member.start()
            for member in self.members:
                member.wait_until_online()
            self.wait_for_leader()
        except BaseException:
            self.end(show_logs=True)
            raise
        return self

    def __exit__(self, kind, *_):
        self.end(show_logs=kind is not None)

    def end(self, show_logs):
        for member in self.members:
            if member.is_up():
                os.kill(member.process.pid, signal.SIGCONT)
                member.kill()
            if show_logs:
                errors = member.error_path
                print(f"--- log of member {member.number}\n{member.log()}")
                print(errors.read_text() if errors.exists() else "")

    def kill(self):
        """All at once, as when the power fails."""
        for member in self.up():
            member.signal(signal.SIGKILL)
        for member in self.members:
            member.process.wait()

    def start(self):
        """Starts those that are not up, and waits until all answer."""
        for member in self.members:
            if not member.is_up():
                member.start()
        for member in self.members:
            member.wait_until_it_answers()

    def up(self):
        return [member for member in self.members if member.is_up()]

    def wait_for_leader(self, members=None):
        """Waits until the members agree on a leader among them; returns it."""
        members = members or self.up()

        def agreed():
            for member in members:
                if not member.is_up():
                    raise Failed(f"member {member.number} has ended: {member.error_path.read_text()}")
            facts = [member.info() for member in members]
            leaders = {fact.get("leader", "0") for fact in facts}
            found = [member for member, fact in zip(members, facts)
                     if leaders == {fact.get("member_id", "?")} - {"0"}]
            return found[0] if found else None

        return wait_until(agreed, "all members know the same leader")

    def wait_for_same_digest(self, members=None):
        """Waits until all have applied the same messages; returns (seqno, digest). Fails at
        once if two have different states at one seqno."""
        members = members or self.up()

        def same():
            facts = [member.info() for member in members]
            states = {(fact.get("seqno"), fact.get("digest")) for fact in facts}
            numbers = {fact.get("seqno") for fact in facts}
            if None not in numbers and len(numbers) == 1 and len(states) > 1:
                raise Failed(f"different states at seqno {numbers}: {states}")
            return states.pop() if len(states) == 1 and None not in numbers else None

        return wait_until(same, "all members have applied the same messages")


class Probe:
    """A kv-probe at one member."""

    def __init__(self, program, member, name, seconds):
        self.name = name
        self.member = member
        words = [str(program), "--host", member.host, "--port", str(member.port), "--name", name]
        self.process = subprocess.Popen([*words, "--seconds", str(seconds)],
                                        stdout=subprocess.PIPE, text=True)

    def result(self):
        """Waits for its end; what it found, by name."""
        output, _ = self.process.communicate(timeout=60)
        if self.process.returncode != 0:
            raise Failed(f"the probe at member {self.member.number} failed: {output}")
        return {key: int(value) for key, value in
                (field.split("=") for field in output.split())}

    def end(self):
        """Ends it early; what it found."""
        self.process.terminate()
        return self.result()


def check_probe(member, name, result):
    """Compares what a probe was told with what a member holds. Returns two counts of its
    acknowledged writes, those that are missing and those that took effect twice. A write
    without an answer may be there or not."""
    missing = doubled = 0
    total = result["acknowledged"] + result["unknown"]
    with member.connect() as client:
        for first in range(1, total + 1, 1000):
            numbers = range(first, min(first + 1000, total + 1))
            values = client.call("MGET", *[f"probe:{name}:{i}" for i in numbers])
            for number, value in zip(numbers, values):
                missing += value is None and number <= result["acknowledged"]
                doubled += value is not None and value != b"x"
        if client.call("EXISTS", f"probe:{name}:{total + 1}") != 0:
            raise Failed(f"probe {name}: a write is there that was never sent")
    return missing, doubled


def benchmark(port, *options):
    """Starts redis-benchmark."""
    return subprocess.Popen(["redis-benchmark", "-q", "-p", str(port), *options],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
