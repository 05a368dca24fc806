/**
 * Every bound and every time of the system, in one value that is passed in: `productionLimits` for
 * servers, `tinyLimits` for the simulator, where each limit is met all the time. Units are last in
 * the name. `checkLimits` asserts the relations that safety or liveness rests on.
 */
import { assert } from "./assert.ts";
import { mutant } from "./mutant.ts";

export interface Limits {
  // ---- requests
  /** Of a client's request, and roughly of a reply: data of the largest size, and room for what stands around it. */
  readonly frame_bytes_max: number;
  /** A reply on the ZooKeeper port, header included: over its `jute.maxbuffer` a client drops the connection and asks again, for ever. */
  readonly zookeeper_reply_bytes_max: number;
  readonly path_bytes_max: number;
  readonly path_depth_max: number;
  readonly data_bytes_max: number;
  /** Of a multi's branch on the native protocol. */
  readonly multi_operations_max: number;
  /** Of a multi on the ZooKeeper port, where only the frame bounds it, and of a multiRead on both. */
  readonly zookeeper_multi_operations_max: number;
  readonly guards_max: number;
  readonly acl_entries_max: number;
  /** Distinct ACLs in the tree. */
  readonly acls_max: number;
  readonly list_page_max: number;
  readonly delete_recursive_nodes_max: number;
  readonly ephemerals_per_session_max: number;
  /** Of all of them: they are removed in one txn, which names each. */
  readonly ephemeral_path_bytes_per_session_max: number;
  // ---- connections
  readonly connections_max: number;
  readonly outstanding_per_connection_max: number;
  readonly watches_per_connection_max: number;
  /** Log read to tell persistent watches of the ZooKeeper port what they missed; beyond it, one event stands for all. */
  readonly watch_replay_bytes_max: number;
  readonly streams_per_connection_max: number;
  readonly output_bytes_per_connection_max: number;
  // ---- sessions
  readonly session_timeout_ms_min: number;
  readonly session_timeout_ms_max: number;
  readonly session_timeout_ms_default: number;
  /** Results kept for a session's resent writes. */
  readonly replies_per_session_max: number;
  readonly reply_bytes_per_session_max: number;
  readonly reply_bytes_max: number;
  readonly reply_bytes_per_operation: number;
  // ---- leader
  /** Proposed and not yet committed. */
  readonly outstanding_txns_max: number;
  readonly outstanding_bytes_max: number;
  /** Entries of one PROPOSAL; also of one log batch. */
  readonly proposal_bytes_max: number;
  // ---- times, all on the monotonic clock
  readonly heartbeat_ms: number;
  /** P: how long a follower that acked a heartbeat helps nobody else, from its receipt. */
  readonly promise_ms: number;
  readonly lease_guard_ms: number;
  /** ρ: two clocks' rates differ by at most this part. */
  readonly clock_drift_max: number;
  /** Silence of the leader on a live link before a follower looks for another; a leader without a quorum's acks steps down. */
  readonly silence_ms: number;
  /** A leader whose own fdatasync takes longer steps down. */
  readonly sync_stall_ms: number;
  /** Discovery and synchronisation without progress end after this. */
  readonly establish_ms: number;
  readonly vote_resend_ms: number;
  /** How long to wait for a better vote when not every voter has been heard. */
  readonly finalize_vote_ms: number;
  readonly request_wait_ms: number;
  /** How long a server has known no leader when it begins to serve read-only sessions, if it may. */
  readonly read_only_after_ms: number;
  // ---- epochs
  /** Counter at which a hand-over to the next epoch begins, and the last counter used. */
  readonly handover_counter: number;
  readonly counter_max: number;
  // ---- log and history
  readonly log_segment_bytes: number;
  readonly log_marker_idle_ms: number;
  readonly history_txns_min: number;
  readonly history_bytes_min: number;
  readonly history_bytes_max: number;
  readonly history_memory_bytes: number;
  readonly free_space_reserve_bytes: number;
  // ---- store
  readonly flush_interval_ms: number;
  readonly flush_bytes: number;
  readonly image_pins_max: number;
  readonly image_pin_ms: number;
  readonly snapshot_chunk_bytes: number;
  /** How far a learner may lag, in bytes of log sent and not yet acked. */
  readonly sync_window_bytes: number;
  // ---- housekeeping
  readonly cluster_time_stamp_ms: number;
  readonly reap_interval_ms: number;
  readonly digest_ring_size: number;
}

const mebibyte = 1 << 20;
/** A path of the longest, an ACL, guards, and the fields' own bytes. */
const frameHeaderBytes = 16 * 1024;

