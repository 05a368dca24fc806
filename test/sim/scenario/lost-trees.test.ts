/** Tree stores that are lost while logs are not. */
import { lostTreeSchedules } from "./lost-trees.ts";
import { playAll } from "./suite.ts";

playAll(lostTreeSchedules);
