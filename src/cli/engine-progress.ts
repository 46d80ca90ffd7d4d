/** How far work on large files is: one live line on a terminal, a line now and then elsewhere. */
import { showBytes } from './tables.js';

/** What is written to. */
export interface ProgressStream {
  readonly write: (text: string) => unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

export interface Task {
  /** So many bytes more are done. */
  readonly advance: (bytes: number) => void;
  /** So many bytes are done in all. */
  readonly reach: (bytes: number) => void;
  /** Takes the live line away. */
  readonly end: () => void;
}

export interface Progress {
  /** Whether there is a terminal, so that other programs can show their own bars. */
  readonly live: boolean;
  /** Starts work of that many bytes; null where nobody knows. */
  readonly begin: (label: string, total: number | null) => Task;
}

const barCells = 24;
const liveMs = 100;
const plainMs = 10_000;

const bar = (share: number): string => {
  const full = Math.round(Math.min(1, share) * barCells);
  return `[${'#'.repeat(full)}${'-'.repeat(barCells - full)}]`;
};

const amount = (done: number, total: number | null, seconds: number): string =>
  [
    ...(total === null ? (done > 0 ? [showBytes(done)] : []) : [`${showBytes(done)} of ${showBytes(total)}`]),
    `${Math.round(seconds)} s`,
  ].join(', ');

/** `now` gives milliseconds; tests bring their own. */
export const progressTo = (
  stream: ProgressStream,
  environment: Readonly<Record<string, string | undefined>>,
  now: () => number = () => performance.now(),
): Progress => {
  const live = stream.isTTY === true && (environment['CI'] ?? '') === '' && environment['TERM'] !== 'dumb';
  const begin = (label: string, total: number | null): Task => {
    const started = now();
    let done = 0;
    let shown = live ? Number.NEGATIVE_INFINITY : started;
    const show = (): void => {
      const time = now();
      if (time - shown < (live ? liveMs : plainMs)) return;
      shown = time;
      const words = amount(done, total, (time - started) / 1000);
      if (!live) {
        stream.write(`${label}: ${words}\n`);
        return;
      }
      const text = total === null ? `${label}: ${words}` : `${label} ${bar(done / total)} ${words}`;
      // Some terminals say that they have no columns at all.
      const columns = stream.columns === undefined || stream.columns === 0 ? 80 : stream.columns;
      stream.write(`\r\u001b[2K${text.slice(0, Math.max(10, columns - 1))}`);
    };
    if (!live) stream.write(`${label}${total === null ? '' : ` (${showBytes(total)})`}\n`);
    return {
      advance: (bytes) => {
        done += bytes;
        show();
      },
      reach: (bytes) => {
        done = bytes;
        show();
      },
      end: () => {
        if (live) stream.write('\r\u001b[2K');
      },
    };
  };
  return { live, begin };
};
