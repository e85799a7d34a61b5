#!/usr/bin/env python3
"""A bad network: an HTTP proxy that loses, cuts short, delays and refuses some of what goes through it.

    proxy.py --to http://127.0.0.1:8250 [--rate 0.1] [--seed 1] [--stall 3] [--faults KIND,...]

prints its own URL, and what it did when it is ended.  Which requests meet which fault follows from the seed
and the order in which they come.  The header Host stays as it is, since it is signed.
"""

import argparse
import collections
import http.client
import http.server
import random
import signal
import socket
import struct
import sys
import threading
import time
import urllib.parse

# What may befall a request.  Those that are "late" are done, but whoever asked does not get to know.
FAULTS = {
    "lost": "the connection is closed before anything was passed on",
    "lost late": "the answer is lost",
    "reset": "the connection is reset in the middle of the question",
    "cut": "only a part of the question is passed on",
    "cut late": "only a part of the answer is passed on",
    "slow": "question and answer take their time",
    "stalled": "there is no answer for a long time, and nothing was passed on",
    "stalled late": "the answer comes too late",
    "throttled": "too many requests, says the service",
    "error": "the service fails (500)",
    "error late": "the service fails after it was done (500)",
    "unavailable": "a machine before the service fails (503, and not in the service's words)",
}
THROTTLED = {True: (400, "ThrottlingException"), False: (503, "RequestLimitExceeded")}
BROKEN = {True: (500, "InternalServerException"), False: (500, "InternalError")}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream = None

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, *_):
        pass

    def handle_expect_100(self):
        return True

    # --- one request

    def serve(self):
        proxy = self.server.proxy
        path = self.path
        fault, dice = proxy.fault()
        try:
            self.meet(fault, dice, path)
        except (OSError, http.client.HTTPException):
            self.close_connection = True  # either end has gone

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = serve

    def meet(self, fault, dice, path):
        proxy = self.server.proxy
        if fault == "reset":
            self.reset()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if fault == "lost":
            self.close_connection = True
        elif fault == "cut":
            self.pass_on_part(body, dice)
        elif fault == "stalled":
            self.wait(proxy.stall)
            self.close_connection = True
        elif fault == "throttled":
            self.refuse(*THROTTLED[path.startswith("/snapshots")])
        elif fault == "error":
            self.refuse(*BROKEN[path.startswith("/snapshots")])
        elif fault == "unavailable":
            self.answer(503, {"Content-Type": "text/html"}, b"<html><h1>503 Service Unavailable</h1></html>")
        else:
            self.pass_on(fault, dice, path, body)

    def pass_on(self, fault, dice, path, body):
        proxy = self.server.proxy
        if fault == "slow":
            self.wait(dice.random() * proxy.stall / 3)
        status, headers, answer = self.ask(body)
        proxy.done(self.command, path, status)
        if fault == "slow":
            self.wait(dice.random() * proxy.stall / 3)
        if fault == "lost late":
            self.close_connection = True
        elif fault == "stalled late":
            self.wait(proxy.stall)
            self.close_connection = True
        elif fault == "error late":
            self.refuse(*BROKEN[path.startswith("/snapshots")])
        elif fault == "cut late":
            self.answer(status, headers, answer, cut=dice)
        else:
            self.answer(status, headers, answer)
            proxy.told(self.command, path, status)

    # --- both ends

    def ask(self, body):
        """What the service says: status, headers, body.  Its connection is kept, and made anew once."""
        for again in (True, False):
            kept = self.upstream is not None
            if not kept:
                self.upstream = self.server.proxy.connect()
            try:
                self.upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() not in ("connection", "expect"):
                        self.upstream.putheader(name, value)
                self.upstream.endheaders(body or None)
                answer = self.upstream.getresponse()
                return answer.status, dict(answer.getheaders()), answer.read()
            except (OSError, http.client.HTTPException):
                self.upstream.close()
                self.upstream = None
                if not (kept and again):
                    raise
        raise AssertionError

    def answer(self, status, headers, body, cut=None):
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        if cut is None:
            self.end_headers()
            self.wfile.write(body)
            return
        self.close_connection = True
        whole = b"".join(self._headers_buffer) + b"\r\n" + body
        self._headers_buffer = []
        self.wfile.write(whole[: cut.randrange(1, len(whole))])

    def refuse(self, status, code):
        """In the words of EC2, or of EBS."""
        if self.path.startswith("/snapshots"):
            self.answer(status, {"x-amzn-ErrorType": code}, b'{"Message": "a fault"}')
            return
        text = f"<Response><Errors><Error><Code>{code}</Code><Message>a fault</Message></Error></Errors></Response>"
        self.answer(status, {"Content-Type": "text/xml"}, text.encode())

    def pass_on_part(self, body, dice):
        """Of headers and body together some bytes are passed on, and then nothing."""
        self.close_connection = True
        head = f"{self.command} {self.path} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in self.headers.items())
        whole = head.encode("latin-1") + b"\r\n" + body
        with socket.create_connection(self.server.proxy.address, timeout=30) as to:
            to.sendall(whole[: dice.randrange(1, len(whole))])

    def reset(self):
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.rfile = self.wfile = open("/dev/null", "rb+", buffering=0)  # what closes them later

    def wait(self, seconds):
        self.server.proxy.ended.wait(seconds)


