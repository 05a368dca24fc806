/** Beginnings, played: `zabra recover` (an ensemble that begins anew from one surviving directory never begins without it), and foundings whose voters lose what they said. */
import { EpochRecordFile, encodeEpochRecord, epochRecordFiles } from "../../../src/log/epoch-record.ts";
import { TokenSource } from "../../../src/model/tokens.ts";
import { Violation } from "../check/violation.ts";
import type { SimServer } from "../server.ts";
import type { Schedule } from "./schedules.ts";
import { Stage } from "./stage.ts";

/** What `server/recover.ts` does, to a simulated disk. */
function recover(server: SimServer): void {
  const files = server.disk.snapshotFiles();
  const opening = EpochRecordFile.open(server.disk.clone(), new TokenSource());
  if (opening.type !== "ok") throw new Violation("scenario", `server ${server.id} has no epoch record`);
  const record = { ...opening.record, clusterId: "", foundation: "empty", member: true } as const;
  for (const file of epochRecordFiles) files.set(file, encodeEpochRecord(record, 1_000_000));
  server.disk.restoreFiles(files);
}

/**
 * Server `survivor` alone keeps its data. As soon as the ensemble is founded anew it dies again: the other two, empty,
 * are a quorum, and a leader among them would have its history truncated when it comes back.
 */
function recoveredThenCrashed(survivor: number, rejoin: boolean) {
  return (seed: number, trace?: (line: string) => void): readonly string[] => {
    const stage = new Stage(seed, { clients: 1, sessionTimeoutMs: 20_000, ...(trace === undefined ? {} : { trace }) });
    stage.start(survivor);
    const { cluster } = stage;
    for (let i = 0; i < 20; i += 1) stage.done(stage.create(0, `/n${i}`));
    const last = cluster.server(survivor).status()?.lastAppliedZxid ?? 0;
    cluster.until("all have everything", () => cluster.servers.every((each) => each.status()?.lastLoggedZxid === last));
    for (const server of cluster.servers) server.crash(false);
    for (const id of stage.others(survivor)) {
      cluster.server(id).wipe();
      cluster.checks.wiped(cluster.server(id));
    }
    recover(cluster.server(survivor));
    const seen = stage.when(
      undefined,
      undefined,
      (message) => message.type === "founded",
      () => cluster.server(survivor).crash(false),
    );
    for (const server of cluster.servers) server.start(rejoin && server.id !== survivor);
    cluster.until("it is founded anew", () => seen.happened, 10_000);
    cluster.run(3_000);
    const leader = cluster.leader?.id;
    if (leader !== undefined)
      throw new Violation("a recovered ensemble begins with its log", `server ${leader}, which was empty, leads`);
    cluster.server(survivor).start();
    cluster.until("the survivor leads", () => cluster.leader?.id === survivor, 10_000);
    const found = stage.done(stage.read(0, "/n19"), 20_000);
    if (found.outcome?.code !== "OK")
      throw new Violation("a recovered ensemble begins with its log", `/n19 is ${found.outcome?.code}`);
    stage.finish();
    return ["begun with its log"];
  };
}

/** What every voter may have lost before all of them are started with `--rejoin`. */
const losses: Readonly<Record<string, (server: SimServer) => void>> = {
  "their directories": (server) => server.wipe(),
  "their epoch records": (server) => {
    const files = server.disk.snapshotFiles();
    for (const file of epochRecordFiles) files.delete(file);
    server.disk.restoreFiles(files);
  },
  "their logs": (server) => {
    const files = server.disk.snapshotFiles();
    files.set(`${server.logDirectory}/manifest`, new Uint8Array(64));
    server.disk.restoreFiles(files);
  },
};

/** All voters lost their data, and an operator starts them all with `--rejoin`, again and again: an empty ensemble must not begin, nor go what is left of the old one. */
function allRejoin(what: string) {
  return (seed: number, trace?: (line: string) => void): readonly string[] => {
    const stage = new Stage(seed, { clients: 1, ...(trace === undefined ? {} : { trace }) });
    stage.start();
    const { cluster, random } = stage;
    for (let i = 0; i < 20; i += 1) stage.done(stage.create(0, `/n${i}`));
    cluster.run(500);
    for (const server of cluster.servers) {
      server.crash(false);
      losses[what]?.(server);
      cluster.checks.wiped(server);
    }
    const left = cluster.servers.map((server) => server.disk.list("log-1").length);
    for (let round = 0; round < 3; round += 1) {
      for (const server of random.shuffle(cluster.servers)) server.start(true);
      cluster.run(2_000);
      const serving = cluster.servers.filter((server) => server.status()?.serving !== false);
      if (serving.length > 0) throw new Violation("an empty ensemble does not begin", cluster.describe());
      for (const server of cluster.servers) server.kill();
    }
    for (const [index, server] of cluster.servers.entries()) {
      if (server.disk.list("log-1").length < (left[index] ?? 0))
        throw new Violation("what is left is kept", `server ${server.id}`);
    }
    return ["nobody served"];
  };
}

