/** The browser example in a real Chromium: two tabs see each other come and go, and share a lock; that of a tab that is closed goes on to the other. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import t, { type Test } from "tap";

t.setTimeout(900_000);

const main = fileURLToPath(new URL("../../examples/browser/main.js", import.meta.url));
const path = process.env["ZABRA_CHROMIUM"] ?? spawnSync("which", ["chromium"], { encoding: "utf8" }).stdout.trim();
const skip = path === "" ? "NOT TESTED: chromium is missing (apt-get install chromium)" : false;
if (skip !== false) console.error(skip);

async function startExample(t: Test): Promise<string> {
  const child = spawn(process.execPath, [main, "0"], { stdio: ["ignore", "pipe", "inherit"] });
  t.teardown(async () => {
    const exit = once(child, "exit");
    child.kill("SIGTERM");
    await exit;
  });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return /http:\S+/.exec(line)?.[0] ?? "";
}

async function openTab(browser: Browser, url: string, name: string): Promise<Page> {
  const page = await browser.newPage();
  page.on("pageerror", (error) => t.fail(`${name}: ${error.message}`));
  await page.goto(`${url}/?name=${name}`);
  return page;
}

/** Waits until the page lists exactly these tabs. */
async function lists(page: Page, ...names: readonly string[]): Promise<void> {
  await page.waitForFunction((wanted) => {
    const items = Array.from(document.querySelectorAll("#tabs li"), (item) => item.textContent);
    return items.join() === wanted;
  }, names.join());
}

async function lockIs(page: Page, state: string): Promise<void> {
  await page.waitForSelector(`#lock[data-state=${state}]`);
}

t.test("two tabs", { skip }, async (t) => {
  const url = await startExample(t);
  const browser = await chromium.launch({ executablePath: path, args: ["--no-sandbox"] });
  t.teardown(() => browser.close());
  const one = await openTab(browser, url, "one");
  const two = await openTab(browser, url, "two");
  await Promise.all([lists(one, "one", "two"), lists(two, "one", "two")]);
  t.pass("each sees both");

  await one.click("#take");
  await lockIs(one, "holds");
  await two.click("#take");
  await lockIs(two, "waits");
  t.match(await two.textContent("#lock"), /waits for one/);
  await one.click("#release");
  await Promise.all([lockIs(one, "free"), lockIs(two, "holds")]);
  t.pass("released by one, held by two");

  await one.click("#take");
  await lockIs(one, "waits");
  await two.close();
  await Promise.all([lists(one, "one"), lockIs(one, "holds")]);
  t.pass("a closed tab leaves the list, and its lock goes on");
});
