/** `npm run fuzz:zookeeper -- --inputs N [--seed S] [--first I]`. `--first I --inputs 1` plays one input again. */
import { parseArgs } from "node:util";
import { fuzzZooKeeper } from "./zookeeper.ts";

const { values } = parseArgs({
  options: { inputs: { type: "string", default: "100000" }, seed: { type: "string" }, first: { type: "string", default: "0" } },
});
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const beganMs = performance.now();
const tell = (done: number): void => {
  const seconds = (performance.now() - beganMs) / 1_000;
  console.log(`seed ${seed}: ${done} inputs in ${seconds.toFixed(1)} s`);
};
let told = 0;
await fuzzZooKeeper({
  seed,
  first: Number(values.first),
  inputs: Number(values.inputs),
  onProgress: (done) => {
    if (done - told < 10_000 && done < Number(values.inputs)) return;
    told = done;
    tell(done);
  },
});
