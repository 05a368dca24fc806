/**
 * The table of operations: one row an operation, read by dispatch, codecs, docs and status. `class`
 * says who decides: `write` (leader, logged), `read` (the serving server), `local` (the connection).
 */
import type { MultiOperation, RequestType } from "./request.ts";

export interface OperationRow {
  readonly class: "write" | "read" | "local";
  /** Number in the native protocol. */
  readonly number: number;
  /** Opcode on the ZooKeeper port; undefined when ZooKeeper has none. */
  readonly zookeeper: number | undefined;
}

export const operations: { readonly [Type in RequestType | MultiOperation["type"]]: OperationRow } = {
  create: { class: "write", number: 1, zookeeper: 1 },
  delete: { class: "write", number: 2, zookeeper: 2 },
  setData: { class: "write", number: 3, zookeeper: 5 },
  setAcl: { class: "write", number: 4, zookeeper: 7 },
  multi: { class: "write", number: 5, zookeeper: 14 },
  deleteRecursive: { class: "write", number: 6, zookeeper: undefined },
  closeSession: { class: "write", number: 7, zookeeper: -11 },
  createSession: { class: "write", number: 8, zookeeper: -10 },
  renewSession: { class: "write", number: 9, zookeeper: undefined },
  skip: { class: "write", number: 10, zookeeper: undefined },
  exists: { class: "read", number: 20, zookeeper: 3 },
  getData: { class: "read", number: 21, zookeeper: 4 },
  getChildren: { class: "read", number: 22, zookeeper: 12 },
  getAcl: { class: "read", number: 23, zookeeper: 6 },
  list: { class: "read", number: 24, zookeeper: undefined },
  multiRead: { class: "read", number: 25, zookeeper: 22 },
  getEphemerals: { class: "read", number: 26, zookeeper: 103 },
  countSubtree: { class: "read", number: 27, zookeeper: 104 },
  whoAmI: { class: "read", number: 28, zookeeper: 107 },
  sync: { class: "read", number: 29, zookeeper: 9 },
  subscribe: { class: "local", number: 40, zookeeper: undefined },
  unsubscribe: { class: "local", number: 41, zookeeper: undefined },
  addAuth: { class: "local", number: 42, zookeeper: 100 },
  addWatch: { class: "local", number: 43, zookeeper: 106 },
  removeWatches: { class: "local", number: 44, zookeeper: 18 },
  checkWatches: { class: "local", number: 45, zookeeper: 17 },
  setWatches: { class: "local", number: 46, zookeeper: 105 },
  check: { class: "write", number: 11, zookeeper: 13 },
};
