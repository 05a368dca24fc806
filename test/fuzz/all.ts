/** Every fuzzer there is: those that play in this thread, and those that talk to a live port. */
import { damage, decodes, targets } from "../wire/fuzz-targets.ts";
import { configuration } from "./configuration.ts";
import { fileFuzzers } from "./files.ts";
import type { Fuzzer, LiveFuzzer } from "./fuzzer.ts";
import { fuzzHttp } from "./http-port.ts";
import { peerPort } from "./peer-port.ts";
import { fuzzZooKeeper } from "./zookeeper.ts";

const wireFuzzers: Fuzzer[] = targets.map((target) => ({
  name: target.name,
  play: (random) => decodes(target, damage(target.corpus[random(target.corpus.length)] ?? new Uint8Array(0), random)),
}));
export const fuzzers: readonly Fuzzer[] = [...wireFuzzers, peerPort, configuration, ...fileFuzzers];

export const live: readonly LiveFuzzer[] = [
  { name: "HTTP port, live", play: fuzzHttp },
  { name: "ZooKeeper port, live", play: (seed, inputs) => fuzzZooKeeper({ seed, first: 0, inputs }) },
];
