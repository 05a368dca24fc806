/** A crowd in a process of its own, started by `crowd-process.ts`: argv are urls, count and root; it answers each order with one report. */
import { Crowd } from "./crowd.ts";
import type { CrowdOrder, CrowdReport } from "./crowd-process.ts";

const [urls = "", count = "0", root = ""] = process.argv.slice(2);

function send(report: CrowdReport): void {
  process.send?.(report);
}

async function perform(crowd: Crowd, order: CrowdOrder): Promise<void> {
  if (order.type === "allBack") send({ type: "back", ms: await crowd.allBack(order.deadlineMs) });
  else if (order.type === "count")
    send({ type: "counts", lost: crowd.lost, suspended: crowd.suspended, missing: await crowd.missing() });
  else {
    await crowd.leave();
    send({ type: "left" });
    process.disconnect();
  }
}

function failed(error: unknown): void {
  send({ type: "failed", reason: error instanceof Error ? error.message : String(error) });
}

try {
  const crowd = await Crowd.gather(urls.split(","), Number(count), root);
  process.on("message", (order: CrowdOrder) => void perform(crowd, order).catch(failed));
  send({ type: "gathered" });
} catch (error) {
  failed(error);
}
