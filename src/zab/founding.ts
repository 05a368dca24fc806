/**
 * How an ensemble comes to be, once. The lowest id founds: when it has a link to every voter and none
 * is founded, it makes the cluster id; every voter records `founding`; when all have, FOUNDED is said
 * and each records `founded`. A `founding` record counts as empty in a new attempt, and becomes
 * `founded` on meeting a founded peer of the same cluster. A directory that `zabra recover` chose is founded
 * with its log, and nobody whose log is shorter may ever lead: each voter records that with the founding. An empty server that meets a founded
 * ensemble was wiped: it may come back only with `--rejoin`, and then counts nowhere until a leader
 * has proved itself after our FOLLOWERINFO and synchronised us (ZOOKEEPER-3056 and its kin: an empty
 * directory must never vote). Whoever rejoins says that there was an ensemble: it takes no part in the founding of an empty one,
 * or servers that have all lost their data would begin anew without a word.
 */
import type { EpochRecord } from "../log/epoch-record.ts";
import { mutant } from "../model/mutant.ts";
import { type Epoch, type ServerId, type Zxid, zeroZxid } from "../model/zxid.ts";
import type { ZabContext } from "./context.ts";
import type { FoundMessage, HelloMessage, PeerMessage } from "./message.ts";
import { allVoters, isVoter } from "./quorum.ts";

export interface FoundingOptions {
  readonly context: ZabContext;
  readonly rejoin: boolean;
  readonly boot: number;
  readonly freshClusterId: string;
  /** The first epoch is above this one: zxids go on from those of a service that this ensemble replaces. 0: any. */
  readonly aboveEpoch: Epoch;
}

export class Founding {
  readonly #context: ZabContext;
  readonly #options: FoundingOptions;
  readonly #hellos = new Map<ServerId, HelloMessage>();
  readonly #acked = new Set<ServerId>();
  #attempt: string | undefined;
  #announced: EpochRecord | undefined;
  /** What was found at opening has been saved again. */
  #reread = false;
  /** What to record as soon as the log's files are durable. */
  #founded: Partial<EpochRecord> | undefined;
  #checked = false;

  constructor(options: FoundingOptions) {
    this.#options = options;
    this.#context = options.context;
  }

  get founded(): boolean {
    return this.#context.epochs.durable.foundation === "founded";
  }

