/**
 * Store images that snapshots of streams page through, shared by streams that subscribed at the same
 * zxid: a thousand clients that come back at once pin one image. An image is held for at most
 * `image_pin_ms`, then released under its readers, who see `live` false. Belongs to `stream-table.ts`.
 */
import { assert } from "../model/assert.ts";
import type { Limits } from "../model/limits.ts";
import type { Zxid } from "../model/zxid.ts";
import type { StoreImage } from "../tree/store.ts";

export interface ImagePin {
  readonly image: StoreImage;
  readonly pinnedMs: number;
  users: number;
  /** False: released, reads are no longer possible. */
  live: boolean;
}

export class ImagePins {
  readonly #limits: Limits;
  readonly #images: () => StoreImage | undefined;
  /** In order of age. Invariant: all live, each with a user. */
  readonly #pins: ImagePin[] = [];

  constructor(limits: Limits, images: () => StoreImage | undefined) {
    this.#limits = limits;
    this.#images = images;
  }

  /** An image of the state at `zxid`, the applied one; undefined when too many are pinned. */
  acquire(zxid: Zxid, nowMs: number): ImagePin | undefined {
    const youngest = this.#pins[this.#pins.length - 1];
    if (youngest !== undefined && this.#shareable(youngest, zxid, nowMs)) {
      youngest.users += 1;
      return youngest;
    }
    const image = this.#images();
    if (image === undefined) return undefined;
    assert(image.zxid === zxid, "an image must show the applied state, never an older one");
    const pin: ImagePin = { image, pinnedMs: nowMs, users: 1, live: true };
    this.#pins.push(pin);
    return pin;
  }

  /** A late sharer must have time left to read it. */
  #shareable(pin: ImagePin, zxid: Zxid, nowMs: number): boolean {
    return pin.image.zxid === zxid && nowMs - pin.pinnedMs <= this.#limits.image_pin_ms / 2;
  }

  release(pin: ImagePin): void {
    pin.users -= 1;
    assert(pin.users >= 0, "a pin was released too often");
    if (pin.users > 0 || !pin.live) return;
    this.#pins.splice(this.#pins.indexOf(pin), 1);
    this.#end(pin);
  }

  /** Releases images held for too long. */
  expire(nowMs: number): void {
    for (let pin = this.#pins[0]; pin !== undefined; pin = this.#pins[0]) {
      if (nowMs - pin.pinnedMs < this.#limits.image_pin_ms) return;
      this.#pins.shift();
      this.#end(pin);
    }
  }

  #end(pin: ImagePin): void {
    pin.live = false;
    pin.image.release();
  }
}
