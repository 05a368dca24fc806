"""What an unmodified kazoo (the Python client of ZooKeeper) must see at our ZooKeeper ports.

Run by kazoo.foreign.ts with the ensemble's HOST:PORT,... as its only argument. Every check prints one
JSON line {"name", "error"}; a line {"kill": "HOST:PORT"} asks the test to kill that server, and a line on
standard input says that it is dead. A check that fails does not keep the later ones from running.
"""

import json
import sys
import threading
import time
import traceback
from contextlib import contextmanager

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import (
    AuthFailedError,
    BadVersionError,
    NoAuthError,
    NoChildrenForEphemeralsError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    RolledBackError,
    RuntimeInconsistency,
)
from kazoo.protocol.states import EventType
from kazoo.retry import KazooRetry
from kazoo.security import CREATOR_ALL_ACL, make_digest_acl

HOSTS = sys.argv[1]
WAIT = 15.0
checks = []


def check(function):
    checks.append(function)
    return function


def say(message):
    print(json.dumps(message), flush=True)


@contextmanager
def client(**options):
    zk = KazooClient(hosts=HOSTS, timeout=options.pop("timeout", 10.0), **options)
    zk.start(timeout=WAIT)
    try:
        yield zk
    finally:
        zk.stop()
        zk.close()


def raises(kind, function, *args, **kwargs):
    try:
        result = function(*args, **kwargs)
    except kind as error:
        return error
    raise AssertionError("%s was expected, got %r" % (kind.__name__, result))


def equal(actual, expected, what=""):
    assert actual == expected, "%s: %r instead of %r" % (what, actual, expected)


def wait_for(condition, what):
    """For what no event tells; asserts that it comes true."""
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "waited in vain for " + what
        time.sleep(0.01)


class OneShot:
    """A watch function that keeps its events."""

    def __init__(self):
        self.events = []
        self.fired = threading.Event()

    def __call__(self, event):
        self.events.append(event)
        self.fired.set()

    def expect(self, kind, path):
        assert self.fired.wait(WAIT), "the watch of %s did not fire" % path
        equal([(e.type, e.path) for e in self.events], [(kind, path)], "events")


# ---- data


@check
def create_get_set_and_versions():
    with client() as zk:
        equal(zk.create("/data", b"one"), "/data")
        data, stat = zk.get("/data")
        equal(data, b"one")
        equal((stat.version, stat.cversion, stat.aversion, stat.dataLength, stat.numChildren, stat.ephemeralOwner), (0, 0, 0, 3, 0, 0))
        equal(stat.czxid, stat.mzxid)
        assert abs(stat.ctime / 1000 - time.time()) < 60, "ctime is %r" % stat.ctime
        changed = zk.set("/data", b"two!")
        equal((changed.version, changed.dataLength, changed.czxid), (1, 4, stat.czxid))
        assert changed.mzxid > stat.mzxid
        equal(zk.get("/data")[0], b"two!")
        equal(zk.set("/data", b"three", version=1).version, 2)
        raises(BadVersionError, zk.set, "/data", b"four", version=1)
        equal(zk.get("/data")[0], b"three")
        raises(NodeExistsError, zk.create, "/data", b"")
        raises(NoNodeError, zk.get, "/missing")
        raises(NoNodeError, zk.set, "/missing", b"")
        raises(NoNodeError, zk.create, "/missing/child", b"")
        equal(zk.exists("/missing"), None)
        raises(BadVersionError, zk.delete, "/data", version=9)
        zk.delete("/data", version=2)
        equal(zk.exists("/data"), None)


@check
def children_and_counts():
    with client() as zk:
        zk.ensure_path("/parent/a/b")
        zk.create("/parent/c", b"x")
        equal(sorted(zk.get_children("/parent")), ["a", "c"])
        names, stat = zk.get_children("/parent", include_data=True)
        equal((sorted(names), stat.numChildren, stat.cversion), (["a", "c"], 2, 2))
        raises(NotEmptyError, zk.delete, "/parent")
        path, stat = zk.create("/parent/with-stat", b"abc", include_data=True)
        equal((path, stat.dataLength, stat.pzxid), ("/parent/with-stat", 3, stat.czxid))
        zk.delete("/parent", recursive=True)
        equal(zk.exists("/parent"), None)


