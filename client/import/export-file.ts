/**
 * The text form of a tree: JSON, one value a line. First a head, then the nodes with parents before
 * children, then an end with their number and digest, so that a file that is cut off or changed is found out.
 *
 *     {"zabra-export":1,"path":"/","zxid":4294967301}
 *     {"path":"/a","data":"text"}    or "base64"; neither: no data. "acl", "kind", "ttlMs" and "creates" (the number of
 *     {"end":"3:0123456789abcdef"}   children ever created) only where they are not the usual.
 */
import { createReadStream } from "node:fs";
import { type Acl, openAcl } from "../../src/model/acl.ts";
import type { NodeKind } from "../../src/model/request.ts";
import { toText } from "../data.ts";
import { ImportError, importFailure } from "./failure.ts";
import { hashOf, type PortableNode, TreeDigest } from "./node.ts";

const formatVersion = 1;
/** Far above the largest node: base64 and JSON's escapes included. */
const lineCharsMax = 64 << 20;
const encoder = new TextEncoder();

export interface ExportHead {
  readonly path: string;
  readonly zxid: number;
}

/** The lines of a file, each with its newline. */
export async function* exportLines(
  head: ExportHead,
  nodes: AsyncIterable<PortableNode>,
): AsyncGenerator<string, void, undefined> {
  const digest = new TreeDigest();
  yield `${JSON.stringify({ "zabra-export": formatVersion, ...head })}\n`;
  for await (const node of nodes) {
    digest.add(hashOf(node));
    yield `${JSON.stringify(lineOf(node))}\n`;
  }
  yield `${JSON.stringify({ end: digest.toString() })}\n`;
}

function lineOf(node: PortableNode): Record<string, unknown> {
  const { path, data, acl, kind, ttlMs, childCreates } = node;
  return {
    path,
    ...dataFields(data),
    ...(isOpen(acl) ? {} : { acl }),
    ...(kind === "persistent" ? {} : { kind }),
    ...(ttlMs === 0 ? {} : { ttlMs }),
    ...(childCreates <= 0 ? {} : { creates: childCreates }),
  };
}

function dataFields(data: Uint8Array | undefined): { data?: string; base64?: string } {
  if (data === undefined) return {};
  const text = toText(data);
  return Buffer.from(text).equals(data) ? { data: text } : { base64: Buffer.from(data).toString("base64") };
}

function isOpen(acl: Acl): boolean {
  const [entry, ...more] = acl;
  const [open] = openAcl;
  return more.length === 0 && entry?.scheme === open?.scheme && entry?.id === open?.id && entry?.perms === open?.perms;
}

// ---- reading

/** Checks all of the file before anything is done with it. Rejects with ImportError. */
export async function checkExport(path: string): Promise<ExportHead & { readonly nodes: number }> {
  const reader = new ExportReader(path);
  let nodes = 0;
  for await (const _ of reader.nodes()) nodes += 1;
  return { ...reader.head, nodes };
}

export async function* readExport(path: string): AsyncGenerator<PortableNode, void, undefined> {
  yield* new ExportReader(path).nodes();
}

class ExportReader {
  readonly #file: string;
  #line = 0;
  #head: ExportHead | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  get head(): ExportHead {
    return this.#head ?? { path: "/", zxid: 0 };
  }

  async *nodes(): AsyncGenerator<PortableNode, void, undefined> {
    const digest = new TreeDigest();
    let end: string | undefined;
    for await (const value of this.#values()) {
      if (end !== undefined) throw this.#failure("comes after the end");
      if (this.#head === undefined) this.#head = this.#readHead(value);
      else if (typeof value["end"] === "string") end = value["end"];
      else {
        const node = this.#readNode(value);
        digest.add(hashOf(node));
        yield node;
      }
    }
    if (this.#head === undefined || end === undefined) throw importFailure(`${this.#file} is cut off: its last line is no end`);
    if (end !== digest.toString())
      throw importFailure(`${this.#file} was changed: its nodes have the digest ${digest}, its end says ${end}`);
  }

  async *#values(): AsyncGenerator<Record<string, unknown>, void, undefined> {
    for await (const line of this.#lines()) {
      this.#line += 1;
      const text = line.trimEnd();
      if (text !== "") yield this.#parse(text);
    }
  }

  /** By newlines alone: `node:readline` of newer Nodes breaks lines at U+2028 too, which JSON leaves as it is. */
  async *#lines(): AsyncGenerator<string, void, undefined> {
    let rest = "";
    try {
      for await (const chunk of createReadStream(this.#file, { encoding: "utf8" })) {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() ?? "";
        if (rest.length > lineCharsMax) throw importFailure(`${this.#file} has a line of more than ${lineCharsMax} characters`);
        yield* lines;
      }
    } catch (error) {
      throw error instanceof ImportError
        ? error
        : importFailure(`${this.#file} cannot be read: ${error instanceof Error ? error.message : String(error)}`, error);
    }
    yield rest;
  }

  #parse(text: string): Record<string, unknown> {
    try {
      const value: unknown = JSON.parse(text);
      if (isRecord(value)) return value;
    } catch {
      // Said below, with the line.
    }
    throw this.#failure("is no JSON object");
  }

  #readHead(value: Record<string, unknown>): ExportHead {
    const { path, zxid } = value;
    if (value["zabra-export"] !== formatVersion) throw this.#failure(`is no head of a zabra export of version ${formatVersion}`);
    if (typeof path !== "string" || typeof zxid !== "number") throw this.#failure("needs a path and a zxid");
    return { path, zxid };
  }

  #readNode(value: Record<string, unknown>): PortableNode {
    const { path, kind = "persistent", ttlMs = 0, creates = -1 } = value;
    if (typeof path !== "string" || !path.startsWith("/")) throw this.#failure('needs a "path" that begins with /');
    if (typeof kind !== "string" || !isKind(kind)) throw this.#failure('has a "kind" other than persistent, container and ttl');
    if (!isCount(ttlMs) || (ttlMs === 0) !== (kind !== "ttl"))
      throw this.#failure('needs a "ttlMs" for kind ttl, and for no other');
    if (creates !== -1 && !isCount(creates)) throw this.#failure('"creates" must be a number that is not negative');
    return { path, data: this.#data(value), acl: this.#acl(value["acl"]), kind, ttlMs, childCreates: creates };
  }

  #data({ data, base64 }: Record<string, unknown>): Uint8Array | undefined {
    if (typeof data === "string") return encoder.encode(data);
    if (typeof base64 === "string") return new Uint8Array(Buffer.from(base64, "base64"));
    if (data === undefined && base64 === undefined) return undefined;
    throw this.#failure('"data" and "base64" must be texts');
  }

  #acl(value: unknown): Acl {
    if (value === undefined) return openAcl;
    if (!Array.isArray(value) || value.length === 0) throw this.#failure('"acl" must be a list with an entry');
    return value.map((entry: unknown) => {
      if (!isRecord(entry)) throw this.#failure("has an ACL entry that is no object");
      const { perms, scheme, id } = entry;
      if (!isCount(perms) || typeof scheme !== "string" || typeof id !== "string")
        throw this.#failure("has an ACL entry without perms, scheme and id");
      return { perms, scheme, id };
    });
  }

  #failure(problem: string): Error {
    return importFailure(`${this.#file}, line ${this.#line}: ${problem}`);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isKind(value: string): value is NodeKind {
  return value === "persistent" || value === "container" || value === "ttl";
}
