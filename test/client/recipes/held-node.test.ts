/** Whoever leaves a queue has left it, or its session has ended: those behind wait for nothing else. */
import t from "tap";
import { ZabraError } from "../../../client/error.ts";
import type { Client } from "../../../client/index.ts";
import { HeldNode } from "../../../client/recipes/held-node.ts";
import { virtualEnsemble } from "../../sim/testing.ts";

interface Stub {
  session: { id: number } | undefined;
  refusals: number;
  deletes: number;
  sleeps: number;
}

/** Not a server: what a client is told by one whose disk is nearly full. */
function held(stub: Stub): HeldNode {
  const client = {
    get session() {
      return stub.session;
    },
    delete: async () => {
      stub.deletes += 1;
      if (stub.deletes <= stub.refusals) throw new ZabraError("READ_ONLY");
    },
    sleep: async () => {
      stub.sleeps += 1;
      if (stub.sleeps > 5) stub.session = undefined;
    },
  } as unknown as Client;
  const created = { path: "/locks/a", stat: { czxid: 7, ephemeralOwner: 1 }, zxid: 7 };
  return HeldNode.made(client, created as unknown as Parameters<typeof HeldNode.made>[1]);
}

t.test("a full disk is waited out", async (t) => {
  const stub: Stub = { session: { id: 1 }, refusals: 3, deletes: 0, sleeps: 0 };
  await held(stub).leave();
  t.equal(stub.deletes, 4);
  t.equal(stub.sleeps, 3);
});

t.test("but not longer than the session lives, which takes the node along", async (t) => {
  const stub: Stub = { session: { id: 1 }, refusals: Number.POSITIVE_INFINITY, deletes: 0, sleeps: 0 };
  await held(stub).leave();
  t.equal(stub.deletes, 6);
});

t.test("what is missing above a node is made, also where it is reaped while that goes on", (t) => {
  const ensemble = virtualEnsemble({ seed: 2 });
  return ensemble.run(async () => {
    const [client, other] = [await ensemble.client(), await ensemble.client()];
    const create = client.create.bind(client);
    let reaped = 0;
    client.create = async (...parameters) => {
      const created = await create(...parameters);
      if (created.path === "/above" && (reaped += 1) <= 2) await other.delete("/above");
      return created;
    };
    await client.ensurePath("/above/of/it", { kind: "container" });
    t.ok(await other.exists("/above/of/it"));
    t.equal(reaped, 3);
  });
});
