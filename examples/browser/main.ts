/**
 * Serves the page, to be opened in two tabs: `node dist/examples/browser/main.js [port = 8080]`. Starts an ensemble of its own, which lets
 * pages of this origin in.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { startEnsemble } from "zabra/testing";

const [port = "8080"] = process.argv.slice(2);
const result = await build({
  entryPoints: [fileURLToPath(new URL("./page.js", import.meta.url))],
  bundle: true,
  write: false,
  format: "esm",
  platform: "browser",
  minify: true,
});
const script = result.outputFiles[0]?.text ?? "";

const style = "body { font: 16px sans-serif; margin: 2em } #lock[data-state=holds] { color: green }";
const body = `<h1>Zabra in a browser</h1><p id="state">connecting</p>
<h2>Tabs that are open</h2><ul id="tabs"></ul>
<h2>The lock</h2><p id="lock" data-state="free">does not hold it</p><button id="take">take</button> <button id="release">release</button>`;

const server = createServer((request, response) => {
  const isScript = request.url === "/page.js";
  response.setHeader("content-type", isScript ? "text/javascript" : "text/html; charset=utf-8");
  response.end(isScript ? script : page());
});
await new Promise<void>((resolve) => server.listen(Number(port), "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const ensemble = await startEnsemble({ zookeeper: false, allowOrigins: [origin] });

function page(): string {
  const head = `<meta charset="utf-8"><title>Zabra</title><style>${style}</style>`;
  const servers = ensemble.urls.join(",");
  return `<!doctype html><html lang="en"><head>${head}</head><body data-servers="${servers}">${body}<script type="module" src="/page.js"></script></body></html>`;
}

console.log(`open ${origin} in two tabs; Ctrl-C stops it`);
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void ensemble.close().then(() => process.exit(0)));
}
