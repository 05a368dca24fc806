import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { LmdbKeyValue } from "../../server/lmdb.ts";
import { type CheckedStore, checkStoreBeside, type Verdict } from "../../server/store-guard.ts";

t.setTimeout(900_000);

interface Opened {
  readonly kv: LmdbKeyValue;
  readonly directory: string;
  close(): Promise<void>;
}

function openStore(): Opened {
  const parent = mkdtempSync(join(tmpdir(), "zabra-guard-"));
  const directory = join(parent, "store-1");
  const kv = new LmdbKeyValue(directory, (event) => {
    if (event.type === "storeFailed") throw new Error(event.reason);
  });
  const close = async (): Promise<void> => {
    kv.close();
    await kv.closed;
    rmSync(parent, { recursive: true, force: true });
  };
  return { kv, directory, close };
}

t.test("a check beside a server opens the store only while that is held", async (t) => {
  const { kv, directory, close } = openStore();
  const data = join(directory, "data.mdb");
  // Until it may open it, the check would not find it.
  renameSync(data, `${data}.hidden`);
  let holds = 0;
  const released: boolean[] = [];
  const store: CheckedStore = {
    directory,
    hold(then) {
      holds += 1;
      const release = kv.hold(() => {
        renameSync(`${data}.hidden`, data);
        then();
      });
      return () => {
        released.push(true);
        release();
      };
    },
  };
  const verdict = await new Promise<Verdict>((resolve) => {
    checkStoreBeside(store, (found) => resolve(found));
  });
  t.same(verdict, { type: "sound" });
  t.equal(holds, 1);
  t.ok(released.length > 0, "and lets it go");
  kv.hold(() => {})();
  await close();
});

t.test("a check that ends while it may open the store lets go of it", async (t) => {
  const { kv, directory, close } = openStore();
  let stop = (): void => {};
  await new Promise<void>((resolve) => {
    const store: CheckedStore = {
      directory,
      hold(then) {
        const release = kv.hold(() => {
          stop();
          then();
        });
        return () => {
          release();
          resolve();
        };
      },
    };
    stop = checkStoreBeside(store, () => t.fail("nobody waits for its verdict"));
  });
  t.doesNotThrow(() => kv.hold(() => {})(), "it is free again");
  await close();
});
