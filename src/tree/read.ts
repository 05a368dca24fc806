/**
 * Answers reads from the committed tree. Checks are ZooKeeper's: the node exists, then READ on it.
 * Answers are bounded by the frame; what does not fit is refused with LIMIT, never cut short.
 */
import { type AuthId, permission } from "../model/acl.ts";
import { assertNever } from "../model/assert.ts";
import { buggify } from "../model/buggify.ts";
import { utf8Encode } from "../model/bytes.ts";
import type { Limits } from "../model/limits.ts";
import { countedPath, formatUsage, isBelowQuotaRoot } from "../model/quota.ts";
import {
  failure,
  type GetAclRequest,
  type GetChildrenRequest,
  type GetEphemeralsRequest,
  type ListRequest,
  type MultiReadRequest,
  type Outcome,
  okOutcome,
  type ReadRequest,
  success,
} from "../model/request.ts";
import type { SessionId } from "../model/zxid.ts";
import { isPermitted, maskedAcl } from "./access.ts";
import type { AclTable } from "./acl-table.ts";
import type { Ephemerals } from "./ephemerals.ts";
import type { ImagePins, PinnedImage } from "./images.ts";
import { type ListPage, listPage } from "./list.ts";
import { checkPath } from "./path-check.ts";
import type { Store, Znode } from "./store.ts";
import { dataBytes, statOf } from "./znode.ts";

export interface ReadContext {
  /** 0: none yet. */
  readonly session: SessionId | 0;
  readonly identities: readonly AuthId[];
  /** Monotonic; ages images. */
  readonly nowMs: number;
}

const derivedPrefix = "/zookeeper/";
const configPath = "/zookeeper/config";

/** What a name costs in a reply besides its text. */
const nameOverheadBytes = 4;

export class TreeReader {
  readonly #store: Store;
  readonly #limits: Limits;
  readonly #acls: AclTable;
  readonly #ephemerals: Ephemerals;
  readonly #images: ImagePins;
  #config: Uint8Array | undefined;

  constructor(store: Store, limits: Limits, acls: AclTable, ephemerals: Ephemerals, images: ImagePins) {
    this.#store = store;
    this.#limits = limits;
    this.#acls = acls;
    this.#ephemerals = ephemerals;
    this.#images = images;
  }

  read(request: ReadRequest, context: ReadContext): Outcome {
    switch (request.type) {
      case "exists":
        // The one read that ZooKeeper validates: a watch on a path that cannot exist would wait for ever.
        if (request.path.includes("\0")) return failure("BAD_ARGUMENTS", "a path must not hold the character U+0000");
        return this.#readNode(request.path, context, answerStat);
      case "getData":
        return this.#readNode(request.path, context, answerData);
      case "countSubtree":
        return this.#readNode(request.path, context, answerCount);
      case "getChildren":
        return this.#getChildren(request, context);
      case "getAcl":
        return this.#getAcl(request, context);
      case "list":
        return this.#list(request, context);
      case "multiRead":
        return this.#multiRead(request, context);
      case "getEphemerals":
        return this.#getEphemerals(request, context);
      case "whoAmI":
        return success({ type: "identities", identities: context.identities.filter((identity) => identity.scheme !== "world") });
      case "sync":
        return okOutcome;
      default:
        return assertNever(request);
    }
  }

  showConfig(text: string): void {
    this.#config = text === "" ? undefined : utf8Encode(text);
  }

  /** A path that is not valid names no node. The config node and a quota's stats node show what is known anyway. */
  #find(path: string): Znode | undefined {
    const node = checkPath(path, this.#limits) === undefined ? this.#store.get(path) : undefined;
    return node !== undefined && path.startsWith(derivedPrefix) ? this.#derived(path, node) : node;
  }

  #derived(path: string, node: Znode): Znode {
    if (path === configPath) return node.data === undefined ? { ...node, data: this.#config } : node;
    return isBelowQuotaRoot(path) ? this.#withUsage(path, node) : node;
  }

