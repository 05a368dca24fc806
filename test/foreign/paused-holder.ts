/** Takes a lock, says so, and on a line of input writes to Redis without looking at its grant: `node paused-holder.js URL REDISPORT`. */
import { once } from "node:events";
import { Redis } from "ioredis";
import { FencedRedis } from "../../client/fencing/index.ts";
import { connect, ZabraError } from "../../client/index.ts";
import { Lock } from "../../client/recipes/index.ts";

const [url = "", port = ""] = process.argv.slice(2);
const redis = new Redis({ port: Number(port), host: "127.0.0.1" });
const client = await connect(url, { sessionTimeoutMs: 500 });
const { token } = await new Lock(client, "/l").acquire();
const fenced = new FencedRedis(redis);
await fenced.claim({ token }, "report");
console.log(`holds ${token}`);
await once(process.stdin, "data");
try {
  await fenced.set({ token }, "report", "by the first");
  console.log("written");
} catch (error) {
  console.log(error instanceof ZabraError ? `refused ${error.code}` : String(error));
}
process.exit(0);
