/**
 * A consistent view of the store: the generations that were frozen when it was taken, over an image of the
 * KeyValue. Whether that image already holds a flush in flight does not matter: the generations on
 * top of it hold the same values.
 */
import { assert } from "../model/assert.ts";
import type { Zxid } from "../model/zxid.ts";
import type { KeyValueImage } from "./key-value.ts";
import type { StoreImage, Znode } from "./store.ts";
import type { Generation } from "./store-generation.ts";
import { type Layers, readChildren, readNode } from "./store-read.ts";

export class PinnedImage implements StoreImage {
  readonly zxid: Zxid;
  readonly #layers: readonly Generation[];
  readonly #view: KeyValueImage;
  readonly #onRelease: (image: PinnedImage) => void;
  #released = false;

  constructor(layers: readonly Generation[], view: KeyValueImage, zxid: Zxid, onRelease: (image: PinnedImage) => void) {
    for (const layer of layers) {
      assert(layer.frozen, "an image reads frozen generations");
      layer.pins += 1;
    }
    this.zxid = zxid;
    this.#layers = layers;
    this.#view = view;
    this.#onRelease = onRelease;
  }

  get layers(): Layers {
    return this.#layers;
  }

  get(path: string): Znode | undefined {
    assert(!this.#released, "a released image must not be read");
    return readNode(this.#layers, this.#view, path);
  }

  children(path: string, after: string, limit: number): string[] {
    assert(!this.#released, "a released image must not be read");
    return readChildren(this.#layers, this.#view, path, after, limit);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    for (const layer of this.#layers) layer.pins -= 1;
    this.#view.release();
    this.#onRelease(this);
  }
}
