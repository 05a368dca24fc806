/**
 * Damages recorded sessions: by their structure (frames dropped, doubled, swapped, taken from another session;
 * opcodes, xids, lengths and counts replaced, with frame lengths put right again) and without any.
 */

import type { Random } from "../support/random.ts";

export type Session = readonly Buffer[];

const numbers = [0, 1, -1, -2, 2, 13, 14, 22, 100, 101, 105, 106, -11, 0x7f, 0xffff, 0x10_0000, 0x7fff_ffff, -0x8000_0000];

/** The bytes of one input, in the pieces in which they are sent. */
export function damagedSession(corpus: readonly Session[], random: Random): Session {
  const frames = corpus[random.below(corpus.length)]?.flatMap(splitFrames) ?? [];
  for (let i = random.below(4); i >= 0; i -= 1) damageOnce(frames, corpus, random);
  const bytes = Buffer.concat(frames);
  return random.below(3) === 0 ? cutAnywhere(bytes, random) : [bytes];
}

function splitFrames(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  let at = 0;
  while (bytes.length - at >= 4) {
    const end = at + 4 + bytes.readInt32BE(at);
    if (end <= at || end > bytes.length) break;
    frames.push(Buffer.from(bytes.subarray(at, end)));
    at = end;
  }
  if (at < bytes.length) frames.push(Buffer.from(bytes.subarray(at)));
  return frames;
}

function damageOnce(frames: Buffer[], corpus: readonly Session[], random: Random): void {
  // The handshake is damaged less often: behind a broken one nothing is read.
  const at = random.below(5) === 0 ? 0 : Math.min(frames.length - 1, 1 + random.below(frames.length));
  const frame = frames[at];
  if (frame === undefined) return;
  switch (random.below(9)) {
    case 0:
      frames.splice(at, 1);
      return;
    case 1:
      frames.splice(at, 0, Buffer.from(frame));
      return;
    case 2:
      frames.splice(at, 0, ...random.pick(corpus).slice(1).flatMap(splitFrames));
      return;
    case 3:
      frames[at] = withLength(frame.subarray(0, 4 + random.below(frame.length)));
      return;
    case 4:
      frames[at] = withLength(Buffer.concat([frame, Buffer.from([random.below(256), random.below(256)])]));
      return;
    case 5:
      if (frame.length >= 4) frame.writeInt32BE(random.pick(numbers), 0);
      return;
    case 6:
      if (frame.length >= 12)
        frame.writeInt32BE(random.below(3) === 0 ? random.below(110) : random.pick(numbers), 4 * (1 + random.below(2)));
      return;
    case 7:
      return replaceNumber(frame, random);
    default:
      return replaceBytes(frame, random);
  }
}

function withLength(bytes: Buffer): Buffer {
  const frame = Buffer.from(bytes);
  if (frame.length >= 4) frame.writeInt32BE(frame.length - 4, 0);
  return frame;
}

/** Some length, count, version, flag or perms. */
function replaceNumber(frame: Buffer, random: Random): void {
  if (frame.length < 16) return;
  const at = 12 + random.below(frame.length - 15);
  frame.writeInt32BE(random.below(2) === 0 ? random.pick(numbers) : (frame.readInt32BE(at) + random.below(5) - 2) | 0, at);
}

function replaceBytes(frame: Buffer, random: Random): void {
  for (let i = 1 + random.below(4); i > 0 && frame.length > 0; i -= 1) frame[random.below(frame.length)] = random.below(256);
}

function cutAnywhere(bytes: Buffer, random: Random): Session {
  const cut = random.below(bytes.length + 1);
  return [bytes.subarray(0, cut), bytes.subarray(cut)];
}
