/** What a case is. */
import type { Scene, SceneClient } from "../scene.ts";

export interface Case {
  readonly name: string;
  /** Waits for a timer of the server: such cases run beside each other. */
  readonly slow?: boolean;
  /** `t`: the path of the case's own node. */
  run(scene: Scene, t: string): Promise<void>;
}

export type Step = (a: SceneClient, t: string) => Promise<void>;

/** A case of one client. */
export function alone(name: string, step: Step): Case {
  return { name, run: async (scene, t) => step(await scene.client("a"), t) };
}

/** A case of two clients; `a` is the one that watches, `b` the one that acts. */
export function pair(name: string, step: (a: SceneClient, b: SceneClient, t: string) => Promise<void>): Case {
  return { name, run: async (scene, t) => step(await scene.client("a"), await scene.client("b"), t) };
}
