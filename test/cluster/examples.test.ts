/** The examples, as their users start them, for a few seconds each. */
import t from "tap";
import { runExample } from "../support/child.ts";

t.setTimeout(900_000);

t.test("registry: no request is lost while instances come, drain and are killed", async (t) => {
  const { code, output } = await runExample(t, "registry/main", "1500");
  t.equal(code, 0);
  const [, came, drained, killed] =
    /1500 requests, 0 lost, .* (\d+) instances came, (\d+) were drained, (\d+) killed/.exec(output) ?? [];
  t.ok(Number(came) >= 5 && Number(drained) >= 1 && Number(killed) >= 1, output);
});

t.test("lock: nothing is lost under a lock while servers are killed", async (t) => {
  const { code, output } = await runExample(t, "lock/main", "1");
  t.equal(code, 0, output);
  t.match(output, /^(\d+) additions under the lock, and the number is \1\na late write is refused: FENCED$/m);
});

t.test("config: taken up, refused, gone back", async (t) => {
  const { code, output } = await runExample(t, "config/main");
  t.equal(code, 0, output);
  const lines = output.split("\n").filter((line) => !line.startsWith("{"));
  t.match(lines[0], /starts with .*"limit":10/);
  t.ok(lines.some((line) => /goes on with .*"limit":20/.test(line)));
  t.ok(lines.some((line) => line.startsWith("keeps it: the value does not fit: greeting")));
  t.ok(
    lines.some((line) => /back to revision 0; kept are 4 values/.test(line)),
    output,
  );
});
