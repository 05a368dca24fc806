/** ZooKeeper's historic bugs, and those that this simulator found, as scenarios. */
import { bugScenarios } from "./bugs.ts";
import { playAll } from "./suite.ts";

playAll(bugScenarios);
