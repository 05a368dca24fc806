/**
 * Images pinned for paged lists: all pages of a list come from one, so they show the tree at one
 * zxid. Bounded in number (the store's own bound, too) and in age; a page that comes later gets
 * COMPACTED, and its client starts anew. Lists that begin at the same zxid share an image.
 */
import { buggify } from "../model/buggify.ts";
import type { Limits } from "../model/limits.ts";
import { mutant } from "../model/mutant.ts";
import type { Store, StoreImage } from "./store.ts";

export interface PinnedImage {
  readonly id: number;
  readonly image: StoreImage;
  readonly pinnedMs: number;
  /** Lists that began on it. A shared one stays until it is too old, because one list cannot know that the others have ended. */
  lists: number;
}

export class ImagePins {
  readonly #store: Store;
  readonly #limits: Limits;
  /** Oldest first. */
  readonly #pins = new Map<number, PinnedImage>();
  #newest: PinnedImage | undefined;
  #nextId = 1;

  constructor(store: Store, limits: Limits) {
    this.#store = store;
    this.#limits = limits;
  }

  get size(): number {
    return this.#pins.size;
  }

  /** An image of the tree as it is now; undefined when too many are pinned. */
  pin(nowMs: number): PinnedImage | undefined {
    this.expire(nowMs);
    const newest = this.#newest;
    if (
      newest !== undefined &&
      (newest.image.zxid === this.#store.appliedZxid || mutant("a list from an old image")) &&
      nowMs - newest.pinnedMs < this.#limits.image_pin_ms / 2
    ) {
      newest.lists += 1;
      return newest;
    }
    if (this.#pins.size >= this.#limits.image_pins_max) return undefined;
    const image = this.#store.image();
    if (image === undefined) return undefined;
    const pin = { id: this.#nextId, image, pinnedMs: nowMs, lists: 1 };
    this.#nextId += 1;
    this.#pins.set(pin.id, pin);
    this.#newest = pin;
    return pin;
  }

  get(id: number, nowMs: number): PinnedImage | undefined {
    this.expire(nowMs);
    return this.#pins.get(id);
  }

  /** A list on this image has ended. */
  done(pin: PinnedImage): void {
    if (pin.lists === 1) this.#release(pin);
  }

  expire(nowMs: number): void {
    if (this.#pins.size > 0 && buggify("a list's image is given up")) return this.releaseAll();
    for (const pin of this.#pins.values()) {
      if (nowMs - pin.pinnedMs < this.#limits.image_pin_ms) break;
      this.#release(pin);
    }
  }

  /** The store is about to be replaced, or the server stops. */
  releaseAll(): void {
    for (const pin of [...this.#pins.values()]) this.#release(pin);
  }

  #release(pin: PinnedImage): void {
    this.#pins.delete(pin.id);
    if (this.#newest === pin) this.#newest = undefined;
    pin.image.release();
  }
}
