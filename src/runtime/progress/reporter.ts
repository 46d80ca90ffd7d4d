/** Where a run's lines go: to a terminal with one live line below, or to a file or pipe with plain lines only. */
import { wrapWords } from '../../values/words.js';
import { fit, rowsOf } from './format.js';

/** A run's voice: lines that stay, and one line that is replaced. */
export interface Reporter {
  /** A line that stays. */
  line(text: string): void;
  /** One that every run has: what it is, its metrics, how it ended. Of several runs it may be in their logs alone. */
  usual(text: string): void;
  /** Replaces the live line, where there is one. */
  live(text: string): void;
  /** Whether a live line is shown. */
  readonly isLive: boolean;
  /** Columns of the terminal; Infinity where there is none. */
  columns(): number;
  /** Takes the live line away. */
  end(): void;
}

/** What a reporter needs of a stream. */
export interface LineStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** Says nothing. */
export const silent: Reporter = {
  line: () => undefined,
  usual: () => undefined,
  live: () => undefined,
  isLive: false,
  columns: () => Number.POSITIVE_INFINITY,
  end: () => undefined,
};

/** Plain lines; `live` writes nothing. */
export function plainReporter(stream: LineStream, log: (line: string) => void): Reporter {
  const line = (text: string): void => {
    stream.write(`${text}\n`);
    log(text);
  };
  return {
    line,
    usual: line,
    live: () => undefined,
    isLive: false,
    columns: () => Number.POSITIVE_INFINITY,
    end: () => undefined,
  };
}

const clear = '\r\u001b[2K';

/** Columns of a terminal, which may not know them: some say 0. */
const widthOf = ({ columns = 0 }: LineStream): number => (columns > 0 ? columns : 80);

/** Takes a line away. One that was drawn in a wider terminal takes several rows of a narrower one. */
function erase(shown: string, columns: number): string {
  const rows = rowsOf(shown, columns);
  return rows <= 1 ? clear : `\r\u001b[${rows - 1}A\u001b[J`;
}

/** Lines above, one live line below. Only for a terminal. */
export function liveReporter(stream: LineStream, log: (line: string) => void): Reporter {
  let shown = '';
  const columns = (): number => Math.max(10, widthOf(stream));
  const away = (): string => erase(shown, widthOf(stream));
  const line = (text: string): void => {
    const before = shown === '' ? '' : away();
    shown = fit(shown, columns() - 1);
    stream.write(`${before}${text}\n${shown}`);
    log(text);
  };
  return {
    line,
    usual: line,
    live: (text) => {
      const before = away();
      // One column is left free: a full line would wrap, and could not be taken back.
      shown = fit(text, columns() - 1);
      stream.write(before + shown);
    },
    isLive: true,
    columns,
    end: () => {
      if (shown !== '') stream.write(away());
      shown = '';
    },
  };
}

/** A line of words that stays: wrapped by words where the terminal is narrow. Not for a command, which is copied as a whole. */
export function sayWords(reporter: Reporter, text: string, how: 'line' | 'usual' = 'line'): void {
  for (const part of wordLines(text, reporter.columns())) reporter[how](part);
}

/** Lines of an add-on may be several, or have columns of their own, which words that flow would take apart. */
const wordLines = (text: string, width: number): readonly string[] =>
  text.split('\n').flatMap((line) => (/\S {2,}\S/.test(line) ? [line] : wrapWords(line, width)));

/** The same where there is no reporter. */
export function writeWords(stream: LineStream, text: string): void {
  for (const part of wordLines(text, wordColumns(stream))) stream.write(`${part}\n`);
}

/** Columns that words may take: those of a terminal; a file or a pipe has no edge. */
export function wordColumns(stream: LineStream): number {
  return stream.isTTY === true ? Math.max(10, widthOf(stream)) : Number.POSITIVE_INFINITY;
}

/** Streams that cannot have the live line, and have said so: of a sweep, one run does. */
const toldOfBar = new WeakSet<LineStream>();

/** The reporter of an option and a stream. A terminal gets the live line unless NO_COLOR or CI is set. */
export function reporterFor(
  progress: 'auto' | 'bar' | 'plain' | 'none',
  stream: LineStream,
  environment: Readonly<Record<string, string | undefined>>,
  log: (line: string) => void,
): Reporter {
  if (progress === 'none') return { ...silent, line: log, usual: log };
  const plain =
    (environment['CI'] ?? '') !== '' ||
    (environment['NO_COLOR'] ?? '') !== '' ||
    environment['TERM'] === 'dumb';
  const live = stream.isTTY === true && (progress === 'bar' || (progress === 'auto' && !plain));
  if (live) return liveReporter(stream, log);
  const reporter = plainReporter(stream, log);
  if (progress === 'bar' && !toldOfBar.has(stream)) {
    toldOfBar.add(stream);
    reporter.line('note: progress = "bar" needs a terminal; plain lines are printed instead');
  }
  return reporter;
}