@check
def binary_empty_and_large_data():
    with client() as zk:
        every_byte = bytes(range(256))
        zk.create("/binary", every_byte)
        equal(zk.get("/binary")[0], every_byte)
        zk.set("/binary", b"")
        equal(zk.get("/binary")[0], b"")
        large = b"z" * 900_000
        zk.set("/binary", large)
        equal(zk.get("/binary")[0], large)
        zk.delete("/binary")


@check
def paths_beyond_ascii_and_chroot():
    with client() as zk:
        zk.ensure_path("/bäume/ahorn-木")
        equal(zk.get_children("/bäume"), ["ahorn-木"])
        zk.chroot = "/bäume"
        equal(zk.get_children("/"), ["ahorn-木"])
        zk.chroot = ""
        zk.delete("/bäume", recursive=True)


@check
def many_pipelined_requests_in_order():
    with client() as zk:
        zk.create("/pipe", b"")
        results = [zk.set_async("/pipe", str(i).encode()) for i in range(500)]
        equal([result.get(timeout=WAIT).version for result in results], list(range(1, 501)))
        equal(zk.get("/pipe")[0], b"499")
        equal(zk.sync("/pipe"), "/pipe")
        zk.delete("/pipe")


# ---- ephemerals


@check
def ephemeral_sequential():
    with client() as one, client() as two:
        one.ensure_path("/queue")
        paths = [one.create("/queue/n-", b"", ephemeral=True, sequence=True) for _ in range(3)]
        equal(paths, ["/queue/n-%010d" % i for i in range(3)])
        two.sync("/queue")
        equal(two.exists(paths[0]).ephemeralOwner, one.client_id[0])
        raises(NoChildrenForEphemeralsError, one.create, paths[0] + "/x", b"")
        equal(two.create("/queue/n-", b"", sequence=True), "/queue/n-%010d" % 3)
        one.stop()
        two.sync("/queue")
        equal(two.get_children("/queue"), ["n-%010d" % 3])
        two.delete("/queue", recursive=True)


@check
def ephemerals_outlive_a_restarted_client_of_the_same_session():
    with client() as zk, client() as other:
        zk.create("/mine", b"", ephemeral=True)
        before = zk.client_id
        closed = threading.Event()
        zk.add_listener(lambda state: closed.set() if state == KazooState.SUSPENDED else None)
        zk._connection._socket.shutdown(2)
        assert closed.wait(WAIT), "the connection did not break"
        wait_for(lambda: zk.connected, "a new connection")
        equal(zk.client_id, before)
        other.sync("/mine")
        equal(other.exists("/mine").ephemeralOwner, before[0])


# ---- watches


@check
def one_shot_data_watch():
    with client() as zk, client() as other:
        zk.create("/watched", b"0")
        watch = OneShot()
        zk.get("/watched", watch=watch)
        other.set("/watched", b"1")
        other.set("/watched", b"2")
        watch.expect(EventType.CHANGED, "/watched")
        gone = OneShot()
        zk.get("/watched", watch=gone)
        other.delete("/watched")
        gone.expect(EventType.DELETED, "/watched")
        zk.sync("/")
        equal(len(watch.events), 1)


@check
def one_shot_exists_watch():
    with client() as zk, client() as other:
        watch = OneShot()
        equal(zk.exists("/coming", watch=watch), None)
        other.create("/coming", b"")
        watch.expect(EventType.CREATED, "/coming")
        other.delete("/coming")


@check
def one_shot_children_watch():
    with client() as zk, client() as other:
        zk.create("/family", b"")
        watch = OneShot()
        equal(zk.get_children("/family", watch=watch), [])
        other.set("/family", b"not a change of children")
        other.create("/family/child", b"")
        watch.expect(EventType.CHILD, "/family")
        other.delete("/family", recursive=True)


