/** Lines of `metrics.jsonl` besides those of the steps: learning rates, memory; and all lines as one CSV file. */
import {
  appendFileSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { makeFolder } from '../../values/folders.js';
import { recurrence } from '../../values/durations.js';
import { fromExactNumber } from '../../values/exact-number.js';
import { record } from '../../values/json-record.js';
import { steps, type Quantity } from '../../values/units.js';
import { syncFolderNow } from '../checkpoint/files.js';
import { replaced, type AddOn, type MetricsLine } from './addon.js';
import { counted } from '../../values/counted.js';

export interface LrLogOptions {
  /** A line each so many steps; 10 unless given. */
  readonly every?: Quantity<'steps'>;
}

/** Writes the learning rates that step N was made with, `lr.opt`, each so many steps: `stage` is `lr_log`, `over` is `step`. */
export function lrLog(options: LrLogOptions = {}): AddOn {
  const { every = steps(10) } = options;
  return {
    kind: 'lr_log',
    phase: 'independent',
    owns: [],
    options: { every },
    withOptions: (values) => lrLog(replaced({ every, ...options }, values)),
    start: (host) => {
      const due = recurrence(every, host.pace);
      return {
        nextStepEnd: (step) => due.next(step),
        stepEnd: (at) => {
          if (!due.due(at.step, at.seconds)) return undefined;
          const rates = [...host.rates(at.step - 1)].map(([name, rate]) => [`lr.${name}`, rate] as const);
          host.log(at, 'lr_log', new Map(rates));
          return undefined;
        },
      };
    },
  };
}

/** Writes what process and device hold at each line of training metrics: `stage` is `device_stats`, `over` is `step`. */
export function deviceStats(): AddOn {
  return {
    kind: 'device_stats',
    phase: 'independent',
    owns: [],
    withOptions: () => deviceStats(),
    start: (host) => ({
      logged: ({ over, at }) => {
        if (over === 'window' || over === 'epoch') host.log(at, 'device_stats', host.memory());
      },
    }),
  };
}

/**
 * Writes `logs/metrics.csv` in the run's folder: the lines of `metrics.jsonl`, a column for each name. Where a name comes
 * later, the file is written anew with its column, and takes the old one's place when it is whole. A run that goes on and finds none makes
 * it anew of `metrics.jsonl`.
 */
export function csvLog(): AddOn {
  return {
    kind: 'csv_log',
    phase: 'independent',
    owns: [],
    withOptions: () => csvLog(),
    start: ({ folder, report }) => {
      if (folder === null) return {};
      const file = join(folder, 'logs', 'metrics.csv');
      let columns: readonly string[] = [];
      let lines = 0;
      /** Whether the file has a new entry in its folder that may not be on the disk. */
      let isMoved = false;
      /** Makes the file what it was, and says how many lines it has then; null where it is as it should be. */
      let cut: (() => number) | null = null;
      const settle = (): void => {
        if (cut !== null) lines = cut();
        isMoved ||= cut !== null;
        cut = null;
      };
      return {
        state: () => {
          settle();
          return { columns: [...columns], lines };
        },
        // The checkpoint counts on its lines. The folder that `logs` is in is flushed with the checkpoint.
        flush: () => {
          if (existsSync(file)) flush(file);
          if (isMoved) syncFolderNow(dirname(file));
          isMoved = false;
        },
        // Whether the run goes on is not known before all add-ons have theirs: until then the file stays as it is.
        restore: (json) => {
          const state = record('csv_log', json);
          columns = Array.isArray(state['columns']) ? state['columns'].map(String) : [];
          lines = fromExactNumber(state['lines']);
          if (existsSync(file)) cut = cutBack(file, columns, lines);
          else if (columns.length > 0) {
            report(`${file} is gone: it is made anew of metrics.jsonl, where speeds have 5 digits`);
            cut = () => makeAnew(file, columns, join(folder, 'metrics.jsonl'));
          }
        },
        fitStart: settle,
        logged: (line) => {
          settle();
          const cells = cellsOf(line);
          const added = [...cells.keys()].filter((name) => !columns.includes(name));
          if (added.length > 0) {
            columns = [...columns, ...added];
            widen(file, join(folder, 'logs'), columns, added.length);
            isMoved = true;
          }
          appendFileSync(file, `${columns.map((name) => cells.get(name) ?? '').join(',')}\n`);
          lines += 1;
        },
      };
    },
  };
}

/**
 * What makes the file as it was with these columns and so many lines. Columns that came later are the last, and empty in lines before
 * them. Throws where less than that is there: a line has its end, and as many cells as the header.
 */
function cutBack(file: string, columns: readonly string[], lines: number): () => number {
  const [header = '', ...rows] = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  const before = columns.map(quoted).join(',');
  const advice = 'move it away, and it is made anew of metrics.jsonl';
  const cells = commasIn(header);
  const broken = rows.slice(0, lines).findIndex((row) => commasIn(row) !== cells);
  const whole = broken < 0 ? rows.length : broken;
  if (whole < lines)
    throw new Error(
      `${file} has ${whole} of the ${counted(lines, 'line')} that ${lines === 1 ? 'was' : 'were'} written to it; ${advice}`,
    );
  const later = header.length > before.length ? commasIn(header.slice(before.length)) : 0;
  const kept = rows.slice(0, lines).map((row) => row.slice(0, row.length - later));
  const text = lines === 0 ? '' : [before, ...kept, ''].join('\n');
  return () => {
    replaceFile(file, text);
    return lines;
  };
}

/** Makes the file of the lines that `metrics.jsonl` has, and says how many they are. */
function makeAnew(file: string, columns: readonly string[], metrics: string): number {
  const rows = (existsSync(metrics) ? readFileSync(metrics, 'utf8') : '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const cells = record('a line of metrics.jsonl', JSON.parse(line));
      return columns.map((name) => cellOf(name, cells[name])).join(',');
    });
  makeFolder(dirname(file));
  replaceFile(file, [columns.map(quoted).join(','), ...rows, ''].join('\n'));
  return rows.length;
}

