/**
 * The client library in a real browser: bundled as any page would, served under a content security
 * policy without `unsafe-eval`, connected to three real servers, one of which is killed under it.
 * Chromium is `$ZABRA_CHROMIUM` or `chromium` on the PATH.
 */
import { spawnSync } from "node:child_process";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { type Browser, chromium, type Page } from "playwright-core";
import t, { type Test } from "tap";
import { connect } from "../../client/index.ts";
import { ProcessEnsemble } from "../cluster/process-ensemble.ts";
// Types only: it runs in the page.
import type {} from "./browser-page.ts";

t.setTimeout(900_000);

const gzipKiBMax = 30;
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const policy = "default-src 'none'; script-src 'self'; connect-src ws://127.0.0.1:*";

/** For browsers Node's modules do not exist: importing one fails the build. */
async function bundle(entry: string): Promise<string> {
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    minify: true,
    logLevel: "silent",
  });
  return result.outputFiles[0]?.text ?? "";
}

function whyNot(): { readonly path: string; readonly reason: string | undefined } {
  const path = process.env["ZABRA_CHROMIUM"] ?? spawnSync("which", ["chromium"], { encoding: "utf8" }).stdout.trim();
  return { path, reason: path === "" ? "NOT TESTED: chromium is missing (apt-get install chromium)" : undefined };
}

async function servePage(t: Test): Promise<number> {
  const script = await bundle(here("./browser-page.js"));
  const server: Server = createServer((request, response) => {
    const isScript = request.url === "/page.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.setHeader("content-security-policy", policy);
    response.end(isScript ? script : '<!doctype html><title>Zabra</title><script type="module" src="/page.js"></script>');
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** The servers that the page is connected to now. */
function followSockets(page: Page): Set<string> {
  const open = new Set<string>();
  page.on("websocket", (socket) => {
    const origin = new URL(socket.url()).origin;
    socket.on("framereceived", () => open.add(origin));
    socket.on("close", () => open.delete(origin));
  });
  return open;
}

async function openPage(browser: Browser, url: string): Promise<{ readonly page: Page; readonly problems: string[] }> {
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("requestfailed", (request) => problems.push(`${request.url()} failed`));
  await page.goto(url);
  await page.waitForFunction(() => globalThis.zabra !== undefined);
  return { page, problems };
}

t.test("the bundle is small and needs nothing of Node", async (t) => {
  const text = await bundle(here("../../client/index.js"));
  const gzip = gzipSync(text).length / 1024;
  t.comment(`client/index: ${(text.length / 1024).toFixed(1)} KiB minified, ${gzip.toFixed(1)} KiB with gzip`);
  t.ok(gzip > 1 && gzip < gzipKiBMax, `${gzip.toFixed(1)} KiB with gzip, at most ${gzipKiBMax}`);
  t.notMatch(text, /\bfrom"|\bimport"|["']node:|require\(/, "imports nothing");
  t.notMatch(text, /\bnew Function\b|\beval\(/, "evaluates no text");
});

t.test("a forbidden module would be noticed", async (t) => {
  await t.rejects(bundle(here("../../server/disk.js")), /Could not resolve "node:/);
});

async function inTheBrowser(t: Test): Promise<void> {
  const port = await servePage(t);
  const origin = `http://127.0.0.1:${port}`;
  const ensemble = await ProcessEnsemble.start({ args: ["--log-level", "warn", "--allow-origin", origin] });
  t.teardown(() => ensemble.close());
  const browser = await chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox"] });
  t.teardown(() => browser.close());

  await t.test("a page of another origin is refused", async (t) => {
    const { page } = await openPage(browser, `http://localhost:${port}`);
    t.equal(await page.evaluate((urls) => globalThis.zabra.connect(urls, 1_500), ensemble.urls), "TIMEOUT");
    await page.close();
  });

  await t.test("a session, an ephemeral, a stream, and the death of a server", async (t) => {
    const { page, problems } = await openPage(browser, origin);
    const open = followSockets(page);
    t.equal(await page.evaluate(() => globalThis.zabra.evaluates()), "EvalError", "the policy is in force");
    t.equal(await page.evaluate((urls) => globalThis.zabra.connect(urls, 20_000), ensemble.urls), "connected");
    const session = await page.evaluate(() => globalThis.zabra.session());

    const other = await connect(ensemble.urls);
    t.teardown(() => other.close());
    await page.evaluate(() => globalThis.zabra.follow("/browser"));
    await page.evaluate(() => globalThis.zabra.createEphemeral("/browser/tab", "one"));
    t.equal((await other.get("/browser/tab")).stat.ephemeralOwner, session, "the ephemeral is the page's");
    await other.create("/browser/from-node", "hello");
    t.equal((await page.evaluate(() => globalThis.zabra.sees("/browser/from-node", "hello"))).type, "created");

    t.equal(open.size, 1, "one connection");
    const victim = ensemble.members.find((member) => open.has(`ws://127.0.0.1:${member.http}`));
    await ensemble.signal(victim?.id ?? 0, "SIGKILL");
    await page.evaluate(() => globalThis.zabra.set("/browser/tab", "two"));
    t.equal(await page.evaluate(() => globalThis.zabra.get("/browser/tab")), "two", "goes on at another server");
    await other.set("/browser/from-node", "again");
    await page.evaluate(() => globalThis.zabra.sees("/browser/from-node", "again"));
    t.equal(await page.evaluate(() => globalThis.zabra.session()), session, "in the same session");
    const seen = (await page.evaluate(() => globalThis.zabra.seen())).map((one) => `${one.path}=${one.text}`);
    t.strictSame(
      seen,
      ["/browser/tab=one", "/browser/from-node=hello", "/browser/tab=two", "/browser/from-node=again"],
      "each change once, in order",
    );

    t.equal(await page.evaluate(() => globalThis.zabra.close()), "CLOSED", "ends the stream");
    t.equal(await other.exists("/browser/tab"), undefined, "the ephemeral goes with its session");
    t.strictSame(problems, []);
  });
  if (!t.passing()) t.comment(ensemble.outputs());
}

const { path: chromiumPath, reason } = whyNot();
if (reason !== undefined) console.error(reason);
t.test("in Chromium", { skip: reason ?? false }, inTheBrowser);
