/**
 * Damaged sessions against a running ZooKeeper port: the bytes of a good session, mutated from a seed, many at a
 * time. Whatever comes, the server lives, nothing is thrown, and another client's session goes on undisturbed.
 */
import { connect } from "node:net";
import t from "tap";
import { type Server, startServer } from "../../server/index.ts";
import { Random } from "../support/random.ts";
import { type AclEntry, Body, createBody, openAcl, PortClient } from "./port-client.ts";

const sessions = 400;
const atATime = 40;
const ownerOnly: readonly AclEntry[] = [{ perms: 31, scheme: "digest", id: "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=" }];

function frame(body: Body): Buffer {
  const bytes = body.build();
  return new Body().int(bytes.length).raw(bytes).build();
}

function request(xid: number, opcode: number, body = new Body()): Buffer {
  return frame(new Body().int(xid).int(opcode).raw(body.build()));
}

function multi(...operations: readonly (readonly [number, Body])[]): Body {
  const body = new Body();
  for (const [type, operation] of operations) body.int(type).flag(false).int(-1).raw(operation.build());
  return body.int(-1).flag(true).int(-1);
}

/** Every operation once, in a session of its own. */
function goodSession(name: string): Buffer[] {
  const path = `/fuzz/${name}`;
  const watch = () => new Body().text(path).flag(true);
  return [
    frame(new Body().int(0).long(0).int(5_000).long(0).bytes(Buffer.alloc(16)).flag(false)),
    request(-4, 100, new Body().int(0).text("digest").bytes(Buffer.from("v:w"))),
    request(1, 15, createBody(path, "data", 0)),
    request(2, 21, createBody(`${path}/ttl`, "", 5).long(1_000)),
    request(3, 19, createBody(`${path}/c`, "", 4)),
    request(4, 1, createBody(`${path}/e-`, "", 3)),
    request(5, 3, watch()),
    request(6, 4, watch()),
    request(7, 12, watch()),
    request(8, 5, new Body().text(path).bytes(Buffer.alloc(300, "x")).int(-1)),
    request(9, 7, new Body().text(path).acl(openAcl).int(-1)),
    request(10, 6, new Body().text(path)),
    request(11, 9, new Body().text(path)),
    request(-2, 11),
    request(
      12,
      14,
      multi([13, new Body().text(path).int(-1)], [1, createBody(`${path}/m`, "", 0)], [2, new Body().text(`${path}/m`).int(-1)]),
    ),
    request(13, 22, multi([4, watch()], [8, watch()])),
    request(14, 106, new Body().text(path).int(1)),
    request(15, 17, new Body().text(path).int(3)),
    request(-8, 105, new Body().long(1).texts([path]).texts(["/none"]).texts([path]).texts([path]).texts(["/"])),
    request(16, 103, new Body().text("/")),
    request(17, 104, new Body().text("/")),
    request(18, 107),
    request(19, 102, new Body().bytes(Buffer.from("x"))),
    request(20, 16, new Body().text("a").text("b").text(null).long(-1)),
    request(21, 18, new Body().text(path).int(3)),
    request(22, 2, new Body().text(path).int(-1)),
    request(23, -11),
  ];
}

/** One to three wounds: a flipped bit, a wild number, a cut, a repetition, a frame lost, frames in another order. */
function damage(frames: Buffer[], random: Random): Buffer {
  for (let wounds = 1 + random.below(3); wounds > 0; wounds -= 1) {
    const at = random.below(frames.length);
    const hurt = Buffer.from(frames[at] ?? Buffer.alloc(4));
    const place = random.below(Math.max(1, hurt.length));
    const kind = random.below(7);
    if (kind === 0) hurt[place] = (hurt[place] ?? 0) ^ (1 << random.below(8));
    else if (kind === 1)
      hurt.writeInt32BE(
        random.pick([-1, -2, 0, 1, 0x7fffffff, -0x80000000, 0xfffff, 131_073]),
        Math.max(0, Math.min(place, hurt.length - 4)),
      );
    else if (kind === 2) frames.splice(at, 1, hurt.subarray(0, place));
    else if (kind === 3) frames.splice(at, 0, hurt);
    else if (kind === 4) frames.splice(at, 1);
    else if (kind === 5) frames.splice(random.below(frames.length), 0, ...frames.splice(at, 1));
    else frames.splice(at, 0, Buffer.from(Array.from({ length: random.below(40) }, () => random.below(256))));
    if (kind < 2) frames[at] = hurt;
  }
  return Buffer.concat(frames);
}

const silenceMs = 150;

/** Sends all of it, in pieces, and resolves when the server has closed, or has said nothing for a while and is left. */
function play(server: Server, bytes: Buffer, random: Random): Promise<void> {
  const [host, port] = (server.zookeeper ?? "").split(":");
  return new Promise((resolve) => {
    const socket = connect(Number(port), host ?? "", () => {
      const cut = random.below(bytes.length + 1);
      socket.write(bytes.subarray(0, cut));
      setImmediate(() => socket.write(bytes.subarray(cut)));
    });
    socket.setTimeout(silenceMs, () => socket.destroy());
    socket.on("error", () => {});
    socket.on("data", () => {});
    socket.on("close", () => resolve());
  });
}

t.test("damaged sessions disturb nobody", async (t) => {
  let halted = false;
  const server = await startServer({
    logLevel: "silent",
    onHalt: () => {
      halted = true;
    },
  });
  t.teardown(() => server.close());
  await server.ready();
  const canary = await PortClient.open(server.zookeeper ?? "");
  await canary.create("/fuzz");
  await canary.auth("digest", "u:p");
  await canary.create("/canary", "sings", 0, ownerOnly);
  await canary.create("/canary/e", "", 1);
  const random = new Random(20_260_101);
  for (let played = 0; played < sessions; played += atATime) {
    const batch = Array.from({ length: atATime }, (_, i) => play(server, damage(goodSession(`${played + i}`), random), random));
    t.equal((await canary.read(4, "/canary")).text(), "sings", `after ${played}`);
    await Promise.all(batch);
    t.notOk(halted);
  }
  t.equal((await canary.read(3, "/canary/e")).stat().owner, canary.session);
  t.same(canary.events(), []);
  const made = (await canary.ask(104, new Body().text("/fuzz"))).int();
  t.ok(made > 200, `most damage leaves much of a session whole: ${made} nodes were made`);
  t.equal((await canary.ask(-11)).error, 0);
  const whole = await PortClient.open(server.zookeeper ?? "");
  t.equal((await whole.create("/fuzz/whole")).error, 0, "and a good session is served as before");
  whole.destroy();
});
