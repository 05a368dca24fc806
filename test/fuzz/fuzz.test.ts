/** A short run of every fuzzer; long ones are `npm run fuzz`. */
import t from "tap";
import { randomSource } from "../wire/fuzz-targets.ts";
import { fuzzers } from "./all.ts";
import { fuzzHttp } from "./http-port.ts";

t.setTimeout(900_000);

for (const [i, { name, play }] of fuzzers.entries()) {
  t.test(name, (t) => {
    const random = randomSource(20_261_121 + i);
    let taken = 0;
    for (let n = 0; n < 400; n += 1) if (play(random)) taken += 1;
    t.ok(taken > 0 && taken < 400, `${taken} of 400 taken`);
    t.end();
  });
}

t.test("a live HTTP port", async (t) => {
  await fuzzHttp(20_261_121, 480);
  t.pass("the server answers");
});
