# SPDX-License-Identifier: MIT
"""Connections that are slow on any kernel: each member is reached by way of a relay, which hands on
what it gets a while later. It needs no rights, and knows nothing of packets: tc's netem, where there
is one, does more (see network.py)."""
import asyncio
import threading

from cluster import Cluster, Member, free_ports

PIECE = 64 * 1024


class Relays:
    """Runs in a thread of its own. `seconds` may change at any time."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.servers = []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def _end(self):
        for server in self.servers:
            server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def add(self, port, target):
        """From now on connections to `port` come, late, to `target`."""
        async def accept(reader, writer):
            try:
                there_reader, there_writer = await asyncio.open_connection("127.0.0.1", target)
                await asyncio.gather(self._relay(reader, there_writer),
                                     self._relay(there_reader, writer))
            except (OSError, asyncio.CancelledError):
                writer.close()

        opening = asyncio.start_server(accept, "127.0.0.1", port, limit=PIECE)
        self.servers.append(asyncio.run_coroutine_threadsafe(opening, self.loop).result())

    async def _relay(self, reader, writer):
        """Each piece waits for itself: the connection is late, not narrow."""
        pieces = asyncio.Queue()
        writing = asyncio.create_task(self._write(pieces, writer))
        try:
            while piece := await reader.read(PIECE):
                pieces.put_nowait((self.loop.time() + self.seconds, piece))
        except OSError:
            pass
        pieces.put_nowait((self.loop.time() + self.seconds, b""))
        await writing

    async def _write(self, pieces, writer):
        try:
            while True:
                due, piece = await pieces.get()
                await asyncio.sleep(due - self.loop.time())
                if not piece:
                    break
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        writer.close()


class DelayedMember(Member):
    """Listens at one port, and is known by its relay's."""

    def __init__(self, cluster, number, port, relayed_port, group_port=None):
        super().__init__(cluster, number, port, group_port)
        self.relayed_port = relayed_port

    def listen_words(self):
        return ["--listen", f"127.0.0.1:{self.relayed_port}",
                "--advertise", f"127.0.0.1:{self.group_port or self.founder_port()}"]

    def founder_port(self):
        return self.cluster.group_ports[self.number - 1]


class DelayedCluster(Cluster):
    def __init__(self, program, folder, relays, options=()):
        super().__init__(program, folder, options=options)
        self.relays = relays
        for i, member in enumerate(self.members):
            relayed = free_ports(1)[0]
            relays.add(self.group_ports[i], relayed)
            self.members[i] = DelayedMember(self, i + 1, member.port, relayed)

    def add(self):
        port, relayed, group_port = free_ports(3)
        self.relays.add(group_port, relayed)
        member = DelayedMember(self, len(self.members) + 1, port, relayed, group_port)
        self.members.append(member)
        return member