  #withUsage(path: string, node: Znode): Znode {
    const counted = countedPath(path);
    if (counted === undefined) return node;
    const usage = this.#store.get(counted);
    const text =
      usage === undefined ? formatUsage(0, 0) : formatUsage(usage.descendants + 1, usage.bytesBelow + dataBytes(usage.data));
    return { ...node, data: utf8Encode(text) };
  }

  #isReadable(node: Znode, context: ReadContext): boolean {
    return isPermitted(this.#acls.get(node.acl), permission.read, context.identities);
  }

  #readNode(path: string, context: ReadContext, answer: (node: Znode) => Outcome): Outcome {
    const node = this.#find(path);
    if (node === undefined) return failure("NO_NODE");
    return this.#isReadable(node, context) ? answer(node) : failure("NO_AUTH");
  }

  #getChildren(request: GetChildrenRequest, context: ReadContext): Outcome {
    const node = this.#find(request.path);
    if (node === undefined) return failure("NO_NODE");
    if (!this.#isReadable(node, context)) return failure("NO_AUTH");
    let bytes = node.numChildren * (nameOverheadBytes + 1);
    if (bytes > this.#limits.frame_bytes_max) return this.#tooLong();
    const names = this.#store.children(request.path, "", Number.MAX_SAFE_INTEGER);
    for (const name of names) bytes += name.length - 1;
    return bytes > this.#limits.frame_bytes_max ? this.#tooLong() : success({ type: "children", names, stat: statOf(node) });
  }

  #tooLong(): Outcome {
    return failure("LIMIT", `frame_bytes_max is ${this.#limits.frame_bytes_max}`);
  }

  /** READ or ADMIN; without ADMIN the hashes of digest ids are hidden. */
  #getAcl(request: GetAclRequest, context: ReadContext): Outcome {
    const node = this.#find(request.path);
    if (node === undefined) return failure("NO_NODE");
    const acl = this.#acls.get(node.acl);
    if (!isPermitted(acl, permission.read | permission.admin, context.identities)) return failure("NO_AUTH");
    const whole = isPermitted(acl, permission.admin, context.identities);
    return success({ type: "acl", acl: whole ? acl : maskedAcl(acl), stat: statOf(node) });
  }

  /** One snapshot: nothing is applied between the reads. */
  #multiRead(request: MultiReadRequest, context: ReadContext): Outcome {
    if (request.reads.length > this.#limits.zookeeper_multi_operations_max)
      return failure("LIMIT", `zookeeper_multi_operations_max is ${this.#limits.zookeeper_multi_operations_max}`);
    const outcomes: Outcome[] = [];
    let bytes = 0;
    for (const read of request.reads) {
      const outcome = this.read(read, context);
      bytes += answerBytes(outcome);
      if (bytes > this.#limits.frame_bytes_max) return this.#tooLong();
      outcomes.push(outcome);
    }
    return success({ type: "multiRead", outcomes, zxid: this.#store.appliedZxid });
  }

  #getEphemerals(request: GetEphemeralsRequest, context: ReadContext): Outcome {
    const all = context.session === 0 ? [] : [...this.#ephemerals.of(context.session)];
    const { prefix } = request;
    const paths = prefix === "" || prefix === "/" ? all : all.filter((path) => path.startsWith(prefix));
    let bytes = 0;
    for (const path of paths) bytes += path.length + nameOverheadBytes;
    return bytes > this.#limits.frame_bytes_max ? this.#tooLong() : success({ type: "paths", paths: paths.sort() });
  }

  #list(request: ListRequest, context: ReadContext): Outcome {
    const { limit, cursor } = request;
    if (!(Number.isInteger(limit) && limit >= 1)) return failure("BAD_ARGUMENTS", "limit must be at least 1");
    if (cursor !== undefined) return this.#laterPage(request, cursor.image, cursor.after, context);
    const node = this.#find(request.path);
    if (node === undefined) return failure("NO_NODE");
    if (!this.#isReadable(node, context)) return failure("NO_AUTH");
    const page = this.#page(this.#store, request, undefined, context);
    if (page.after === undefined)
      return success({ type: "list", entries: page.entries, zxid: this.#store.appliedZxid, cursor: undefined });
    const pin = this.#images.pin(context.nowMs);
    if (pin === undefined) return failure("OVERLOADED", `image_pins_max is ${this.#limits.image_pins_max}`);
    return answerPage(page, pin);
  }

  #laterPage(request: ListRequest, image: number, after: string, context: ReadContext): Outcome {
    if (checkPath(request.path, this.#limits) !== undefined || checkPath(after, this.#limits) !== undefined)
      return failure("BAD_ARGUMENTS", "the cursor is not of this list");
    const pin = this.#images.get(image, context.nowMs);
    if (pin === undefined) return failure("COMPACTED", "the list's image is no longer kept");
    const node = pin.image.get(request.path);
    if (node === undefined) return failure("NO_NODE");
    if (!this.#isReadable(node, context)) return failure("NO_AUTH");
    const page = this.#page(pin.image, request, after, context);
    const answer = answerPage(page, pin);
    if (page.after === undefined) this.#images.done(pin);
    return answer;
  }

  #page(view: Pick<Store, "get" | "children">, request: ListRequest, after: string | undefined, context: ReadContext): ListPage {
    const asked = buggify("a page of one entry") ? { ...request, limit: 1 } : request;
    return listPage(view, asked, after, this.#acls, this.#limits, context.identities);
  }
}

function answerStat(node: Znode): Outcome {
  return success({ type: "stat", stat: statOf(node) });
}

function answerData(node: Znode): Outcome {
  return success({ type: "data", data: node.data, stat: statOf(node) });
}

function answerCount(node: Znode): Outcome {
  return success({ type: "count", count: node.descendants });
}

function answerPage(page: ListPage, pin: PinnedImage): Outcome {
  const cursor = page.after === undefined ? undefined : { image: pin.id, after: page.after };
  return success({ type: "list", entries: page.entries, zxid: pin.image.zxid, cursor });
}

function answerBytes(outcome: Outcome): number {
  const { result } = outcome;
  if (result.type === "data") return result.data === undefined ? 0 : result.data.length;
  if (result.type !== "children") return 0;
  let bytes = 0;
  for (const name of result.names) bytes += name.length + nameOverheadBytes;
  return bytes;
}
