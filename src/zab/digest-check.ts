/**
 * Replicas that differ are found by their tree digests, which travel with heartbeat acks as
 * (zxid, digest) (ZOOKEEPER-3114, which only counts mismatches). At a difference the leader asks every
 * voter for its digest at that zxid. The servers that differ from a quorum are fenced and synchronised
 * anew, the leader too. While nobody knows who is right, both sides stop serving but go on logging and
 * voting; when all voters have been heard and no quorum agrees, the server stops (exit 70).
 */
import { mutant } from "../model/mutant.ts";
import { type ServerId, type Zxid, zeroZxid } from "../model/zxid.ts";
import type { Digest, ZabContext } from "./context.ts";
import type { DigestReplyMessage } from "./message.ts";
import { allVoters, hasQuorum } from "./quorum.ts";

export class DigestCheck {
  readonly #context: ZabContext;
  /** The zxid under dispute, and who said what there. */
  #zxid: Zxid | undefined;
  readonly #reports = new Map<ServerId, Digest>();
  weDiffer = false;

  constructor(context: ZabContext) {
    this.#context = context;
  }

  onReport(from: ServerId, zxid: Zxid, digest: Digest): void {
    const ours = zxid === zeroZxid ? undefined : this.#context.host.digestAt(zxid);
    if (ours === undefined) return;
    if (this.#zxid !== undefined) return this.#onLaterReport(from, zxid, ours, digest);
    if (same(ours, digest)) return;
    this.#context.host.log("error", "tree digests differ", { server: from, zxid });
    this.#context.mark("digest mismatch");
    this.#context.suspended = true;
    this.#context.send(from, { type: "fence", zxid, resync: false });
    this.#dispute(from, zxid, ours, digest);
  }

  /** A third voice, maybe of a server that was away and knows nothing of the disputed zxid: then the dispute moves to its zxid. */
  #onLaterReport(from: ServerId, zxid: Zxid, ours: Digest, digest: Digest): void {
    if (zxid === this.#zxid) {
      this.#reports.set(from, digest);
      this.#decide();
    } else if (zxid > (this.#zxid ?? zeroZxid)) this.#dispute(from, zxid, ours, digest);
  }

  #dispute(from: ServerId, zxid: Zxid, ours: Digest, digest: Digest): void {
    this.#zxid = zxid;
    this.#reports.clear();
    this.#reports.set(this.#context.id, ours);
    this.#reports.set(from, digest);
    for (const peer of this.#context.links.keys()) if (peer !== from) this.#context.send(peer, { type: "digestQuery", zxid });
    this.#decide();
  }

  onReply(from: ServerId, message: DigestReplyMessage): void {
    if (message.zxid !== this.#zxid || !message.known) return;
    this.#reports.set(from, { high: message.digestHigh, low: message.digestLow });
    this.#decide();
  }

  #decide(): void {
    const { config, id } = this.#context;
    for (const digest of this.#reports.values()) {
      if (hasQuorum(config, (server) => this.#agrees(server, digest))) return this.#fenceOthers(digest);
    }
    if (!allVoters(config).every((server) => this.#reports.has(server)) && !mutant("a digest tie stops both at once")) return;
    this.#context.host.halt(70, `server ${id}: no two trees of a quorum agree at zxid ${this.#zxid ?? 0}`);
  }

  #agrees(server: ServerId, digest: Digest): boolean {
    const report = this.#reports.get(server);
    return report !== undefined && same(report, digest);
  }

  #fenceOthers(right: Digest): void {
    const zxid = this.#zxid;
    if (zxid === undefined) return;
    this.#zxid = undefined;
    for (const [server, digest] of this.#reports) {
      const differs = !same(digest, right);
      if (server === this.#context.id) this.#settleOurs(differs);
      else if (differs) this.#context.send(server, { type: "fence", zxid, resync: true });
    }
  }

  #settleOurs(differs: boolean): void {
    this.#context.suspended = false;
    this.#context.fenced = differs;
    this.weDiffer = differs;
  }
}

function same(a: Digest, b: Digest): boolean {
  return a.high === b.high && a.low === b.low;
}