  /** What the founding waits for, in words; empty when it is done. */
  get waitingFor(): string {
    if (this.founded) return "";
    if (this.#rejoinsEmpty() && this.#longestLog() === zeroZxid)
      return "this server has no data and was started with --rejoin: it waits for a server whose ensemble is founded";
    const others = this.#voters().filter((id) => id !== this.#context.id);
    const missing = others.filter((id) => !this.#hellos.has(id));
    if (missing.length > 0) return `founding the ensemble waits for server ${missing.join(", ")}`;
    const silent =
      this.#attempt === undefined || this.#context.id !== this.#voters()[0] ? [] : others.filter((id) => !this.#acked.has(id));
    if (silent.length === 0) return "the ensemble is being founded";
    return `founding the ensemble waits for the consent of server ${silent.join(", ")}; one without data that was started with --rejoin gives none`;
  }

  /** It says that it was wiped. */
  #rejoinsEmpty(): boolean {
    const wiped = this.#options.rejoin && this.#context.isVoter && this.#context.record.foundation === "empty";
    return wiped && !mutant("wiped servers that rejoin found an empty ensemble");
  }

  onConnected(peer: ServerId): void {
    if (this.#mayTell()) this.#context.send(peer, this.#hello());
  }

  /** Not before what was found at opening is durable for sure: a killed process may have left it in the page cache alone, and a `founding` told is an ack. */
  #mayTell(): boolean {
    this.#reread ||= !this.#context.epochs.saving || mutant("an epoch record is told before it is durable");
    return this.#reread;
  }

  onLost(peer: ServerId): void {
    this.#hellos.delete(peer);
    this.#acked.delete(peer);
  }

  /** False when the link was closed because the peer does not belong here. */
  onHello(peer: ServerId, message: HelloMessage): boolean {
    const problem = this.#mismatch(message);
    if (problem !== undefined) {
      this.#context.host.log("error", "peer refused", { peer, reason: problem });
      this.#context.host.closeLink(peer, problem);
      return false;
    }
    this.#hellos.set(peer, message);
    // Its ack may have been lost with an earlier link; a hello tells what is durable there just as well.
    if (message.foundation === "founding" && message.clusterId === this.#attempt) this.#acked.add(peer);
    if (message.foundation === "founded") this.#meetFounded(message);
    return true;
  }

  onMessage(peer: ServerId, message: PeerMessage): void {
    if (message.type === "found") this.#onFound(message);
    else if (message.type === "foundAck" && message.clusterId === this.#attempt) this.#acked.add(peer);
    else if (message.type === "founded" && message.clusterId === this.#context.record.clusterId) this.#becomeFounded();
  }

  /** Once a turn: moves on as soon as what it waits for is durable. */
  advance(): void {
    this.#checkFloor();
    this.#announce();
    if (this.#recorded()) return;
    this.#maybeRecordFounded();
    if (this.#founded !== undefined || this.#recorded()) return;
    // Others take no FOUND from a server whose hello they do not have.
    if (this.#context.id === this.#voters()[0] && (this.#mayTell() || mutant("FOUND leaves before the hello")))
      this.#leadFounding();
  }

  #recordedAttempt(): boolean {
    return this.#context.record.foundation !== "empty";
  }

  /** Once: an ensemble that exists cannot be founded above an epoch any more; one that is above it already does not mind. */
  #checkFloor(): void {
    if (this.#checked) return;
    this.#checked = true;
    const { acceptedEpoch, foundation } = this.#context.record;
    const { aboveEpoch } = this.#options;
    if (foundation !== "founded" || aboveEpoch === 0 || acceptedEpoch > aboveEpoch) return;
    this.#context.host.halt(
      78,
      `--found-above-epoch ${aboveEpoch}: this ensemble is founded already, and its epoch is ${acceptedEpoch}; only an ensemble with empty data directories can begin above an epoch`,
    );
  }

  #recorded(): boolean {
    return this.#context.record.foundation === "founded";
  }

  #leadFounding(): void {
    const others = this.#voters().filter((id) => id !== this.#context.id);
    if (this.#attempt === undefined) {
      if (!others.every((id) => (this.#hellos.get(id)?.foundation ?? "founded") !== "founded")) return;
      if (this.#rejoinsEmpty() && this.#longestLog() === zeroZxid) return;
      if (
        mutant("a founding record is not empty") &&
        (this.#recordedAttempt() || others.some((id) => this.#hellos.get(id)?.foundation !== "empty"))
      )
        return;
      this.#attempt = this.#options.freshClusterId;
      this.#record(this.#attempt, this.#longestLog());
      for (const id of others) this.#context.send(id, this.#found(this.#attempt));
    }
    const saved = this.#context.epochs.durable.clusterId === this.#attempt;
    if (saved && others.every((id) => this.#acked.has(id))) this.#becomeFounded();
    else this.#remindLate(others);
  }

  /** A voter that came back after FOUND was sent says `empty` (or an old attempt) again in its hello. */
  #remindLate(others: readonly ServerId[]): void {
    const clusterId = this.#attempt ?? "";
    for (const id of others) {
      const hello = this.#hellos.get(id);
      if (hello === undefined || hello.clusterId === clusterId || this.#acked.has(id)) continue;
      this.#context.send(id, this.#found(clusterId));
      this.#hellos.set(id, { ...hello, clusterId });
    }
  }

  #onFound(message: FoundMessage): void {
    if (this.#context.record.foundation === "founded") return;
    if (this.#rejoinsEmpty() && message.floorZxid === zeroZxid) return;
    this.#attempt = message.clusterId;
    if (this.#context.record.clusterId !== message.clusterId) this.#record(message.clusterId, message.floorZxid);
  }

  #found(clusterId: string): FoundMessage {
    return { type: "found", clusterId, voters: this.#voters(), floorZxid: this.#context.record.floorZxid };
  }

  /** Of a directory that `zabra recover` made the beginning of a new ensemble. The others are empty: without a floor two of them could begin without it. */
  #longestLog(): Zxid {
    let longest = this.#context.log.durableZxid;
    for (const { lastZxid } of this.#hellos.values()) if (lastZxid > longest) longest = lastZxid;
    return longest;
  }

  #record(clusterId: string, floorZxid: Zxid): void {
    const { acceptedEpoch } = this.#context.record;
    const { aboveEpoch } = this.#options;
    // Discovery chooses an epoch above every acceptedEpoch of a quorum, so this is all that it takes.
    const floor = aboveEpoch > acceptedEpoch ? aboveEpoch : acceptedEpoch;
    this.#context.saveEpochs({ clusterId, foundation: "founding", member: true, acceptedEpoch: floor, floorZxid });
  }

  #becomeFounded(): void {
    if (this.#context.record.foundation === "founding") this.#founded = { foundation: "founded" };
  }

  /** Only once the log's own files are durable: a founded server whose log is missing is damaged, not new. */
  #maybeRecordFounded(): void {
    if (this.#founded === undefined || !this.#context.log.idle) return;
    this.#context.saveEpochs(this.#founded);
    this.#founded = undefined;
    this.#context.host.log("info", "the ensemble is founded", { clusterId: this.#context.record.clusterId });
  }

  #meetFounded(message: HelloMessage): void {
    const record = this.#context.record;
    if (record.foundation === "founded") return;
    if (record.foundation === "founding" && record.clusterId === message.clusterId) return this.#becomeFounded();
    if (!this.#context.isVoter) return this.#join(message.clusterId, true);
    if (this.#options.rejoin) return this.#join(message.clusterId, false);
    this.#context.host.halt(
      78,
      `the data directory is empty but the ensemble ${message.clusterId} already counts server ${this.#context.id}: its data was lost; start it with --rejoin to fetch everything from its peers`,
    );
  }

  #join(clusterId: string, member: boolean): void {
    this.#founded = { clusterId, foundation: "founded", member };
    if (!member) this.#context.host.log("warn", "rejoining with an empty data directory", { clusterId });
  }

  /** Says what became durable: acks of FOUND, and `founded` to all. */
  #announce(): void {
    if (!this.#mayTell()) return;
    const durable = this.#context.epochs.durable;
    const before = this.#announced;
    if (durable.foundation === before?.foundation && durable.clusterId === before.clusterId) return;
    this.#announced = durable;
    this.#context.broadcast(this.#hello());
    const founder = this.#voters()[0];
    if (durable.foundation === "founding" && founder !== undefined && founder !== this.#context.id) {
      this.#context.send(founder, { type: "foundAck", clusterId: durable.clusterId });
    }
    if (durable.foundation === "founded") this.#context.broadcast({ type: "founded", clusterId: durable.clusterId });
  }

  #hello(): HelloMessage {
    const durable = this.#context.epochs.durable;
    return {
      type: "hello",
      clusterId: durable.clusterId,
      foundation: durable.foundation,
      voters: this.#voters(),
      observers: this.#context.config.observers,
      boot: this.#options.boot,
      lastZxid: this.#context.log.durableZxid,
    };
  }

  #mismatch(message: HelloMessage): string | undefined {
    const durable = this.#context.epochs.durable;
    if (message.voters.join() !== this.#voters().join())
      return `its voters are ${message.voters.join(",")}, ours ${this.#voters().join(",")}`;
    const bothFounded = message.foundation === "founded" && durable.foundation === "founded";
    if (bothFounded && message.clusterId !== durable.clusterId)
      return `it belongs to the ensemble ${message.clusterId}, we to ${durable.clusterId}`;
    return undefined;
  }

  #voters(): ServerId[] {
    return allVoters(this.#context.config);
  }

  /** Whether `peer` may take part at all: we have its hello and it is in the configuration. */
  knows(peer: ServerId): boolean {
    const member = isVoter(this.#context.config, peer) || this.#context.config.observers.includes(peer);
    return member && this.#hellos.has(peer);
  }
}
