/**
 * How long the state machine takes per write, without log, network and codecs: `npx tsx
 * bench/state-machine.ts [seconds]`. Prints operations a second of prepare + apply and of reads.
 */
import { type AuthId, openAcl } from "../src/model/acl.ts";
import { productionLimits } from "../src/model/limits.ts";
import type { WriteRequest } from "../src/model/request.ts";
import { makeEpoch, makeZxid, nextZxid, type SessionId, type Zxid } from "../src/model/zxid.ts";
import { StateMachine } from "../src/replica/state-machine.ts";
import { MemoryStore } from "../src/tree/memory-store.ts";

const identities: readonly AuthId[] = [
  { scheme: "world", id: "anyone" },
  { scheme: "ip", id: "127.0.0.1" },
];
const secondsEach = Number(process.argv[2] ?? 2);

class Bench {
  readonly machine = new StateMachine(new MemoryStore(), productionLimits);
  readonly session: SessionId;
  #zxid: Zxid = makeZxid(makeEpoch(1), 0);
  #seq = 0;
  #counter = 0;

  constructor() {
    this.session = (this.#zxid + 1) as SessionId;
    this.#run(0, { type: "createSession", timeoutMs: 10_000, passwordHash: new Uint8Array(32) });
  }

  write(request: WriteRequest): void {
    this.#run(this.session, request);
  }

  #run(session: SessionId | 0, request: WriteRequest): void {
    this.#zxid = nextZxid(this.#zxid);
    const source =
      session === 0
        ? { type: "origin" as const, session, server: 1, boot: 7, counter: (this.#counter += 1) }
        : { type: "session" as const, session, seq: (this.#seq += 1), ackedSeq: Math.max(0, this.#seq - 10) };
    const prepared = this.machine.prepare(
      { source, request, guards: [], identities },
      { zxid: this.#zxid, wallMs: 1_700_000_000_000, stampMs: this.#seq },
    );
    if (prepared.type !== "txn") throw new Error(`not prepared: ${JSON.stringify(prepared)}`);
    const outcome = this.machine.apply(prepared.txn);
    if (outcome.code !== "OK") throw new Error(outcome.code);
  }
}

function measure(name: string, work: (turn: number) => void): void {
  const batch = 1_000;
  let turn = 0;
  for (; turn < 20_000; turn += 1) work(turn);
  const start = performance.now();
  const before = process.cpuUsage();
  let count = 0;
  while (performance.now() - start < secondsEach * 1000) {
    for (let i = 0; i < batch; i += 1) {
      turn += 1;
      work(turn);
    }
    count += batch;
  }
  const wallUs = ((performance.now() - start) * 1000) / count;
  const used = process.cpuUsage(before);
  const cpuUs = (used.user + used.system) / count;
  process.stdout.write(
    `${name.padEnd(36)} ${wallUs.toFixed(2)} µs  ${cpuUs.toFixed(2)} µs of CPU  ${Math.round(1_000_000 / wallUs)} ops/s\n`,
  );
}

const bench = new Bench();
const paths: string[] = [];
for (const path of ["/services", "/services/payments", "/services/payments/instances"]) {
  bench.write({ type: "create", path, data: undefined, kind: "persistent", sequential: false, ttlMs: 0, acl: openAcl });
}
for (let i = 0; i < 1_000; i += 1) {
  const path = `/services/payments/instances/${i}`;
  paths.push(path);
  bench.write({ type: "create", path, data: new Uint8Array(100), kind: "persistent", sequential: false, ttlMs: 0, acl: openAcl });
}
const small = new Uint8Array(100).fill(7);
const large = new Uint8Array(1_000).fill(7);
const pathOf = (turn: number): string => paths[turn % paths.length] ?? "";

measure("setData, 100 B, native session", (turn) =>
  bench.write({ type: "setData", path: pathOf(turn), data: small, version: -1 }),
);
measure("setData, 1000 B, native session", (turn) =>
  bench.write({ type: "setData", path: pathOf(turn), data: large, version: -1 }),
);
measure("create + delete, depth 4", (turn) => {
  const path = `/services/payments/instances/0/x${turn % 100}`;
  bench.write({ type: "create", path, data: small, kind: "persistent", sequential: false, ttlMs: 0, acl: openAcl });
  bench.write({ type: "delete", path, version: -1 });
});
measure("create + delete, ephemeral", (turn) => {
  const path = `/services/payments/instances/0/x${turn % 100}`;
  bench.write({ type: "create", path, data: small, kind: "ephemeral", sequential: false, ttlMs: 0, acl: openAcl });
  bench.write({ type: "delete", path, version: -1 });
});
measure("multi of check + setData", (turn) => {
  const path = pathOf(turn);
  bench.write({
    type: "multi",
    conditions: [],
    then: [
      { type: "check", path, version: -1 },
      { type: "setData", path, data: small, version: -1 },
    ],
    otherwise: undefined,
  });
});
const context = { session: bench.session, identities, nowMs: 0 };
measure("getData", (turn) => bench.machine.read({ type: "getData", path: pathOf(turn), watch: false }, context));
