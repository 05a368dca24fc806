/** A short run of the ZooKeeper port's fuzzer; long ones are `npm run fuzz:zookeeper`. */
import t from "tap";
import { fuzzZooKeeper } from "./zookeeper.ts";

const seed = 20_261_121;
const inputs = 1_440;

t.setTimeout(900_000);
t.test("damaged sessions stop no server and disturb no other client", async (t) => {
  let done = 0;
  await fuzzZooKeeper({
    seed,
    first: 0,
    inputs,
    onProgress: (count) => {
      done = count;
    },
  });
  t.equal(done, inputs);
});
