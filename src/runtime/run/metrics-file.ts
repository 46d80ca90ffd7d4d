/**
 * `metrics.jsonl` of a run. A checkpoint says how long it was and by which SHA-256, so that a run that goes on knows it again: what came
 * later is cut off, and what was there before must be there as it was.
 */
import { createHash, type Hash } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { besides, codeOf, pieceBytes, syncFolderNow } from '../checkpoint/files.js';
import { counted, grouped } from '../../values/counted.js';
import { RunError } from './run-error.js';

/** What a checkpoint keeps of it. */
export interface MetricsMark {
  /** Bytes. */
  readonly 'metrics.jsonl': number;
  /** Of these bytes, in hexadecimal digits. */
  readonly 'metrics.jsonl.sha256': string;
}

const name = 'metrics.jsonl';

/** Opens a file that grows. What a link would lead to is not the run's, and nobody waits for a reader of a pipe. */
export function openGrowing(path: string, more = 0): number {
  const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  const file = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | more, 0o644);
  if (fstatSync(file).isFile()) return file;
  closeSync(file);
  throw new RunError(`${path} is no regular file; remove it, or choose another --run-dir`);
}

export class MetricsFile {
  readonly #path: string;
  #file: number;
  /** Of all that is in it. It grows with each line, so that a checkpoint need not read the file. */
  #hash: Hash = createHash('sha256');
  /** Bytes that `#hash` is of. */
  #size = 0;
  #isChangeTold = false;
  #othersAdded = false;

  private constructor(path: string, file: number) {
    this.#path = path;
    this.#file = file;
  }

  /** A new one. Throws what the system says where it is there, or cannot be made. */
  static create(folder: string): MetricsFile {
    const path = join(folder, name);
    return new MetricsFile(path, openGrowing(path, constants.O_EXCL));
  }

