/** What every fuzzer is to the command that plays them. */
export type Draw = (bound: number) => number;

export interface Fuzzer {
  readonly name: string;
  /** One input. True when it was taken, false when it was refused as it should be; throws otherwise. */
  readonly play: (random: Draw) => boolean;
}

export interface LiveFuzzer {
  readonly name: string;
  /** Throws what is wrong. Each input is a connection of its own to a server of this process. */
  readonly play: (seed: number, inputs: number) => Promise<void>;
}
