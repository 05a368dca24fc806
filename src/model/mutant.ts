/**
 * Planted bugs for the simulator: a check that never fails proves nothing, so tests switch one rule
 * off by name and must see the simulator go red. Inert in servers: nothing outside `test/` sets one.
 */
let active = "";

export function setMutant(name: string): void {
  active = name;
}

/** True while a test has planted this bug. */
export function mutant(name: string): boolean {
  return active === name;
}
