/** A list of descriptors that is filled and emptied as a whole. No allocation once it is as long as it ever gets. */
export class FdList {
  count = 0;
  private fds = new Int32Array(64);

  add(fd: number): void {
    if (this.count === this.fds.length) this.fds = grown(this.fds, this.count + 1);
    this.fds[this.count++] = fd;
  }

  at(index: number): number {
    return this.fds[index];
  }

  clear(): void {
    this.count = 0;
  }
}

/** The same words with room for at least `length`. */
export function grown(words: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 ** Math.ceil(Math.log2(length)));
  larger.set(words);
  return larger;
}
