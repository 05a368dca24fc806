/** Plays one schedule with a trace: `npx tsx test/sim/scenario/play.ts NAME SEED`. */
import { setMutant } from "../../../src/model/mutant.ts";
import { schedules } from "./all.ts";

const [name = "", seed = "1", mutant = ""] = process.argv.slice(2);
setMutant(mutant);
const schedule = schedules.find((one) => one.name.startsWith(name));
if (schedule === undefined) console.log(schedules.map((one) => one.name).join("\n"));
else console.log(schedule.play(Number(seed), (line) => console.log(line)).join(", "));
