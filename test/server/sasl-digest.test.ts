/** SASL DIGEST-MD5: the RFC's own example, then the port with a client that computes its answers by itself. */
import { createHash } from "node:crypto";
import t from "tap";
import { startServer } from "../../server/index.ts";
import { DigestMd5, digestMd5, parseDirectives } from "../../server/sasl-digest.ts";
import { Body, PortClient } from "./port-client.ts";

t.test("the example of RFC 2831, section 4", async (t) => {
  const fields = {
    user: "chris",
    password: "secret",
    realm: "elwood.innosoft.com",
    nonce: "OA6MG9tEQGm2hh",
    cnonce: "OA6MHXh6VqTrRk",
    uri: "imap/elwood.innosoft.com",
    authorization: undefined,
  };
  t.equal(digestMd5(fields, "AUTHENTICATE:"), "d388dad90d4bbd760a152321f2143af7");
  t.equal(digestMd5(fields, ":"), "ea40f60335c427b5527b84dbabcdfffd");
});

t.test("directives", async (t) => {
  t.same(
    [...(parseDirectives('a="x,\\"y",b=z , c=') ?? [])],
    [
      ["a", 'x,"y'],
      ["b", "z"],
      ["c", ""],
    ],
  );
  for (const text of ["a", "=b", 'a="open', "a=1,a=2", "a=b c", ",", `${"k".repeat(40)}=1`])
    t.equal(parseDirectives(text), undefined, text);
});

const md5 = (...parts: (string | Buffer)[]): Buffer => {
  const hash = createHash("md5");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** A client's answer, put together apart from the server's code. */
function answer(challenge: string, user: string, password: string, change: Readonly<Record<string, string>> = {}): Buffer {
  const nonce = /nonce="([^"]+)"/.exec(challenge)?.[1] ?? "";
  const values: Record<string, string> = {
    realm: "zk-sasl-md5",
    nonce,
    nc: "00000001",
    cnonce: "abc",
    uri: "zookeeper/zk-sasl-md5",
    ...change,
  };
  const secret = md5(`${user}:${values["realm"]}:${password}`);
  const a1 = md5(secret, `:${values["nonce"]}:${values["cnonce"]}`).toString("hex");
  const a2 = md5(`AUTHENTICATE:${values["uri"]}`).toString("hex");
  const response = md5(`${a1}:${values["nonce"]}:${values["nc"]}:${values["cnonce"]}:auth:${a2}`).toString("hex");
  return Buffer.from(
    `charset=utf-8,username="${user}",realm="${values["realm"]}",nonce="${values["nonce"]}",nc=${values["nc"]},cnonce="${values["cnonce"]}",` +
      `digest-uri="${values["uri"]}",maxbuf=65536,response=${response},qop=auth`,
  );
}

t.test("one attempt, to our challenge, by a known user with the right password", async (t) => {
  const users = new Map([["bob", "se:cret"]]);
  const attempt = (make: (challenge: string) => Buffer): unknown => {
    const sasl = new DigestMd5(users);
    return sasl.next(make(Buffer.from(sasl.next(new Uint8Array(0)) as Uint8Array).toString()));
  };
  t.match(
    attempt((challenge) => answer(challenge, "bob", "se:cret")),
    { user: "bob" },
  );
  t.equal(
    attempt((challenge) => answer(challenge, "bob", "other")),
    undefined,
  );
  t.equal(
    attempt((challenge) => answer(challenge, "eve", "")),
    undefined,
    "an unknown user has no password, not an empty one",
  );
  for (const [key, value] of [
    ["realm", "other"],
    ["nonce", "of another connection"],
    ["nc", "00000002"],
    ["cnonce", ""],
    ["uri", "imap/zk-sasl-md5"],
  ] as const)
    t.equal(
      attempt((challenge) => answer(challenge, "bob", "se:cret", { [key]: value })),
      undefined,
      key,
    );
  t.equal(
    attempt((challenge) => Buffer.concat([answer(challenge, "bob", "se:cret"), Buffer.from(",authzid=eve")])),
    undefined,
  );
  t.equal(
    attempt(() => Buffer.alloc(5_000, "x")),
    undefined,
  );
  const sasl = new DigestMd5(users);
  const challenge = Buffer.from(sasl.next(new Uint8Array(0)) as Uint8Array).toString();
  t.ok(sasl.next(answer(challenge, "bob", "se:cret")));
  t.equal(sasl.next(answer(challenge, "bob", "se:cret")), undefined, "the nonce is used up");
});

t.test("on the port: two rounds, then the identity is the connection's; a failure ends the connection", async (t) => {
  const server = await startServer({ logLevel: "silent", saslUsers: { bob: "secret" } });
  t.teardown(() => server.close());
  await server.ready();
  const round = (client: PortClient, token: Uint8Array) => client.ask(102, new Body().bytes(token));
  const client = await PortClient.open(server.zookeeper ?? "");
  const first = await round(client, Buffer.alloc(0));
  t.same([first.error, first.zxid], [0, 0]);
  const second = await round(client, answer(first.text() ?? "", "bob", "secret"));
  t.same([second.error, second.zxid], [0, 0]);
  t.match(second.text(), /^rspauth=[0-9a-f]{32}$/);
  t.equal(second.left, 0);
  await client.create("/mine", "secret", 0, [{ perms: 31, scheme: "sasl", id: "bob" }]);
  t.equal((await client.read(4, "/mine")).text(), "secret");
  const who = await client.ask(107);
  t.same(
    Array.from({ length: who.int() }, () => [who.text(), who.text()]),
    [
      ["ip", "127.0.0.1"],
      ["sasl", "bob"],
    ],
  );
  const other = await PortClient.open(server.zookeeper ?? "");
  t.equal((await other.read(4, "/mine")).error, -102);
  const challenge = await round(other, Buffer.alloc(0));
  const refused = await round(other, answer(challenge.text() ?? "", "bob", "wrong"));
  t.same([refused.error, refused.left], [-115, 0]);
  await other.until(() => false);
  t.ok(other.closed);
  client.destroy();
});
