/**
 * Liveness, on a healed world, each within a bound: a leader and everybody serving (L-1, L-4), no other
 * leader while all is calm (L-7), every call ended (L-2), nothing left in queues (L-5), trees alike (L-3),
 * streams at the end of the log (L-6), and the session of a client that is gone for good expired.
 */
import type { Cluster } from "../cluster.ts";
import { replicaDifference } from "./replicas.ts";
import { Check, Violation } from "./violation.ts";

export class LivenessChecks {
  readonly leader = new Check("L-1 one leader, all serve");
  readonly calls = new Check("L-2 every call ends");
  readonly alike = new Check("L-3 replicas are alike");
  readonly rejoins = new Check("L-4 a server that comes back while all is idle catches up");
  readonly drains = new Check("L-5 queues drain");
  readonly streams = new Check("L-6 streams catch up");
  readonly calm = new Check("L-7 no other leader while all is calm");
  readonly lives = new Check("a session that is connected lives on in calm");
  readonly trimmed = new Check("logs are trimmed to their history");
  readonly expires = new Check("the session of a client that is gone ends");

  /** Runs until `condition` holds, at most `ms`. */
  within(check: Check, cluster: Cluster, ms: number, condition: () => boolean): void {
    const end = cluster.scheduler.now + ms;
    while (cluster.scheduler.now < end && !condition()) cluster.run(cluster.slow);
    check.hold(condition(), () => `not within ${ms} ms\n${cluster.describe()}`);
  }

  oneLeader(cluster: Cluster, ms: number): void {
    // A process that stands still has a status all the same.
    this.within(this.leader, cluster, ms, () => {
      // What a failed disk stopped late, its supervisor starts again.
      for (const server of cluster.servers) if (server.halted) server.start();
      return cluster.servers.every((server) => !server.paused) && allServe(cluster);
    });
  }

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

  callsEnd(cluster: Cluster, ms: number): void {
    this.within(this.calls, cluster, ms, () => cluster.clients.every((client) => client.settled || cluster.gone.has(client)));
    this.within(this.drains, cluster, 2_000 * cluster.slow, () =>
      cluster.servers.every((server) => (server.status()?.outstanding ?? 0) === 0),
    );
  }

  comesBackIdle(cluster: Cluster, id: number): void {
    const server = cluster.server(id);
    server.crash(false);
    cluster.run(30 * cluster.slow);
    server.start();
    this.within(this.rejoins, cluster, 8_000 * cluster.slow, () => {
      const status = server.status();
      return status?.serving === true && status.lastAppliedZxid === cluster.checks.ghost.tip;
    });
  }

  treesAlike(cluster: Cluster, ms: number): void {
    this.within(this.alike, cluster, ms, () => allFlushed(cluster));
    const difference = replicaDifference(cluster);
    if (difference !== undefined) throw new Violation(this.alike.name, difference);
  }

  streamsCatchUp(cluster: Cluster, ms: number): void {
    for (const client of cluster.clients) {
      const { stream } = client;
      if (stream === undefined || client.session === undefined || cluster.gone.has(client)) continue;
      this.within(this.streams, cluster, ms, () => !cluster.checks.watches.lags(stream) || client.session === undefined);
    }
  }

  /**
   * `ms` in which nobody asks anything: whoever leads goes on leading, every session that is connected lives, and what is due is
   * reaped, `slackMs` after it was.
   */
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
    const { reaping } = cluster.checks;
    const overdue = reaping.overdue(ms - slackMs);
    reaping.due.hold(overdue.length === 0, () => `after ${ms} ms of calm there are still ${overdue.join(" ")}`);
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
    this.within(this.expires, cluster, ms, () => cluster.checks.model.isClosed(session));
  }
}

function allServe(cluster: Cluster): boolean {
  let leaders = 0;
  for (const server of cluster.servers) {
    const status = server.status();
    if (status === undefined || !status.serving) return false;
    if (status.role === "leading") leaders += 1;
  }
  return leaders === 1;
}

function allFlushed(cluster: Cluster): boolean {
  const first = cluster.servers[0]?.status()?.flushedZxid;
  return cluster.servers.every((server) => {
    const status = server.status();
    return status?.serving && status.flushedZxid === first && status.lastAppliedZxid === first && status.lastLoggedZxid === first;
  });
}
