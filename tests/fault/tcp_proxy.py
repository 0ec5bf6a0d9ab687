"""A TCP proxy on loopback that breaks what passes through it."""

import random
import socket
import struct
import threading
import time


class TcpProxy:
    """Passes connections on to `target` ("host:port") until it is told to be another network."""

    def __init__(self, target, seed):
        self.target = (target.rsplit(":", 1)[0], int(target.rsplit(":", 1)[1]))
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.pairs = []
        self.seconds = 0.0  # that each piece waits
        self.refusing = False
        self.closed = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """Every connection ends with a reset, and so do new ones until restore()."""
        with self.lock:
            self.refusing = True
            for pair in self.pairs:
                for side in pair.sides:
                    _reset(side)
            self.pairs = []

    def half_close(self):
        """One direction of every connection ends, the other stays open."""
        with self.lock:
            for pair in self.pairs:
                try:
                    self.random.choice(pair.sides).shutdown(socket.SHUT_WR)
                except OSError:
                    pass  # it has ended by itself

    def delay(self, seconds):
        self.seconds = seconds

    def black_hole(self):
        """What is sent on the present connections arrives nowhere, and nobody is told."""
        with self.lock:
            for pair in self.pairs:
                pair.swallows = True

    def restore(self):
        """New connections pass; delays end."""
        with self.lock:
            self.refusing = False
        self.seconds = 0.0

    def close(self):
        self.closed = True
        self.listener.close()
        self.cut()

    def _accept(self):
        while not self.closed:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                if self.refusing:
                    raise ConnectionResetError
                server = socket.create_connection(self.target, timeout=5)
                server.settimeout(None)
            except OSError:
                _reset(client)
                continue
            pair = _Pair(client, server)
            with self.lock:
                self.pairs.append(pair)
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(pair, source, sink), daemon=True).start()

    def _pass(self, pair, source, sink):
        try:
            while piece := source.recv(65536):
                if self.seconds:
                    time.sleep(self.random.uniform(0, self.seconds))
                if not pair.swallows:
                    sink.sendall(piece)
            if not pair.swallows:
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            if not pair.swallows:
                for side in pair.sides:
                    _reset(side)


class _Pair:
    def __init__(self, client, server):
        self.sides = (client, server)
        self.swallows = False


def _reset(side):
    """Closes with RST; a thread that reads from it wakes up."""
    try:
        side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        side.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it is closed already
    side.close()
