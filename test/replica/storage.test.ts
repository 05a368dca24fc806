import t from "tap";
import { epochRecordFiles } from "../../src/log/epoch-record.ts";
import { createLog } from "../../src/log/log.ts";
import { tinyLimits } from "../../src/model/limits.ts";
import { TokenSource } from "../../src/model/tokens.ts";
import { makeEpoch, makeZxid, zeroEpoch } from "../../src/model/zxid.ts";
import { openStorage } from "../../src/replica/storage.ts";
import { DamagedStoreError } from "../../src/tree/store-error.ts";
import { SimDisk } from "../sim/disk.ts";
import { SimKeyValue } from "../sim/key-value.ts";
import { Random } from "../sim/random.ts";

const serverAlone = {
  id: 1,
  ensemble: [{ id: 1, observer: false }],
  leaseReads: true,
  limits: tinyLimits,
  boot: 1,
  freshClusterId: "c",
  foundAboveEpoch: zeroEpoch,
};

function open(disk: SimDisk, rejoin = false) {
  const random = new Random(1);
  const ensemble = [1, 2, 3].map((id) => ({ id, observer: false }));
  const options = { ...serverAlone, ensemble, rejoin };
  return openStorage(options, { disk, openStore: () => new SimKeyValue(random) }, new TokenSource());
}

t.test("a server without anything starts empty", async (t) => {
  const opening = open(new SimDisk(new Random(1)));
  t.match(opening, { type: "ok", storage: { fresh: true, generation: 1 } });
});

t.test("a lost epoch record beside the directories of a received snapshot is damage, not a fresh server", async (t) => {
  const disk = new SimDisk(new Random(1));
  disk.submit({ type: "replace", token: 1, file: "log-2/manifest", content: new Uint8Array(10) });
  disk.advance(1_000);
  t.match(open(disk), { type: "refused", exitCode: 70, reason: /the epoch record is missing, but log-2 is there/ });
  t.same(disk.list(""), ["log-2"], "nothing is touched");
  t.match(open(disk, true), { type: "ok", storage: { generation: 3 } }, "with --rejoin beside what is there");
  t.notOk(disk.list("").includes(epochRecordFiles[0] ?? ""), "and nothing is promised yet");
});

t.test(
  "a condemned store of a server alone is built again from its whole log, and is refused where the log has been trimmed",
  async (t) => {
    const disk = new SimDisk(new Random(1));
    const opened: boolean[] = [];
    const openStore = (_directory: string, anew: boolean): SimKeyValue => {
      opened.push(anew);
      if (!anew) throw new DamagedStoreError("the tree store is damaged: told by the test");
      return new SimKeyValue(new Random(1));
    };
    const options = { ...serverAlone, rejoin: false };
    const whole = openStorage(options, { disk, openStore }, new TokenSource());
    t.match(whole, {
      type: "ok",
      storage: { treeless: false },
      notes: [/told by the test; the tree is built again from the log/],
    });
    t.same(opened, [false, true]);
    const trimmed = new SimDisk(new Random(1));
    const tokens = new TokenSource();
    const log = createLog({ disk: trimmed, tokens, directory: "log-1", limits: tinyLimits }, makeZxid(makeEpoch(1), 5));
    for (let ms = 1_000; !log.opened; ms += 1_000) for (const token of trimmed.advance(ms)) log.onDiskDone(token, ms);
    const refused = openStorage(options, { disk: trimmed, openStore }, new TokenSource());
    t.match(refused, {
      type: "refused",
      exitCode: 70,
      reason: /told by the test; the log begins after .* no other server has the tree/,
    });
  },
);

t.test("a server alone does not rejoin: nobody has what it lost", (t) => {
  const openStore = (): SimKeyValue => new SimKeyValue(new Random(1));
  const options = { ...serverAlone, rejoin: true };
  const empty = openStorage(options, { disk: new SimDisk(new Random(1)), openStore }, new TokenSource());
  t.match(empty, { type: "refused", exitCode: 78, reason: /the data directory is empty; --rejoin fetches/ });
  const disk = new SimDisk(new Random(1));
  disk.submit({ type: "replace", token: 1, file: "log-2/manifest", content: new Uint8Array(10) });
  disk.advance(1_000);
  const damaged = openStorage(options, { disk, openStore }, new TokenSource());
  t.match(damaged, { type: "refused", exitCode: 70, reason: /the data is damaged.*there is none/ });
  t.same(disk.list(""), ["log-2"], "nothing is touched");
  t.end();
});
