/** The program of the page: each tab registers itself, shows the live list of tabs, and shares one lock with them. `main.ts` bundles it. */
import { connect, toText } from "zabra";
import { discover, type Grant, Lock, register } from "zabra/recipes";

const parameters = new URLSearchParams(location.search);
const name = parameters.get("name") ?? `tab ${Math.floor(Math.random() * 10_000)}`;
const servers = document.body.dataset["servers"] ?? "ws://127.0.0.1:2180";

function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page lacks #${id}`);
  return found;
}

// Short, so that a closed tab goes soon.
const client = await connect(servers, { sessionTimeoutMs: 2_000 });
const showState = (): void => {
  element("state").textContent = `${name}: ${client.state.type}`;
};
client.onState(showState);
showState();

// ---- the live list

const tabs = await discover(client, "tabs");
const showTabs = (): void => {
  const items = tabs.instances.map(({ id }) => {
    const item = document.createElement("li");
    item.textContent = id;
    return item;
  });
  element("tabs").replaceChildren(...items);
};
tabs.onChange(showTabs);
showTabs();
await register(client, "tabs", { id: name.replaceAll("/", "-") });

// ---- the lock

const lock = new Lock(client, "/locks/tabs", { data: name });
let grant: Grant | undefined;

async function take(): Promise<void> {
  const holder = (await lock.contenders())[0];
  show("waits", holder === undefined ? "waits" : `waits for ${toText(holder.data)}`);
  grant = await lock.acquire();
  show("holds", `holds it, token ${grant.token}`);
  grant.signal.addEventListener("abort", () => show("free", "does not hold it"), { once: true });
}

async function release(): Promise<void> {
  const held = grant;
  grant = undefined;
  if (held !== undefined && !held.released) await held.release();
}

function show(state: "free" | "waits" | "holds", text: string): void {
  const lockElement = element("lock");
  lockElement.dataset["state"] = state;
  lockElement.textContent = text;
}

element("take").addEventListener("click", () => void take());
element("release").addEventListener("click", () => void release());
