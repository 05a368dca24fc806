/** ACLs: who matches, what is stored, what is hidden; IP ranges. */
import t from "tap";
import type { Acl, AuthId } from "../../src/model/acl.ts";
import { fixUpAcl, isPermitted, maskedAcl } from "../../src/tree/access.ts";
import { keyOf } from "../../src/tree/acl-table.ts";
import { parseIp, parseIpRange, withinIpRange } from "../../src/tree/ip-address.ts";

const digest = (id: string): AuthId => ({ scheme: "digest", id });
const one = (perms: number, scheme: string, id: string): Acl => [{ perms, scheme, id }];

t.test("an entry grants when a permission bit and an identity match", async (t) => {
  t.ok(isPermitted(one(31, "world", "anyone"), 1, []));
  t.notOk(isPermitted(one(2, "world", "anyone"), 1, []), "another permission");
  t.ok(isPermitted(one(1 | 16, "world", "anyone"), 1 | 8, []), "one of the wanted bits is enough");
  t.ok(isPermitted(one(1, "digest", "a:1"), 1, [digest("b:1"), digest("a:1")]));
  t.notOk(isPermitted(one(1, "digest", "a:1"), 1, [digest("a:2"), { scheme: "ip", id: "a:1" }]));
  t.notOk(isPermitted(one(1, "digest", "a:1"), 1, []));
  t.ok(isPermitted([...one(2, "world", "anyone"), ...one(1, "digest", "a:1")], 1, [digest("a:1")]), "a later entry");
  t.ok(isPermitted(one(0, "digest", "a:1"), 31, [{ scheme: "super", id: "" }]), "super may do everything");
  t.ok(isPermitted([], 31, []), "an empty ACL grants everything");
  t.ok(isPermitted(one(1, "ip", "10.0.0.0/8"), 1, [{ scheme: "ip", id: "10.9.8.7" }]));
  t.notOk(isPermitted(one(1, "ip", "10.0.0.0/8"), 1, [{ scheme: "ip", id: "11.9.8.7" }]));
});

t.test("auth stands for every identity that authenticated", async (t) => {
  const identities: AuthId[] = [
    { scheme: "world", id: "anyone" },
    { scheme: "ip", id: "1.2.3.4" },
    digest("a:1"),
    { scheme: "super", id: "" },
    digest("b:2"),
  ];
  t.same(fixUpAcl(one(3, "auth", "ignored"), identities), [...one(3, "digest", "a:1"), ...one(3, "digest", "b:2")]);
  t.equal(fixUpAcl(one(3, "auth", ""), identities.slice(0, 2)), undefined, "world and ip prove nothing");
  t.equal(fixUpAcl([...one(3, "auth", ""), ...one(1, "world", "anyone")], []), undefined);
});

t.test("repeated entries go, also after expansion", async (t) => {
  const acl = [...one(1, "digest", "a:1"), ...one(1, "digest", "a:1"), ...one(1, "auth", ""), ...one(2, "digest", "a:1")];
  t.same(fixUpAcl(acl, [digest("a:1")]), [...one(1, "digest", "a:1"), ...one(2, "digest", "a:1")]);
});

const validity: readonly (readonly [perms: number, scheme: string, id: string, valid: boolean])[] = [
  [31, "world", "anyone", true],
  [31, "world", "someone", false],
  [32, "world", "anyone", false],
  [-1, "world", "anyone", false],
  [1.5, "world", "anyone", false],
  [Number.NaN, "world", "anyone", false],
  [0, "world", "anyone", true],
  [1, "digest", "user:hash=", true],
  [1, "digest", ":hash", true],
  [1, "digest", "user:", false],
  [1, "digest", "user", false],
  [1, "digest", "a:b:c", false],
  [1, "digest", "", false],
  [1, "ip", "1.2.3.4", true],
  [1, "ip", "1.2.3.4/33", false],
  [1, "ip", "host", false],
  [1, "super", "x", false],
  [1, "x509", "CN=a", false],
  [1, "", "", false],
];
for (const [perms, scheme, id, valid] of validity) {
  t.test(`${scheme}:${id} with ${perms} is ${valid ? "" : "not "}valid`, async (t) => {
    t.equal(fixUpAcl(one(perms, scheme, id), []) !== undefined, valid);
  });
}

t.test("an ACL's key tells ACLs apart, however their texts are cut", async (t) => {
  const acls = [
    one(1, "digest", "a:b"),
    one(1, "digesta", ":b"),
    one(2, "digest", "a:b"),
    [...one(1, "a", "b"), ...one(1, "c", "d")],
    one(1, "a", "b;1,1,c,1,d"),
    one(1, "a", "b1;1,1,c,1,d"),
  ];
  t.equal(new Set(acls.map(keyOf)).size, acls.length);
});

t.test("hashes are hidden from those without ADMIN", async (t) => {
  t.same(maskedAcl([...one(1, "digest", "user:secret"), ...one(1, "world", "anyone")]), [
    ...one(1, "digest", "user:x"),
    ...one(1, "world", "anyone"),
  ]);
});

const ranges: readonly (readonly [address: string, range: string, within: boolean])[] = [
  ["1.2.3.4", "1.2.3.4", true],
  ["1.2.3.4", "1.2.3.5", false],
  ["1.2.3.4", "1.2.3.0/24", true],
  ["1.2.4.4", "1.2.3.0/24", false],
  ["1.2.3.4", "0.0.0.0/0", true],
  ["10.1.2.3", "10.0.0.0/15", true],
  ["10.2.2.3", "10.0.0.0/15", false],
  ["1.2.3.255", "1.2.3.254/31", true],
  ["::1", "::1", true],
  ["::1", "::/0", true],
  ["2001:db8::1", "2001:db8::/32", true],
  ["2001:db9::1", "2001:db8::/32", false],
  ["2001:DB8:0:0:0:0:0:1", "2001:db8::1", true],
  ["::ffff:10.1.2.3", "10.0.0.0/8", true],
  ["10.1.2.3", "::ffff:10.1.2.3", true],
  ["::1", "0.0.0.0/0", false],
  ["1.2.3.4", "::/0", false],
];
for (const [address, range, within] of ranges) {
  t.test(`${address} is ${within ? "" : "not "}within ${range}`, async (t) => {
    t.equal(withinIpRange(address, range), within);
  });
}

t.test("what is no address is refused", async (t) => {
  for (const text of [
    "",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "1.2.3.",
    "a.b.c.d",
    ":",
    ":::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "12345::",
    "g::",
    "::1.2.3",
    "1.2.3.4::",
    "1::2::3",
    `${"1:".repeat(40)}1`,
  ]) {
    t.equal(parseIp(text), undefined, text);
  }
  for (const text of ["1.2.3.4/", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/1x", "::/129", "/8"])
    t.equal(parseIpRange(text), undefined, text);
  t.equal(parseIpRange("::/128")?.bits, 128);
});
