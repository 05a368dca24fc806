/** Numbers for asynchronous disk and store operations; one source a server, so every completion finds its owner. */
export class TokenSource {
  #next = 1;

  next(): number {
    const token = this.#next;
    this.#next += 1;
    return token;
  }
}