export const productionLimits: Limits = {
  frame_bytes_max: mebibyte + 64 * 1024,
  zookeeper_reply_bytes_max: 0xf_ffff,
  path_bytes_max: 1024,
  path_depth_max: 64,
  data_bytes_max: mebibyte,
  multi_operations_max: 128,
  zookeeper_multi_operations_max: 10_000,
  guards_max: 4,
  acl_entries_max: 64,
  acls_max: 65_536,
  list_page_max: 10_000,
  delete_recursive_nodes_max: 10_000,
  ephemerals_per_session_max: 10_000,
  ephemeral_path_bytes_per_session_max: 2 * mebibyte,
  connections_max: 20_000,
  outstanding_per_connection_max: 1_000,
  watches_per_connection_max: 100_000,
  watch_replay_bytes_max: mebibyte,
  streams_per_connection_max: 1_000,
  output_bytes_per_connection_max: 4 * mebibyte,
  session_timeout_ms_min: 1_000,
  session_timeout_ms_max: 300_000,
  session_timeout_ms_default: 10_000,
  replies_per_session_max: 1_000,
  reply_bytes_per_session_max: mebibyte,
  reply_bytes_max: 4_096,
  reply_bytes_per_operation: 1_228,
  outstanding_txns_max: 50_000,
  outstanding_bytes_max: 64 * mebibyte,
  proposal_bytes_max: 4 * mebibyte,
  heartbeat_ms: 20,
  promise_ms: 150,
  lease_guard_ms: 50,
  clock_drift_max: 0.01,
  silence_ms: 1_000,
  sync_stall_ms: 1_000,
  establish_ms: 3_000,
  vote_resend_ms: 200,
  finalize_vote_ms: 50,
  request_wait_ms: 30_000,
  read_only_after_ms: 2_000,
  handover_counter: 0xffff_ffff - (1 << 20),
  counter_max: 0xffff_fffe,
  log_segment_bytes: 16 * mebibyte,
  log_marker_idle_ms: 50,
  history_txns_min: 100_000,
  history_bytes_min: 64 * mebibyte,
  history_bytes_max: 1024 * mebibyte,
  history_memory_bytes: 16 * mebibyte,
  free_space_reserve_bytes: 256 * mebibyte,
  flush_interval_ms: 3_000,
  flush_bytes: 32 * mebibyte,
  image_pins_max: 64,
  image_pin_ms: 30_000,
  snapshot_chunk_bytes: 256 * 1024,
  sync_window_bytes: 8 * mebibyte,
  cluster_time_stamp_ms: 10_000,
  reap_interval_ms: 1_000,
  digest_ring_size: 16_384,
};

/** Small enough that every bound, roll-over and full queue is met within seconds of simulated time. */
export const tinyLimits: Limits = {
  ...productionLimits,
  data_bytes_max: 2_048,
  multi_operations_max: 8,
  zookeeper_multi_operations_max: 12,
  list_page_max: 4,
  delete_recursive_nodes_max: 16,
  ephemerals_per_session_max: 32,
  ephemeral_path_bytes_per_session_max: 2_048,
  outstanding_per_connection_max: 16,
  replies_per_session_max: 24,
  reply_bytes_per_session_max: 65_536,
  session_timeout_ms_min: 200,
  session_timeout_ms_default: 2_000,
  outstanding_txns_max: 32,
  outstanding_bytes_max: 65_536,
  proposal_bytes_max: 4_096,
  establish_ms: 1_500,
  request_wait_ms: 4_000,
  handover_counter: 300,
  counter_max: 600,
  log_segment_bytes: 16_384,
  history_txns_min: 40,
  history_bytes_min: 4_096,
  history_bytes_max: 1 << 20,
  history_memory_bytes: 8_192,
  free_space_reserve_bytes: 0,
  flush_interval_ms: 200,
  flush_bytes: 8_192,
  image_pins_max: 4,
  image_pin_ms: 2_000,
  snapshot_chunk_bytes: 512,
  sync_window_bytes: 4_096,
  cluster_time_stamp_ms: 1_000,
  reap_interval_ms: 100,
  digest_ring_size: 256,
};

/** L = P·(1−ρ)/(1+ρ) − guard: how long a lease lasts from the send time of the heartbeat that a quorum acked. */
export function leaseMs(limits: Limits): number {
  const rho = limits.clock_drift_max;
  return (limits.promise_ms * (1 - rho)) / (1 + rho) - limits.lease_guard_ms;
}

/** How long a client may rely on its session, counted from its own send time. */
export function sessionValidForMs(timeoutMs: number, limits: Limits): number {
  const rho = limits.clock_drift_max;
  if (mutant("a client's deadline is not shortened")) return timeoutMs;
  return Math.floor((timeoutMs * (1 - rho)) / (1 + rho));
}

/** Asserts the relations between limits; called once with every configuration. */
export function checkLimits(limits: Limits): void {
  assert(leaseMs(limits) > 2 * limits.heartbeat_ms, "a lease must outlast two heartbeats");
  assert(limits.silence_ms > limits.promise_ms, "silence_ms must exceed promise_ms");
  assert(limits.sync_stall_ms >= limits.promise_ms, "sync_stall_ms must be at least promise_ms");
  assert(limits.handover_counter < limits.counter_max, "a hand-over must begin before the counter ends");
  assert(limits.counter_max < 0xffff_ffff, "counter_max must leave room in 32 bits");
  assert(limits.session_timeout_ms_min <= limits.session_timeout_ms_default, "session_timeout_ms_default is below the minimum");
  assert(limits.session_timeout_ms_default <= limits.session_timeout_ms_max, "session_timeout_ms_default is above the maximum");
  assert(
    limits.data_bytes_max + frameHeaderBytes <= limits.frame_bytes_max,
    `data_bytes_max and ${frameHeaderBytes} bytes around it must fit a frame`,
  );
  assert(
    limits.replies_per_session_max >= limits.outstanding_per_connection_max,
    "the reply table must hold every outstanding request",
  );
  assert(limits.history_bytes_min <= limits.history_bytes_max, "history_bytes_min is above history_bytes_max");
}
