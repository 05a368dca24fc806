/** The four-letter words, in the form that tools parse: from a running server, then of roles that one server alone never has. */
import { connect } from "node:net";
import t from "tap";
import {
  answerFourLetterWord,
  type ConnectionFacts,
  defaultWords,
  type WordFacts,
  words,
} from "../../server/four-letter-words.ts";
import { type Server, startServer } from "../../server/index.ts";
import { RequestMeter } from "../../server/request-meter.ts";
import type { SessionId } from "../../src/model/zxid.ts";
import { Body, PortClient } from "./port-client.ts";
import { stoppedStatus } from "./stopped-status.ts";

let server: Server;
let client: PortClient;
t.before(async () => {
  server = await startServer({ logLevel: "silent", zookeeperWords: "*" });
  await server.ready();
  client = await PortClient.open(server.zookeeper ?? "");
  await client.create("/words", "12345", 1);
  await client.read(4, "/words", true);
  await client.ask(106, new Body().text("/").int(1));
});
t.teardown(async () => {
  client.destroy();
  await server.close();
});

function ask(word: string): Promise<string> {
  return new Promise((resolve) => {
    const [host, port] = (server.zookeeper ?? "").split(":");
    let text = "";
    const socket = connect(Number(port), host ?? "", () => socket.write(word));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    socket.on("close", () => resolve(text));
  });
}

t.test("srvr and stat", async (t) => {
  const srvr = await ask("srvr");
  t.match(
    srvr,
    /^Zookeeper version: 3\.9\.\d+-\S+, built on .*\nLatency min\/avg\/max: \d+\/\d+\.\d{4}\/\d+\nReceived: \d+\nSent: \d+\nConnections: 1\nOutstanding: 0\nZxid: 0x[0-9a-f]+\nMode: standalone\nNode count: 5\n$/,
  );
  const stat = await ask("stat");
  t.match(stat, /^Zookeeper version: .*\nClients:\n \/127\.0\.0\.1:\d+\[1\]\(queued=0,recved=4,sent=4\)\n\nLatency min/);
  t.equal(stat.split("\n\n")[1], srvr.slice(srvr.indexOf("\n") + 1), "the rest is as srvr has it");
});

t.test("cons", async (t) => {
  const sid = client.session.toString(16);
  t.match(
    await ask("cons"),
    new RegExp(
      `^ /127\\.0\\.0\\.1:\\d+\\[1\\]\\(queued=0,recved=4,sent=4,sid=0x${sid},lop=ADDW,est=\\d{13},to=10000,lcxid=0x3,lzxid=0x[0-9a-f]+,lresp=\\d+,llat=\\d+,minlat=\\d+,avglat=\\d+,maxlat=\\d+\\)\\n\\n$`,
    ),
  );
});

t.test("mntr: a key and a value a line", async (t) => {
  const values = new Map(
    (await ask("mntr"))
      .trimEnd()
      .split("\n")
      .map((line) => line.split("\t") as [string, string]),
  );
  for (const [key, value] of [
    ["zk_server_state", "standalone"],
    ["zk_num_alive_connections", "1"],
    ["zk_znode_count", "5"],
    ["zk_watch_count", "2"],
    ["zk_ephemerals_count", "1"],
    ["zk_approximate_data_size", "5"],
    ["zk_global_sessions", "1"],
    ["zk_local_sessions", "0"],
    ["zk_quorum_size", "1"],
  ] as const)
    t.equal(values.get(key), value, key);
  for (const [key, value] of values) if (key !== "zk_version" && key !== "zk_server_state") t.match(value, /^\d+(\.\d+)?$/, key);
});

t.test("conf, dirs, envi", async (t) => {
  const conf = await ask("conf");
  t.match(conf, new RegExp(`^clientPort=${server.zookeeper?.split(":")[1]}\n`));
  for (const key of ["secureClientPort", "dataDir", "dataDirSize", "dataLogDir", "dataLogSize", "tickTime", "maxClientCnxns"])
    t.match(conf, new RegExp(`\n${key}=`));
  t.match(conf, /\nminSessionTimeout=1000\nmaxSessionTimeout=300000\n/);
  t.match(conf, /\nserverId=1\n$/, "and no membership");
  t.match(await ask("dirs"), /^datadir_size: \d+\nlogdir_size: [1-9]\d+\n$/);
  t.match(await ask("envi"), /^Environment:\nzookeeper\.version=3\.9\.\d+-/);
});