@check
def watch_recipes():
    with client() as zk, client() as other:
        zk.create("/recipe", b"0")
        seen, children = [], []
        zk.DataWatch("/recipe", lambda data, stat: seen.append(data))
        zk.ChildrenWatch("/recipe", lambda names: children.append(sorted(names)))
        for i in range(1, 4):
            other.set("/recipe", str(i).encode())
            wait_for(lambda i=i: seen[-1:] == [str(i).encode()], "data %d" % i)
            other.create("/recipe/%d" % i, b"")
            wait_for(lambda i=i: children[-1:] == [[str(n) for n in range(1, i + 1)]], "child %d" % i)
        equal(seen, [b"0", b"1", b"2", b"3"])
        other.delete("/recipe", recursive=True)


# ---- transactions


@check
def transaction_commits():
    with client() as zk:
        zk.create("/txn", b"0")
        transaction = zk.transaction()
        transaction.check("/txn", version=0)
        transaction.create("/txn/a", b"a")
        transaction.create("/txn/s-", b"", sequence=True, ephemeral=True)
        transaction.set_data("/txn", b"1")
        transaction.delete("/txn/a")
        checked, a, s, stat, deleted = transaction.commit()
        equal((checked, a, s, stat.version, deleted), (True, "/txn/a", "/txn/s-0000000001", 1, True))
        equal(zk.get_children("/txn"), ["s-0000000001"])


@check
def transaction_rolls_back():
    with client() as zk:
        transaction = zk.transaction()
        transaction.create("/txn/b", b"")
        transaction.check("/txn", version=7)
        transaction.set_data("/txn", b"never")
        results = transaction.commit()
        equal([type(result) for result in results], [RolledBackError, BadVersionError, RuntimeInconsistency])
        equal(zk.exists("/txn/b"), None)
        equal(zk.get("/txn")[0], b"1")
        zk.delete("/txn", recursive=True)


# ---- authentication


@check
def digest_acl():
    with client(auth_data=[("digest", "ann:secret")]) as ann, client() as stranger:
        ann.create("/private", b"x", acl=CREATOR_ALL_ACL)
        acls, stat = ann.get_acls("/private")
        equal((acls[0].id.scheme, acls[0].id.id.split(":")[0], acls[0].perms, stat.aversion), ("digest", "ann", 31, 0))
        stranger.sync("/private")
        raises(NoAuthError, stranger.get, "/private")
        raises(NoAuthError, stranger.set, "/private", b"")
        raises(NoAuthError, stranger.create, "/private/child", b"")
        # As since ZOOKEEPER-2590.
        raises(NoAuthError, stranger.exists, "/private")
        stranger.add_auth("digest", "ann:secret")
        equal(stranger.get("/private")[0], b"x")
        equal(ann.set_acls("/private", [make_digest_acl("bob", "pw", read=True)], version=0).aversion, 1)
        raises(NoAuthError, ann.get, "/private")
    with client(auth_data=[("digest", "bob:pw")]) as bob:
        equal(bob.get("/private")[0], b"x")
        raises(NoAuthError, bob.set, "/private", b"")
        bob.delete("/private")


@check
def unknown_scheme_fails():
    with client() as zk:
        raises(AuthFailedError, zk.add_auth, "magic", "wand")


# ---- the server speaks


@check
def version_and_four_letter_words():
    with client() as zk:
        version = zk.server_version()
        assert version >= (3, 5, 0), "version %r" % (version,)
        equal(zk.command(b"ruok"), "imok")
        lines = dict(line.split(": ", 1) for line in zk.command(b"srvr").splitlines())
        assert lines["Mode"] in ("leader", "follower"), lines
        assert int(lines["Zxid"], 16) > 0 and int(lines["Node count"]) > 0, lines
        statistics = dict(line.split("\t") for line in zk.command(b"mntr").splitlines())
        assert statistics["zk_server_state"] == lines["Mode"], statistics
        equal(zk.command(b"isro"), "rw")


