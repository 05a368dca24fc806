"""kazoo's side of mixed fleets: takes kazoo's own locks, says what happens, and goes on when told.

    python kazoo-locks.py HOSTS

Reads one command a line: `acquire KIND PATH`, `try KIND PATH`, `release`, `contenders PATH`, `lead PATH`.
Answers one line each. Not copied from anywhere, and needs kazoo alone.
"""
import sys
import threading

from kazoo.client import KazooClient


def make(client, kind, path):
    if kind == "lock":
        return client.Lock(path, "kazoo")
    if kind == "read":
        return client.ReadLock(path, "kazoo")
    if kind == "write":
        return client.WriteLock(path, "kazoo")
    return client.Semaphore(path, "kazoo", max_leases=2)


def main():
    client = KazooClient(hosts=sys.argv[1])
    client.start()
    held = []
    leading = threading.Event()
    stop = threading.Event()

    def lead():
        leading.set()
        stop.wait()

    for line in sys.stdin:
        words = line.split()
        if words[0] == "acquire":
            lock = make(client, words[1], words[2])
            lock.acquire(timeout=20)
            held.append(lock)
            print("acquired", flush=True)
        elif words[0] == "try":
            lock = make(client, words[1], words[2])
            got = lock.acquire(blocking=False)
            if got:
                held.append(lock)
            print("acquired" if got else "refused", flush=True)
        elif words[0] == "release":
            held.pop().release()
            print("released", flush=True)
        elif words[0] == "contenders":
            print(",".join(client.Lock(words[1]).contenders()), flush=True)
        elif words[0] == "lead":
            threading.Thread(target=lambda: client.Election(words[1], "kazoo").run(lead), daemon=True).start()
            leading.wait()
            print("leads", flush=True)
    stop.set()
    client.stop()


main()
