"""A worker of shmark in Python: processes that count in a mapped file, under flock.

    bazel run -c opt //bench -- --worker='mine=python3 examples/worker.py' \
        --benchmark_filter=External

lib/crew/WORKER.md says what the lines mean.
"""

import fcntl
import json
import mmap
import signal
import struct
import sys
import time


def say(word, what):
    print(word, what if isinstance(what, str) else json.dumps(what), flush=True)


class Counter:
    """8 bytes that all workers map. What begins with the prefix goes with the run."""

    def __init__(self, prefix):
        self.file = open(f"/dev/shm/{prefix}.counter", "a+b")
        self.file.truncate(8)
        self.bytes = mmap.mmap(self.file.fileno(), 8)

    def count(self):
        fcntl.flock(self.file, fcntl.LOCK_EX)
        (number,) = struct.unpack("Q", self.bytes)
        self.bytes[:] = struct.pack("Q", number + 1)
        fcntl.flock(self.file, fcntl.LOCK_UN)


def measure(operation, time_every, length_ns):
    operations = 0
    durations_ns = []
    cpu_ns = time.process_time_ns()
    begin_ns = now_ns = time.monotonic_ns()
    while operations == 0 or now_ns < begin_ns + length_ns:  # at least once
        from_ns = time.monotonic_ns()
        operation()
        now_ns = time.monotonic_ns()
        if time_every and operations % time_every == 0:
            durations_ns.append(now_ns - from_ns)
        operations += 1
    return {
        "operations": operations,
        "elapsed_ns": now_ns - begin_ns,
        "cpu_ns": time.process_time_ns() - cpu_ns,
        "durations_ns": durations_ns,
        "counters": {"counted": operations},
    }


signal.signal(signal.SIGTERM, lambda *_: sys.exit())
say("hello", "shmark-worker 1 count")
counter = None
for line in sys.stdin:
    word, _, rest = line.partition(" ")
    if word == "prepare":
        asked = json.loads(rest)
        counter = counter or Counter(asked["prefix"])
        say("ready", {"bytes": 8})
    elif word == "go":
        say("done", measure(counter.count, asked["time_every"], int(rest)))
    else:
        say("failed", f"there is no such line: {word}")
