/**
 * L-7, calm stays calm: while nothing breaks, whoever leads goes on leading, every session that is connected lives, what is
 * due is reaped, logs are as short as they may be; and the session of a client that is gone for good ends in time.
 */
import type { Cluster } from "../cluster.ts";
import { Check, Invariant } from "./violation.ts";
import { within } from "./within.ts";

export class CalmStaysCalm extends Invariant {
  readonly calm = new Check("L-7 no other leader while all is calm");
  readonly lives = new Check("a session that is connected lives on in calm");
  readonly due = new Check("what is due is reaped");
  readonly trimmed = new Check("logs are trimmed to their history");
  readonly expires = new Check("the session of a client that is gone ends");

  /** `ms` of calm: whoever leads goes on leading. */
  staysCalm(cluster: Cluster, ms: number): void {
    const before = cluster.leader?.id;
    const changes = cluster.checks.marks.get("established") ?? 0;
    cluster.run(ms);
    this.calm.hold(
      cluster.leader?.id === before && (cluster.checks.marks.get("established") ?? 0) === changes,
      () => `server ${before ?? "?"} led, ${ms} ms later server ${cluster.leader?.id ?? "?"} does\n${cluster.describe()}`,
    );
  }

  /** `ms` in which nobody asks anything. What is due is reaped `slackMs` after it was. */
  staysAsItIs(cluster: Cluster, ms: number, slackMs: number): void {
    const sessions = cluster.clients
      .filter((client) => client.connected && client.session !== undefined && !cluster.gone.has(client))
      .map((client) => ({ client, session: client.session as number }));
    this.staysCalm(cluster, ms);
    for (const { client, session } of sessions)
      this.lives.hold(
        client.session === session && client.connected && !cluster.checks.model.isClosed(session),
        () => `client ${client.id} had the session ${session} and nothing happened for ${ms} ms\n${cluster.describe()}`,
      );
    const overdue = cluster.checks.ttl.overdue(ms - slackMs);
    this.due.hold(overdue.length === 0, () => `after ${ms} ms of calm there are still ${overdue.join(" ")}`);
  }

  /** As much history as was asked for, and what segments round that up to: each epoch, and each start, begins one. */
  logsAreTrimmed(cluster: Cluster): void {
    const { history_txns_min, history_bytes_min, log_segment_bytes } = cluster.limits;
    const recent = cluster.checks.ghost.committed.slice(-history_txns_min);
    const wanted = recent.reduce((sum, entry) => sum + entry.payload.length + 64, 0);
    const bound = Math.max(wanted, history_bytes_min) + 16 * log_segment_bytes;
    for (const server of cluster.servers) {
      const bytes = server.logBytes;
      this.trimmed.hold(bytes <= bound, () => `the log of server ${server.id} has ${bytes} bytes, ${bound} would do`);
    }
  }

  sessionEnds(cluster: Cluster, session: number, ms: number): void {
    within(this.expires, cluster, ms, () => cluster.checks.model.isClosed(session));
  }
}
