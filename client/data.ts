/** Data of znodes: bytes on the wire, text where people like it. */
import type { ReadLevel } from "../src/model/request.ts";
import type { Stat } from "../src/model/stat.ts";
import type { Zxid } from "../src/model/zxid.ts";

/** Text is stored as UTF-8; undefined is a node without data. */
export type DataInput = Uint8Array | string | undefined;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Text as UTF-8; bytes, and no data, as they are. */
export function toBytes(data: DataInput): Uint8Array | undefined {
  return typeof data === "string" ? encoder.encode(data) : data;
}

/** The text of UTF-8 bytes; of no data, the empty text. */
export function toText(data: Uint8Array | undefined): string {
  return data === undefined ? "" : decoder.decode(data);
}

/** A znode as it was read. */
export class NodeValue {
  readonly path: string;
  readonly data: Uint8Array | undefined;
  readonly stat: Stat;
  /** Of the state that was read. */
  readonly zxid: Zxid;
  /** The level that the read was served at. */
  readonly level: ReadLevel["type"];

  constructor(path: string, data: Uint8Array | undefined, stat: Stat, zxid: Zxid, level: ReadLevel["type"]) {
    this.path = path;
    this.data = data;
    this.stat = stat;
    this.zxid = zxid;
    this.level = level;
  }

  get text(): string {
    return toText(this.data);
  }

  /** The data as JSON. Throws a SyntaxError when it is none. */
  json(): unknown {
    return JSON.parse(this.text);
  }
}