# ---- recipes


@check
def lock_between_two_clients():
    with client() as one, client() as two:
        first, second = one.Lock("/lock", "one"), two.Lock("/lock", "two")
        inside, most, turns, problems = [0], [0], [], []

        def work(lock, name):
            try:
                for _ in range(5):
                    with lock:
                        inside[0] += 1
                        most[0] = max(most[0], inside[0])
                        turns.append(name)
                        time.sleep(0.01)
                        inside[0] -= 1
            except Exception as error:  # pylint: disable=broad-except
                problems.append(repr(error))

        threads = [threading.Thread(target=work, args=pair) for pair in ((first, "one"), (second, "two"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(2 * WAIT)
        equal((problems, most[0], sorted(turns)), ([], 1, ["one"] * 5 + ["two"] * 5))
        assert first.acquire(timeout=WAIT)
        equal(second.acquire(blocking=False), False)
        equal(two.Lock("/lock").contenders(), ["one"])
        released = []
        waiting = threading.Thread(target=lambda: released.append(second.acquire(timeout=WAIT)))
        waiting.start()
        wait_for(lambda: two.Lock("/lock").contenders() == ["one", "two"], "the second in the queue")
        one.stop()
        waiting.join(WAIT)
        equal(released, [True], "a holder that went away lets the next in")


@check
def election_counter_and_barrier():
    with client() as zk, client() as other:
        counter, same = zk.Counter("/counter"), other.Counter("/counter")
        counter += 2
        same += 3
        zk.sync("/counter")
        equal(counter.value, 5)
        led = []
        zk.Election("/election", "me").run(lambda: led.append(zk.Election("/election").contenders()))
        equal(led, [["me"]])
        barrier = zk.Barrier("/barrier")
        barrier.create()
        equal(barrier.wait(timeout=0.1), False)
        other.Barrier("/barrier").remove()
        equal(barrier.wait(timeout=WAIT), True)


# ---- a server dies


@check
def session_survives_the_death_of_its_server():
    retry = KazooRetry(max_tries=-1, delay=0.05, max_delay=0.5, deadline=2 * WAIT)
    with client(timeout=20.0, connection_retry=retry, command_retry=retry) as zk, client(timeout=20.0, connection_retry=retry) as other:
        states = []
        zk.add_listener(states.append)
        session = zk.client_id
        zk.create("/survivor", b"before", ephemeral=True)
        zk.create("/survivors", b"")
        # kazoo drops one-shot watches with the connection; its watch recipes register again.
        seen, children = [], []
        zk.DataWatch("/survivor", lambda data, stat: seen.append(data))
        zk.ChildrenWatch("/survivors", children.append)
        host, port = zk._connection._socket.getpeername()[:2]
        say({"kill": "%s:%d" % (host, port)})
        sys.stdin.readline()
        wait_for(lambda: KazooState.SUSPENDED in states, "the broken connection")
        wait_for(lambda: zk.connected, "a connection to another server")
        equal(zk.client_id, session)
        equal(zk.retry(zk.get, "/survivor")[0], b"before")
        wait_for(lambda: other.connected, "the other client's connection")
        other.retry(other.sync, "/survivor")
        equal(other.retry(other.exists, "/survivor").ephemeralOwner, session[0])
        other.retry(other.set, "/survivor", b"after")
        other.retry(other.create, "/survivors/one", b"")
        wait_for(lambda: seen[-1:] == [b"after"], "the data watch")
        wait_for(lambda: children[-1:] == [["one"]], "the children watch")
        assert KazooState.LOST not in states, states


def main():
    for function in checks:
        name = function.__name__.replace("_", " ")
        try:
            function()
            say({"name": name})
        except Exception:  # pylint: disable=broad-except
            say({"name": name, "error": traceback.format_exc()})


main()
