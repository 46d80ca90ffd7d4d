/** Lines of `metrics.jsonl` besides those of the steps: learning rates, memory; and all lines as one CSV file. */
import { appendFileSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeFolder } from '../../values/folders.js';
import { recurrence } from '../../values/durations.js';
import { steps, type Quantity } from '../../values/units.js';
import { replaced, type AddOn, type MetricsLine } from './addon.js';
import { countIn, fieldsOf, listIn, textIn } from './kept-state.js';

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
 * later, the file is written anew with its column, and takes the old one's place when it is whole.
 */
export function csvLog(): AddOn {
  return {
    kind: 'csv_log',
    phase: 'independent',
    owns: [],
    withOptions: () => csvLog(),
    start: ({ folder }) => {
      if (folder === null) return {};
      const file = join(folder, 'logs', 'metrics.csv');
      let columns: readonly string[] = [];
      let rows = 0;
      return {
        logged: (line) => {
          const cells = cellsOf(line);
          const added = [...cells.keys()].filter((name) => !columns.includes(name));
          if (added.length > 0) {
            columns = [...columns, ...added];
            widen(file, join(folder, 'logs'), columns, added.length);
          }
          appendFileSync(file, `${columns.map((name) => cells.get(name) ?? '').join(',')}\n`);
          rows += 1;
        },
        state: () => ({ columns: [...columns], rows }),
        restore: (state) => {
          const fields = fieldsOf(state, ['columns', 'rows']);
          columns = listIn(fields, 'columns', textIn);
          rows = cutBack(file, columns, countIn(fields, 'rows'));
        },
      };
    },
  };
}

/**
 * Takes away what was written after `rows` lines, and the columns that came with it: lines before have nothing in these. Throws
 * where the file has fewer lines. One that is not there begins anew, with the columns that are known. Returns its lines.
 */
function cutBack(file: string, columns: readonly string[], rows: number): number {
  if (columns.length === 0) {
    rmSync(file, { force: true });
    return 0;
  }
  makeFolder(dirname(file));
  const header = columns.map(quoted).join(',');
  if (!existsSync(file)) {
    writeFileSync(file, `${header}\n`, { flush: true });
    return 0;
  }
  const [written = '', ...lines] = readFileSync(file, 'utf8').trimEnd().split('\n');
  const kept = lines.slice(0, rows);
  if (kept.length < rows || !`${written},`.startsWith(`${header},`))
    throw new Error(`${file} has not the ${rows} lines that were written to it; move it away`);
  const added = written.slice(header.length);
  const extra = added === '' ? 0 : cellsIn(added.slice(1));
  const cut = kept.map((line) => (extra === 0 ? line : line.slice(0, -extra)));
  const temporary = `${file}.tmp`;
  writeFileSync(temporary, [header, ...cut, ''].join('\n'), { flush: true });
  renameSync(temporary, file);
  return rows;
}

/** How many cells a part of a line has; a comma in quotes parts none. */
function cellsIn(text: string): number {
  return text.replace(/"(?:[^"]|"")*"/g, '').split(',').length;
}

function widen(file: string, folder: string, columns: readonly string[], added: number): void {
  makeFolder(folder);
  const [, ...lines] = existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : [];
  const header = columns.map(quoted).join(',');
  const before = lines.map((line) => `${line}${','.repeat(added)}`);
  const temporary = `${file}.tmp`;
  writeFileSync(temporary, [header, ...before, ''].join('\n'), { flush: true });
  renameSync(temporary, file);
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