t.test("dump, wchs, wchc, wchp", async (t) => {
  const sid = `0x${client.session.toString(16)}`;
  t.match(
    await ask("dump"),
    new RegExp(
      `^SessionTracker dump:\nSession Sets \\(1\\)/\\(1\\):\n1 expire .*:\n\t${sid}\nephemeral nodes dump:\nSessions with Ephemerals \\(1\\):\n${sid}:\n\t/words\nConnections dump:\n`,
    ),
  );
  t.equal(await ask("wchs"), "1 connections watching 2 paths\nTotal watches:2\n");
  t.equal(await ask("wchc"), `${sid}\n\t/words\n\t/\n`);
  t.equal(await ask("wchp"), `/words\n\t${sid}\n/\n\t${sid}\n`);
});

t.test("crst and srst reset; a word that nobody knows is no word", async (t) => {
  t.equal(await ask("crst"), "Connection stats reset.\n");
  t.match(await ask("stat"), /recved=0,sent=0/);
  t.equal(await ask("srst"), "Server stats reset.\n");
  t.match(await ask("srvr"), /Received: 0\nSent: 0\n/);
  for (const word of ["gtmk", "stmk", "hash"])
    t.equal(await ask(word), `${word} is not executed because it is not in the whitelist.\n`);
  t.equal(await ask("nope"), "", "its bytes are the length of a packet, and too long");
});

// ---- other roles

const connection: ConnectionFacts = {
  remote: "10.0.0.1:5",
  session: 0,
  timeoutMs: 0,
  openedMs: 0,
  queued: 3,
  lastOperation: "NA",
  lastXid: 0,
  lastZxid: 0,
  lastResponseMs: 0,
  meter: new RequestMeter(),
};
const facts: WordFacts = {
  status: { ...stoppedStatus, serving: true, role: "leading", peers: [2, 3, 4] },
  voters: 3,
  observers: 1,
  uptimeMs: 7,
  meter: new RequestMeter(),
  connections: [connection, connection],
  inspect: () => ({ sessions: [{ id: 16 as SessionId, timeoutMs: 5, ephemerals: [] }], watches: [] }),
  settings: {
    id: 1,
    port: 2181,
    securePort: undefined,
    dataDirectory: "/d",
    logBytes: () => 1,
    storeBytes: () => 2,
    connectionsMax: 3,
    sessionTimeoutMsMin: 4,
    sessionTimeoutMsMax: 5,
    heartbeatMs: 6,
    members: ["server.1=a:1:1:participant"],
  },
  readOnly: false,
};
const all = new Set(words);

t.test("a leader, and the others", async (t) => {
  const srvr = answerFourLetterWord("srvr", all, facts);
  t.match(
    srvr,
    /\nConnections: 2\nOutstanding: 6\n.*\nMode: leader\nNode count: 0\nProposal sizes last\/min\/max: -1\/-1\/-1\n$/,
  );
  const mntr = answerFourLetterWord("mntr", all, facts);
  t.match(
    mntr,
    /\nzk_quorum_size\t3\n[\s\S]*zk_learners\t3\nzk_synced_followers\t2\nzk_synced_non_voting_followers\t0\nzk_synced_observers\t1\n/,
  );
  t.match(answerFourLetterWord("conf", all, facts), /\nmembership: \nserver\.1=a:1:1:participant\n$/);
  t.match(answerFourLetterWord("cons", all, facts), /^ \/10\.0\.0\.1:5\[0\]\(queued=3,recved=0,sent=0\)\n/);
  for (const [role, mode] of [
    ["following", "follower"],
    ["observing", "observer"],
  ] as const) {
    const other = answerFourLetterWord("mntr", all, { ...facts, status: { ...facts.status, role } });
    t.match(other, new RegExp(`\nzk_server_state\t${mode}\n`));
    t.notMatch(other, /zk_learners/);
  }
});

t.test("what is not served, and what is not allowed", async (t) => {
  const idle = { ...facts, status: { ...facts.status, serving: false, role: "looking" as const } };
  t.equal(answerFourLetterWord("ruok", all, idle), "imok");
  t.equal(answerFourLetterWord("isro", all, idle), "null");
  for (const word of ["srvr", "mntr", "stat", "cons", "dump", "wchs", "wchc", "wchp"])
    t.equal(answerFourLetterWord(word, all, idle), "This ZooKeeper instance is not currently serving requests\n");
  const few = new Set(defaultWords);
  t.same(
    words.filter((word) => !/whitelist/.test(answerFourLetterWord(word, few, facts))),
    ["ruok", "isro", "envi", "srvr", "mntr"],
  );
  const readOnly = { ...idle, readOnly: true };
  t.equal(answerFourLetterWord("isro", all, readOnly), "ro");
  t.match(
    answerFourLetterWord("srvr", all, readOnly),
    /\nREAD-ONLY mode; serving only read-only clients\n[\s\S]*\nMode: read-only\n/,
  );
});
