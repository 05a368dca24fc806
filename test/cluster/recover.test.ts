/** `zabra recover`: two of three servers are gone for good; the third's data is the beginning of a new ensemble. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import { connect } from "../../client/index.ts";
import { command, ProcessEnsemble } from "./process-ensemble.ts";

t.setTimeout(900_000);

t.test("a new ensemble from one surviving directory", async (t) => {
  const ensemble = await ProcessEnsemble.start();
  t.teardown(() => ensemble.close());
  const before = await connect(ensemble.urls);
  await before.create("/kept", "all of it");
  for (let i = 0; i < 50; i += 1) await before.create("/kept/n-", "", { sequential: true });
  const { zxid } = await before.get("/kept");
  const survivor = 2;
  // Any majority may lack it; what is shown to be there is kept.
  const witness = await connect([ensemble.urls[survivor - 1] ?? ""]);
  await witness.get("/kept");
  const recover = ["recover", "--data-dir", ensemble.dataDirectory(survivor)];

  const running = spawnSync(process.execPath, [command, ...recover, "--accept-loss"], { encoding: "utf8" });
  t.equal(running.status, 78, "its server runs");
  t.match(running.stderr, /in use|locked|another process/i);
  for (const { id } of ensemble.members) await ensemble.signal(id, "SIGKILL");
  for (const id of [1, 3]) ensemble.wipe(id);
  t.equal(spawnSync(process.execPath, [command, ...recover]).status, 64, "it takes --accept-loss");
  t.match(execFileSync(process.execPath, [command, ...recover, "--accept-loss"], { encoding: "utf8" }), /Start server 1, 3/);

  for (const { id } of ensemble.members) ensemble.startServer(id, id === 1 ? ["--rejoin"] : []);
  await ensemble.waitServing();
  t.equal(await ensemble.leader(), survivor, "who has the data leads");
  const after = await connect([ensemble.urls[0] ?? ""]);
  const { text, zxid: later } = await after.get("/kept");
  t.equal(text, "all of it");
  t.equal((await after.children("/kept")).names.length, 50);
  t.ok(later >= zxid, "zxids go on");
  await after.create("/kept/later", "");
  await Promise.all([before, witness, after].map((client) => client.close().catch(() => undefined)));
});

async function whyNot(ensemble: ProcessEnsemble, id: number): Promise<string> {
  return fetch(`${ensemble.httpUrl(id)}/readyz`).then(
    (response) => response.text(),
    () => "",
  );
}

t.test("servers that all lost their epoch records and rejoin do not begin an empty ensemble", async (t) => {
  const ensemble = await ProcessEnsemble.start();
  t.teardown(() => ensemble.close());
  const before = await connect(ensemble.urls);
  await before.create("/kept", "all of it");
  await before.close();
  const files = ensemble.members.flatMap(({ id }) =>
    ["epoch-record-1", "epoch-record-2"].map((name) => join(ensemble.dataDirectory(id), name)),
  );
  for (const { id } of ensemble.members) await ensemble.signal(id, "SIGKILL");
  const records = files.map((file) => readFileSync(file));
  for (const file of files) rmSync(file);
  for (const { id } of ensemble.members) ensemble.startServer(id, ["--rejoin"]);
  const told = /no data and was started with --rejoin: it waits/;
  for (const { id } of ensemble.members) {
    while (!told.test(await whyNot(ensemble, id)) || (await ensemble.status(id))?.peers.length !== 2) await delay(20);
  }
  // Linked, all three, for far longer than a founding takes.
  for (let i = 0; i < 50; i += 1) {
    for (const { id } of ensemble.members) if (!told.test(await whyNot(ensemble, id))) t.fail(await whyNot(ensemble, id));
    await delay(10);
  }
  for (const { id } of ensemble.members) await ensemble.signal(id, "SIGKILL");
  for (const [index, file] of files.entries()) writeFileSync(file, records[index] ?? "");
  for (const { id } of ensemble.members) ensemble.startServer(id);
  await ensemble.waitServing();
  const after = await connect(ensemble.urls);
  t.equal((await after.get("/kept")).text, "all of it", "and what was left is still there when the records are back");
  await after.close();
});
