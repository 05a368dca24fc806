/**
 * A good part of kazoo's own tests, unmodified: those of its client, transactions, identities, watchers, locks,
 * queues, caches and leases. Three runs at a time, for most of a run is waiting. All of them: foreign:kazoo.
 */
import t from "tap";
import { runKazooSuite, whyNoKazoo } from "./kazoo-suite.ts";

const testsMin = 150;
/** They give a server five seconds to come back, or three queues a fifth of a second, which a busy machine may miss. */
const without = ["request_queuing", "update_host_list", "test_concurrent_execution"];

const shards: readonly (readonly string[])[] = [
  ["test_client.py::TestClient", "test_client.py::TestNonChrootClient"],
  [
    "test_lock.py::KazooLockTests",
    "test_lock.py::TestSemaphore",
    "test_queue.py",
    "test_counter.py",
    "test_barrier.py",
    "test_election.py",
  ],
  [
    "test_client.py::TestAuthentication",
    "test_client.py::TestClientTransactions",
    "test_client.py::TestSSLClient",
    "test_client.py::TestReconfig::test_no_super_auth",
    "test_client.py::TestReconfig::test_bad_input",
    "test_cache.py",
    "test_lease.py",
    "test_watchers.py::KazooDataWatcherTests",
    "test_party.py",
  ],
];

t.setTimeout(900_000);

const missing = whyNoKazoo();
if (missing !== undefined) console.error(missing);
t.test("kazoo's own tests", { skip: missing ?? false }, async (t) => {
  const stop = new AbortController();
  t.teardown(() => stop.abort());
  const runs = await Promise.all(
    shards.map((tests, i) =>
      runKazooSuite({ server: "zabra", tests, without, portOffset: 26_000 + 100 * i, signal: stop.signal }),
    ),
  );
  let ran = 0;
  for (const { verdicts, output } of runs) {
    for (const [name, verdict] of verdicts) {
      ran += 1;
      t.equal(verdict, "PASSED", name);
    }
    if (!t.passing()) t.comment(output.slice(-20_000));
  }
  t.ok(ran >= testsMin, `${ran} tests`);
});
