/**
 * Deletes a subtree of any size. One txn takes a bounded number of nodes; beyond that the server says
 * LIMIT, and the tree is taken apart from below: first each child's subtree, then the node again. Not
 * atomic, and nodes that others create meanwhile are deleted too.
 */
import type { Client } from "./client.ts";
import { unless, ZabraError } from "./error.ts";
import type { WriteOptions } from "./operations.ts";

export interface DeleteRecursiveOptions extends WriteOptions {
  /** Told how many nodes are gone so far, after each txn. */
  readonly onProgress?: ((deleted: number) => void) | undefined;
}

/** Children of a node whose subtrees are deleted at the same time. */
const parallel = 32;
/** A node that keeps growing while it is deleted is given up after so many rounds. */
const roundsMax = 100;

type DeleteOnce = (path: string) => Promise<unknown>;

export async function deleteSubtree(
  client: Client,
  path: string,
  options: DeleteRecursiveOptions,
  deleteOnce: DeleteOnce,
): Promise<number> {
  const removal = new Removal(client, options, deleteOnce);
  await removal.deleteTree(path);
  return removal.deleted;
}

class Removal {
  readonly #client: Client;
  readonly #options: DeleteRecursiveOptions;
  readonly #deleteOnce: DeleteOnce;
  deleted = 0;

  constructor(client: Client, options: DeleteRecursiveOptions, deleteOnce: DeleteOnce) {
    this.#client = client;
    this.#options = options;
    this.#deleteOnce = deleteOnce;
  }

  async deleteTree(path: string): Promise<void> {
    for (let round = 0; round < roundsMax; round += 1) {
      const count = (await this.#client.countSubtree(path, this.#options)) + 1;
      const done = await unless(
        "LIMIT",
        this.#deleteOnce(path).then(() => true),
      );
      if (done === true) return this.#count(count);
      await unless("COMPACTED", this.#deleteBelow(path));
    }
    throw new ZabraError("LIMIT", { path, detail: "the node keeps growing" });
  }

  #count(nodes: number): void {
    this.deleted += nodes;
    this.#options.onProgress?.(this.deleted);
  }

  /** A page that comes too late (COMPACTED) ends the round; what is left is seen in the next. */
  async #deleteBelow(path: string): Promise<void> {
    let batch: Promise<unknown>[] = [];
    const { signal, timeoutMs } = this.#options;
    for await (const entry of this.#client.list(path, { signal, timeoutMs })) {
      batch.push(unless("NO_NODE", entry.stat.numChildren === 0 ? this.#deleteLeaf(entry.path) : this.deleteTree(entry.path)));
      if (batch.length < parallel) continue;
      await Promise.all(batch);
      batch = [];
    }
    await Promise.all(batch);
  }

  async #deleteLeaf(path: string): Promise<void> {
    await this.#deleteOnce(path);
    this.#count(1);
  }
}
