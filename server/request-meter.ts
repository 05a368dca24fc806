/** Counts requests and how long they took, for a connection or a whole server, as ZooKeeper's operators expect to read it. */
export class RequestMeter {
  received = 0;
  sent = 0;
  count = 0;
  totalMs = 0;
  minMs = 0;
  maxMs = 0;
  lastMs = 0;

  answered(ms: number): void {
    this.minMs = this.count === 0 ? ms : Math.min(this.minMs, ms);
    this.maxMs = Math.max(this.maxMs, ms);
    this.lastMs = ms;
    this.totalMs += ms;
    this.count += 1;
  }

  get averageMs(): number {
    return this.count === 0 ? 0 : this.totalMs / this.count;
  }

  reset(): void {
    this.received = 0;
    this.sent = 0;
    this.count = 0;
    this.totalMs = 0;
    this.minMs = 0;
    this.maxMs = 0;
    this.lastMs = 0;
  }
}
