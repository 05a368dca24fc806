/**
 * The fuzzers' command: `npm run fuzz -- [--inputs N] [--seed S] [--record FILE]`. Damaged and random input for
 * everything that reads what others wrote: client, server, peer and ZooKeeper frames, txns, the peer port, configuration, log files, epoch
 * records and snapshots, each in this thread; and one input in a hundred at a live HTTP and ZooKeeper port. Each
 * ends in a value or in its one kind of refusal, soon; and what was damaged is never read as something else. Counts by
 * target; a target of which nothing is taken, or nothing refused, was not fed and is red, as is anything else.
 */
import { parseArgs } from "node:util";
import { writeRecord } from "../support/run-record.ts";
import { randomSource } from "../wire/fuzz-targets.ts";
import { fuzzers, live } from "./all.ts";
import type { Fuzzer } from "./fuzzer.ts";

const liveShare = 0.01;

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      inputs: { type: "string", default: "200000" },
      seed: { type: "string", default: "1" },
      record: { type: "string" },
    },
  });
  const wanted = Number(options.inputs);
  const seed = Number(options.seed);
  const began = performance.now();
  const liveInputs = Math.ceil((wanted * liveShare) / live.length);
  const inputs = Math.ceil((wanted - liveInputs * live.length) / fuzzers.length);
  const kinds: Record<string, number> = {};
  for (const [i, fuzzer] of fuzzers.entries()) {
    kinds[fuzzer.name] = inputs;
    playMany(fuzzer, inputs, randomSource(seed * 1_000 + i));
  }
  for (const fuzzer of live) {
    await fuzzer.play(seed, liveInputs);
    kinds[fuzzer.name] = liveInputs;
    console.log(`${fuzzer.name.padEnd(20)} ${liveInputs} inputs`);
  }
  const total = Object.values(kinds).reduce((sum, count) => sum + count, 0);
  const seconds = (performance.now() - began) / 1_000;
  console.log(`${total} bad inputs in ${seconds.toFixed(1)} s, seed ${seed}: no crash`);
  const figures = { "bad inputs": total, "targets, each fed": fuzzers.length + live.length, crashes: 0 };
  writeRecord(options.record, { what: "bad inputs", seconds, violations: 0, figures, kinds }, "fuzz");
}

function playMany(fuzzer: Fuzzer, inputs: number, random: (bound: number) => number): void {
  let taken = 0;
  let slowestMs = 0;
  for (let n = 0; n < inputs; n += 1) {
    const begun = performance.now();
    if (playOne(fuzzer, n, random)) taken += 1;
    slowestMs = Math.max(slowestMs, performance.now() - begun);
  }
  const text = `${fuzzer.name.padEnd(20)} ${inputs} inputs, ${taken} taken, ${inputs - taken} refused, the slowest ${slowestMs.toFixed(1)} ms`;
  console.log(text);
  if (inputs > 1_000 && (taken === 0 || taken === inputs)) throw new Error(`${fuzzer.name} is not fed: ${text}`);
}

function playOne(fuzzer: Fuzzer, n: number, random: (bound: number) => number): boolean {
  try {
    return fuzzer.play(random);
  } catch (error) {
    throw new Error(`${fuzzer.name}, input ${n}`, { cause: error });
  }
}

await main();
