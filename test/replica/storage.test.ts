import t from "tap";
import { epochRecordFiles } from "../../src/log/epoch-record.ts";
import { tinyLimits } from "../../src/model/limits.ts";
import { TokenSource } from "../../src/model/tokens.ts";
import { zeroEpoch } from "../../src/model/zxid.ts";
import { openStorage } from "../../src/replica/storage.ts";
import { SimDisk } from "../sim/disk.ts";
import { SimKeyValue } from "../sim/key-value.ts";
import { Random } from "../sim/random.ts";

function open(disk: SimDisk, rejoin = false) {
  const random = new Random(1);
  const options = {
    id: 1,
    ensemble: [{ id: 1, observer: false }],
    rejoin,
    leaseReads: true,
    limits: tinyLimits,
    boot: 1,
    freshClusterId: "c",
    foundAboveEpoch: zeroEpoch,
  };
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