/**
 * A voter is killed while its `founding` is on its way to the disk, finds it in the page cache, and loses power before it is durable: the founder must not
 * have counted it, or the ensemble is founded with a voter whose directory is empty, which stops for ever.
 */
function foundingInThePageCache(seed: number, trace?: (line: string) => void): readonly string[] {
  const stage = new Stage(seed, { clients: 1, ...(trace === undefined ? {} : { trace }) });
  const { cluster, random } = stage;
  const voter = cluster.server(2 + random.below(2));
  voter.disk.slowReplace = { prefix: "epoch-record", ms: 1_500 };
  for (const server of cluster.servers) server.start();
  cluster.until("its founding is being saved", () => voter.disk.replacing("epoch-record"), 5_000);
  voter.kill();
  voter.start();
  cluster.run(random.between(100, 1_200));
  voter.disk.nextCrash({ lostProbability: 1, tornProbability: 0, garbageProbability: 0 });
  voter.crash(false);
  const lost = voter.disk.list("").every((name) => !name.startsWith("epoch-record"));
  voter.disk.slowReplace = undefined;
  voter.start();
  cluster.startClients();
  cluster.until("the client is connected", () => cluster.client(0).connected, 20_000);
  stage.done(stage.create(0, "/a"));
  stage.finish();
  return lost ? ["its record was lost"] : [];
}

/**
 * The founder is started again in the middle of a founding, and its disk is slow: until what it found is durable once more it says no hello, and
 * others take no FOUND from it. It must not take what it sent too early for told (seed 503352).
 */
function founderStartsAgain(seed: number, trace?: (line: string) => void): readonly string[] {
  const stage = new Stage(seed, { clients: 1, ...(trace === undefined ? {} : { trace }) });
  const { cluster, random } = stage;
  const founder = cluster.server(1);
  const voter = cluster.server(2 + random.below(2));
  voter.disk.slowReplace = { prefix: "epoch-record", ms: 3_000 };
  for (const server of cluster.servers) server.start();
  cluster.until("a founding waits for a voter", () => voter.disk.replacing("epoch-record"), 5_000);
  cluster.run(random.between(50, 150));
  founder.kill();
  founder.disk.slowReplace = { prefix: "epoch-record", ms: random.between(200, 600) };
  founder.start();
  cluster.run(100);
  const slow = founder.disk.replacing("epoch-record");
  cluster.run(1_000);
  founder.disk.slowReplace = undefined;
  voter.disk.slowReplace = undefined;
  cluster.startClients();
  cluster.until("the client is connected", () => cluster.client(0).connected, 20_000);
  stage.done(stage.create(0, "/a"));
  stage.finish();
  return slow ? ["it could not tell yet"] : [];
}

export const recoverySchedules: readonly Schedule[] = [
  { name: "recovered from server 1", seeds: 3, play: recoveredThenCrashed(1, false), mustSee: ["begun with its log"] },
  { name: "recovered from server 3", seeds: 3, play: recoveredThenCrashed(3, true), mustSee: ["begun with its log"] },
  {
    name: "all voters lost their directories and rejoin",
    seeds: 2,
    play: allRejoin("their directories"),
    mustSee: ["nobody served"],
  },
  {
    name: "all voters lost their epoch records and rejoin",
    seeds: 2,
    play: allRejoin("their epoch records"),
    mustSee: ["nobody served"],
  },
  { name: "all voters lost their logs and rejoin", seeds: 2, play: allRejoin("their logs"), mustSee: ["nobody served"] },
  { name: "a founding in the page cache alone", seeds: 10, play: foundingInThePageCache, mustSee: ["its record was lost"] },
  { name: "a founder that starts again", seeds: 5, play: founderStartsAgain, mustSee: ["it could not tell yet"] },
];
