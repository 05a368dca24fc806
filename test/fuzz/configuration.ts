/** Damaged flags: a configuration, or a ConfigError. */
import { ConfigError, readConfig } from "../../server/config.ts";
import { damage } from "../wire/fuzz-targets.ts";
import type { Fuzzer } from "./fuzzer.ts";

const settings = ["id", "data-dir", "ensemble", "rejoin", "http", "zk", "peer", "log-level", "allow-origin", "lease-reads"];
const values = ["1", "1=127.0.0.1:2888", "1=a:1,2=b:2,3=c:3:observer", "on", "off", "[::1]:80", "info", "https://x", "", "255"];

export const configuration: Fuzzer = {
  name: "configuration",
  play: (random) => {
    const flags: Record<string, string> = {};
    for (let i = random(6); i >= 0; i -= 1) {
      const value = Buffer.from(damage(Buffer.from(values[random(values.length)] ?? ""), random)).toString("latin1");
      flags[settings[random(settings.length)] ?? "id"] = random(3) === 0 ? (values[random(values.length)] ?? "") : value;
    }
    try {
      readConfig(flags, {});
      return true;
    } catch (error) {
      if (error instanceof ConfigError) return false;
      throw new Error(`${String(error)} from ${JSON.stringify(flags)}`);
    }
  },
};
