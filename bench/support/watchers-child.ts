/** Watchers in a process of its own, started by `watchers-process.ts`: argv are urls, count and path; it answers each order with one report. */
import { Watchers } from "./watchers.ts";
import type { WatchersOrder, WatchersReport } from "./watchers-process.ts";

const [urls = "", count = "0", path = ""] = process.argv.slice(2);

function send(report: WatchersReport): void {
  process.send?.(report);
}

async function perform(watchers: Watchers, order: WatchersOrder): Promise<void> {
  if (order.type === "take") send({ type: "taken", ...watchers.take() });
  else if (order.type === "await") {
    await watchers.have(order.value);
    send({ type: "have" });
  } else {
    await watchers.close();
    send({ type: "closed" });
    process.disconnect();
  }
}

const watchers = await Watchers.open(urls.split(","), Number(count), path);
process.on("message", (order: WatchersOrder) => void perform(watchers, order));
send({ type: "opened" });
