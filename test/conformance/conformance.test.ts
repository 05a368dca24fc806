/**
 * Zabra's ZooKeeper port against the recorded answers of a real ZooKeeper: every reply and event, field by
 * field. What differs is listed in differences.json by name and reason; a listed line that is alike fails too.
 */
import t, { type Test } from "tap";
import { allCases } from "./cases.ts";
import { type Difference, readDifferences, readRecording, startZabra } from "./recording.ts";
import { runCases, type Transcripts } from "./run.ts";

const lanes = 16;
const casesMin = 400;

type Lines = Readonly<Record<string, string | null>>;

/** Where the two differ: what Zabra says, by line. */
function differing(recorded: readonly string[], zabra: readonly string[]): Lines {
  const lines: Record<string, string | null> = {};
  for (let i = 0; i < Math.max(recorded.length, zabra.length); i += 1) if (recorded[i] !== zabra[i]) lines[i] = zabra[i] ?? null;
  return lines;
}

function listedLines(differences: readonly Difference[]): ReadonlyMap<string, Lines> {
  const listed = new Map<string, Lines>();
  for (const { lines } of differences)
    for (const [name, ofCase] of Object.entries(lines)) listed.set(name, { ...listed.get(name), ...ofCase });
  return listed;
}

/** What differs is what is listed, no more and no less. An assertion a case would take longer than the case. */
function compare(t: Test, recorded: Transcripts, zabra: Transcripts, listed: ReadonlyMap<string, Lines>): void {
  let alike = 0;
  for (const { name } of allCases) {
    const lines = differing(recorded[name] ?? [], zabra[name] ?? []);
    const expected = listed.get(name) ?? {};
    if (JSON.stringify(lines) === JSON.stringify(expected)) alike += 1;
    else t.same(lines, expected, name, { zookeeper: recorded[name], zabra: zabra[name] });
  }
  t.equal(alike, allCases.length, "cases are as expected");
}

t.test("every answer is ZooKeeper's, or a listed difference", async (t) => {
  const { transcripts } = readRecording();
  const differences = readDifferences();
  const listed = listedLines(differences);
  const names = new Set(allCases.map(({ name }) => name));
  t.equal(names.size, allCases.length, "names are unique");
  t.ok(names.size >= casesMin, `${names.size} cases`);
  t.same(Object.keys(transcripts), [...names], "the recording is of these cases; else record it anew");
  for (const { name, reason, lines } of differences) {
    t.ok(name.length > 0 && reason.length > 20, `${name} has a reason`);
    t.same(
      Object.keys(lines).filter((one) => !names.has(one)),
      [],
      `${name} lists cases that there are`,
    );
  }
  const server = await startZabra();
  t.teardown(() => server.close());
  compare(t, transcripts, await runCases(server.addresses, allCases, lanes), listed);
});