class Proxy(http.server.ThreadingHTTPServer):
    """Serves from its own threads until close()."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, to, rate=0.1, seed=1, stall=3.0, faults=None):
        super().__init__(("127.0.0.1", 0), Handler)
        parts = urllib.parse.urlsplit(to)
        self.proxy = self
        self.address = (parts.hostname, parts.port)
        self.rate, self.stall = rate, stall
        self.kinds = list(faults or FAULTS)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.counts = collections.Counter()
        self.seen = []  # (method, path, status) of what the service did, in its order
        self.heard = []  # of that, what whoever asked got to know
        self.ended = threading.Event()
        self.calls = {}  # number of a request: what to call when it comes
        self.dice = random.Random(seed)
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def connect(self):
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def at(self, number, call):
        """call() when the request of that number (1, 2 ..) has come in, and before anything else is done with it."""
        self.calls[number] = call

    def fault(self):
        """What befalls the next request, and the dice for it."""
        with self.lock:
            self.counts["requests"] += 1
            call = self.calls.get(self.counts["requests"])
            dice = random.Random(self.dice.getrandbits(64))
            kind = dice.choice(self.kinds) if dice.random() < self.rate else None
            if kind:
                self.counts[kind] += 1
        if call:
            call()
        return kind, dice

    def done(self, method, path, status):
        with self.lock:
            self.seen.append((method, path, status))

    def told(self, method, path, status):
        with self.lock:
            self.heard.append((method, path, status))

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        if not isinstance(error, (OSError, ValueError)):
            super().handle_error(request, client_address)

    def close(self):
        self.ended.set()
        self.shutdown()
        self.server_close()


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    options.add_argument("--to", required=True, metavar="URL")
    options.add_argument("--rate", type=float, default=0.1, help="of requests that meet a fault (0.1)")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--stall", type=float, default=3.0, help="seconds (3)")
    options.add_argument("--faults", help="of: " + ", ".join(FAULTS))
    asked = options.parse_args()
    faults = asked.faults.split(",") if asked.faults else None
    if set(faults or ()) - set(FAULTS):
        options.error("there are no such faults: " + ", ".join(set(faults) - set(FAULTS)))
    proxy = Proxy(asked.to, asked.rate, asked.seed, asked.stall, faults)
    print(proxy.url, flush=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: proxy.ended.set())
    while not proxy.ended.is_set():
        time.sleep(0.1)
    proxy.close()
    print(", ".join(f"{n} {what}" for what, n in proxy.counts.items()), file=sys.stderr)


if __name__ == "__main__":
    main()
