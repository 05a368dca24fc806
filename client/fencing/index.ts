/** `zabra/fencing`: makes other systems refuse a holder that stood still while another took over. */
export { type Command, FencedRedis, type Holder, type RedisLike } from "./redis.ts";
