import t from "tap";
import { HostRotation, parseHosts } from "../../client/hosts.ts";

t.test("addresses: lists, defaults, repeats, and what is none", async (t) => {
  t.same(parseHosts("ws://a:1, b ,wss://c/v1"), ["ws://a:1/v1", "ws://b:2180/v1", "wss://c/v1"]);
  t.same(parseHosts(["http://a:1", "ws://a:1"]), ["ws://a:1/v1"]);
  t.same(parseHosts("[::1]:2190"), ["ws://[::1]:2190/v1"]);
  t.throws(() => parseHosts(""), TypeError);
  t.throws(() => parseHosts("ftp://a"), TypeError);
});

t.test("every server has its turn, in an order that differs between clients", async (t) => {
  const orders = new Set<string>();
  for (let seed = 0; seed < 20; seed += 1) {
    let state = seed / 20;
    const random = (): number => (state = (state * 997 + 0.123) % 1);
    const hosts = new HostRotation(3, { backoffMinMs: 50, backoffMaxMs: 5_000, random });
    const order = [hosts.next(), hosts.next(), hosts.next()];
    t.same([...order].sort(), [0, 1, 2]);
    t.equal(hosts.next(), order[0]);
    orders.add(order.join());
  }
  t.ok(orders.size >= 4, `${orders.size} orders`);
});

t.test("waits grow to a bound, with jitter; attempts under a cap are not held against what follows", async (t) => {
  const options = { backoffMinMs: 50, backoffMaxMs: 400, random: () => 0 };
  const hosts = new HostRotation(1, options);
  t.same(
    [1, 2, 3, 4, 5].map(() => hosts.delay(Number.POSITIVE_INFINITY)),
    [25, 50, 100, 200, 200],
  );
  hosts.stable();
  t.same(
    [1, 2, 3, 4].map(() => hosts.delay(100)),
    [25, 50, 50, 50],
  );
  t.equal(hosts.delay(Number.POSITIVE_INFINITY), 100);
  t.equal(new HostRotation(1, { ...options, random: () => 0.999 }).delay(1_000) > 49, true);
});
