/** The judge of registers sees a stale read. */
import t from "tap";
import type { Client } from "../../client/index.ts";
import { RegisterLoad } from "./register-load.ts";

t.test("a register that goes back is found out", async (t) => {
  let reads = 0;
  const bytes = (text: string): Uint8Array => Buffer.from(text);
  // Not a server: a client that answers out of date, which no server of ours does.
  const stale = {
    ensurePath: async () => {},
    create: async () => ({}),
    set: async () => ({}),
    get: async () => {
      reads += 1;
      return { data: bytes("v1") };
    },
  } as unknown as Client;
  const register = await RegisterLoad.begin("/registers/stale", [stale], 0);
  while (reads < 6) await new Promise((resolve) => setImmediate(resolve));
  await register.end();
  t.match(register.problem(), /no order explains/);
});