/** A cell as it was written when its line was. */
function cellOf(name: string, value: unknown): string {
  if (value === undefined) return '';
  if (name === 'wall' && typeof value === 'number') return value.toFixed(3);
  return quoted(typeof value === 'string' ? value : JSON.stringify(value));
}

/** Commas that part cells: none in quotes does. */
function commasIn(text: string): number {
  return text.replace(/"(?:[^"]|"")*"/g, '').split(',').length - 1;
}

function replaceFile(file: string, text: string): void {
  const temporary = `${file}.tmp`;
  writeFileSync(temporary, text, { flush: true });
  renameSync(temporary, file);
}

function flush(file: string): void {
  const opened = openSync(file, 'r+');
  try {
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
}

function widen(file: string, folder: string, columns: readonly string[], added: number): void {
  makeFolder(folder);
  const [, ...lines] = existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : [];
  const header = columns.map(quoted).join(',');
  const before = lines.map((line) => `${line}${','.repeat(added)}`);
  replaceFile(file, [header, ...before, ''].join('\n'));
}

const quoted = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function cellsOf({
  stage,
  over,
  at,
  metrics,
  tables,
  rates,
  throughput,
}: MetricsLine): ReadonlyMap<string, string> {
  return new Map([
    ['stage', quoted(stage)],
    ['over', over],
    ['step', String(at.step)],
    ['epoch', String(at.epoch)],
    ['wall', at.seconds.toFixed(3)],
    ...[...metrics].map(([name, value]) => [name, String(value)] as const),
    ...[...rates].map(([name, value]) => [`lr.${name}`, String(value)] as const),
    ...[...tables].map(([name, table]) => [name, quoted(JSON.stringify(table))] as const),
    ...(throughput === null
      ? []
      : ([
          ['steps_per_second', String(throughput.stepsPerSecond)],
          ['rows_per_second', String(throughput.rowsPerSecond)],
        ] as const)),
  ]);
}