  /**
   * That of a run that goes on from a checkpoint of `step`, which has kept `mark`, and what makes it what it was then. Throws a RunError where
   * what it had by then is not there any more, or not as it was, unless that is `allowed`: then `cut` keeps what can be read, puts the file
   * as it is aside, and returns what to tell.
   */
  static reopen(
    folder: string,
    mark: Readonly<Record<string, unknown>>,
    { step, allowed }: { readonly step: number; readonly allowed: boolean },
  ): { readonly metrics: MetricsFile; readonly cut: () => string | null } {
    const path = join(folder, name);
    const { [name]: length, [`${name}.sha256`]: sum = null } = mark;
    if (typeof length !== 'number') throw new RunError(`the checkpoint does not say how long ${path} was`);
    const metrics = new MetricsFile(path, openGrowing(path));
    try {
      const problem = metrics.#problemOf(length, sum);
      if (problem !== null && !allowed)
        throw new RunError(`${problem}; put it back, or say that it is meant: --allow metrics`);
      const cut = (): string | null => {
        if (problem !== null) return `${problem}; ${metrics.#mend(length, sum, step)}`;
        ftruncateSync(metrics.#file, length);
        return null;
      };
      return { metrics, cut };
    } catch (error) {
      metrics.close();
      throw error;
    }
  }

  /** Adds a line, with its end. Throws what the system says: then nothing of it is there. */
  add(line: string | Buffer): void {
    const own = typeof line === 'string' ? Buffer.from(line) : line;
    const known = this.#size;
    const before = this.#takeUp();
    // What another program added may end within a line, which is none of ours.
    const isWithin = this.#size > known && this.#byteAt(this.#size - 1) !== lineEnd;
    const bytes = isWithin ? Buffer.concat([Buffer.of(lineEnd), own]) : own;
    try {
      appendFileSync(this.#file, bytes);
    } catch (error) {
      // A disk that got full takes a part of it.
      this.#cutBackTo(before);
      throw error;
    }
    this.#hash.update(bytes);
    this.#size += bytes.length;
  }

  /**
   * What a checkpoint keeps of it: whoever goes on from there cuts off what came later. `say` is told once where another program has written
   * to it: what that added is a part of it; where bytes are gone, who goes on is told so.
   */
  mark(say: (line: string) => void = () => undefined): MetricsMark {
    const before = this.#size;
    const size = this.#takeUp();
    const isLonger = this.#othersAdded;
    if (!this.#isChangeTold && (isLonger || size < before)) {
      this.#isChangeTold = true;
      say(
        isLonger
          ? `another program has added to ${this.#path}; that is kept as a part of it`
          : `another program has cut ${this.#path}, which has ${counted(size, 'byte')} and had ${grouped(before)}; a run that goes on from here needs --allow metrics, and keeps what is left`,
      );
    }
    return {
      'metrics.jsonl': this.#size,
      'metrics.jsonl.sha256': this.#hash.copy().digest('hex'),
    };
  }

  flush(): void {
    fsyncSync(this.#file);
  }

  close(): void {
    closeSync(this.#file);
  }

  /** Takes up what others have added since. How long the file is. */
  #takeUp(): number {
    const { size } = fstatSync(this.#file);
    if (size <= this.#size) return size;
    for (const piece of this.#pieces(size, this.#size)) this.#hash.update(piece);
    this.#size = size;
    this.#othersAdded = true;
    return size;
  }

  #cutBackTo(size: number): void {
    try {
      ftruncateSync(this.#file, size);
    } catch {
      // The error before is the one to tell; who goes on from a checkpoint finds the rest of the line.
    }
  }

  /** What is wrong with its first bytes, so many of which a checkpoint counts on; null where they are as they were. Takes up their checksum. */
  #problemOf(length: number, sum: unknown): string | null {
    const { size } = fstatSync(this.#file);
    if (size < length)
      return `${this.#path} has ${counted(size, 'byte')}, and had ${grouped(length)} when the checkpoint was written: lines of it are gone`;
    for (const piece of this.#pieces(length)) this.#hash.update(piece);
    this.#size = length;
    if (sum === this.#hash.copy().digest('hex')) return null;
    const broken = this.#firstBroken(length);
    const where = broken === null ? null : `line ${grouped(broken)} is no line of metrics`;
    if (typeof sum === 'string')
      return `${this.#path} is damaged, or another file: its first ${counted(length, 'byte')} are not those of when the checkpoint was written${where === null ? '' : `, and ${where}`}`;
    // Older checkpoints say how long it was, and no more.
    if (where !== null) return `${this.#path} is damaged: ${where}`;
    return length === 0 || this.#byteAt(length - 1) === lineEnd
      ? null
      : `${this.#path} is damaged, or another file: no line of it ends after ${counted(length, 'byte')}, as one did when the checkpoint was written`;
  }

  /** The number of the first line that is none, of those that begin within so many bytes; null where all are. */
  #firstBroken(length: number): number | null {
    let number = 0;
    let at = 0;
    for (const line of this.#lines(fstatSync(this.#file).size)) {
      if (at >= length) return null;
      number += 1;
      at += line.length;
      if (readLine(line) === null) return number;
    }
    return null;
  }

  /** Whether all lines that it had are there, and nothing but other text was put between them. */
  #hasAll(length: number, sum: unknown): boolean {
    const hash = createHash('sha256');
    let at = 0;
    for (const line of this.#lines(fstatSync(this.#file).size)) {
      if (at >= length) break;
      const read = readLine(line);
      if (read === null) continue;
      hash.update(read.bytes);
      at += read.bytes.length;
    }
    return at === length && hash.digest('hex') === sum;
  }

  /**
   * Leaves whole lines of metrics of steps up to the checkpoint's, as they were written. Says what was done: where anything else was there, all
   * of it is kept aside.
   */
  #mend(length: number, sum: unknown, step: number): string {
    const isOnlyMore = this.#hasAll(length, sum);
    const { size } = fstatSync(this.#file);
    const temporary = besides(this.#path);
    const mended = new MetricsFile(temporary, openGrowing(temporary, constants.O_EXCL));
    try {
      let [all, kept, past] = [0, 0, 0];
      // Where it would be in the file as it was, and how much of what is there stays as it is.
      let [at, same] = [0, 0];
      for (const line of this.#lines(size)) {
        const read = readLine(line);
        if (read === null) {
          if (at < length) all += 1;
          if (!isOnlyMore) at += line.length;
          continue;
        }
        // What was measured at the checkpoint's step after it was written is measured again.
        const isLater = read.step > step || (read.step === step && at >= length);
        if (isLater && at >= length) break;
        at += read.bytes.length;
        past += 1;
        if (isLater) continue;
        all += past;
        past = 0;
        kept += 1;
        if (read.bytes.equals(line)) same += line.length;
        mended.add(read.bytes);
      }
      const aside = same === size ? null : this.#copyAside();
      mended.flush();
      renameSync(temporary, this.#path);
      syncFolderNow(dirname(this.#path));
      this.close();
      this.#file = mended.#file;
      this.#hash = mended.#hash;
      this.#size = mended.#size;
      return aside === null
        ? `what is left of it stays, ${counted(kept, 'line')}`
        : `${grouped(kept)} of ${counted(all, 'line')} stay, and the file as it was is ${aside}`;
    } catch (error) {
      mended.close();
      rmSync(temporary, { force: true });
      throw error;
    }
  }

  /** A whole copy beside it, by a name that nothing has. */
  #copyAside(): string {
    for (let turn = 1; ; turn += 1) {
      const aside = `${this.#path}.damaged${turn === 1 ? '' : `-${turn}`}`;
      try {
        copyFileSync(this.#path, aside, constants.COPYFILE_EXCL);
        return aside;
      } catch (error) {
        if (codeOf(error) === 'EEXIST') continue;
        // A disk that got full takes a part of it, by the name that the whole is to have.
        rmSync(aside, { force: true });
        throw error;
      }
    }
  }

  #byteAt(place: number): number | undefined {
    const one = Buffer.alloc(1);
    return readSync(this.#file, one, 0, 1, place) === 0 ? undefined : one[0];
  }

  *#pieces(length: number, start = 0): Generator<Buffer> {
    const room = Buffer.alloc(Math.min(length - start, pieceBytes));
    for (let from = start; from < length;) {
      const count = readSync(this.#file, room, 0, Math.min(room.length, length - from), from);
      if (count === 0) return;
      yield room.subarray(0, count);
      from += count;
    }
  }

  /** Each with its end; the last one may have none. */
  *#lines(length: number): Generator<Buffer> {
    let rest: Buffer = Buffer.alloc(0);
    for (const piece of this.#pieces(length)) {
      // A copy: the piece's room is used again.
      const bytes = Buffer.concat([rest, piece]);
      let from = 0;
      for (let end = bytes.indexOf(lineEnd); end >= 0; end = bytes.indexOf(lineEnd, from)) {
        yield bytes.subarray(from, end + 1);
        from = end + 1;
      }
      rest = bytes.subarray(from);
    }
    if (rest.length > 0) yield rest;
  }
}

const lineEnd = 10;

/** A line of metrics, and its bytes as they are written: ends of lines that another system has, and spaces, are none. Null where it is none, or has no end. */
function readLine(line: Buffer): { readonly step: number; readonly bytes: Buffer } | null {
  if (line.at(-1) !== lineEnd) return null;
  try {
    const read: unknown = JSON.parse(line.toString('utf8'));
    if (typeof read !== 'object' || read === null || !('step' in read) || !('stage' in read)) return null;
    if (typeof read.step !== 'number' || typeof read.stage !== 'string') return null;
    return { step: read.step, bytes: Buffer.from(`${JSON.stringify(read)}\n`) };
  } catch {
    return null;
  }
}
