/** A client whose timers sleep, as a hidden browser tab's do, keeps its session: the server's message wakes it. */
import t from "tap";
import { startServer } from "../../server/index.ts";
import { NativeClient } from "./native-client.ts";

t.test("a client that is late with its heartbeat is reminded, and one that then answers keeps its session", async (t) => {
  const server = await startServer({ logLevel: "silent" });
  t.teardown(() => server.close());
  await server.ready();
  const silent = await NativeClient.connect(server.url, 1_000);
  const answering = await NativeClient.connect(server.url, 1_000);
  let answers = 0;
  for (; answers < 4; answers += 1) {
    await answering.next((message) => message.type === "heartbeat" && message.id === 0);
    answering.heartbeat(answers + 1);
    await answering.next((message) => message.type === "heartbeat" && message.id === answers + 1 && message.validForMs > 0);
  }
  await answering.create("/still-here", "");
  t.equal(answers, 4);
  t.ok(
    silent.received.some((message) => message.type === "heartbeat" && message.id === 0),
    "the silent one was reminded too",
  );
  await silent.whenClosed();
  t.pass("and lost its session");
  answering.close();
});
