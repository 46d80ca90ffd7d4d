/** Writes what steps return, one row a line: what predict steps return to one file, what validate and test steps do to one each. */
import { open, realpath, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, extname, resolve, sep } from 'node:path';
import { makeFolder } from '../../values/folders.js';
import {
  besides,
  fileError,
  isTemporaryOf,
  sweepBesides,
  sweepTemporaries,
  syncFolder,
} from '../checkpoint/files.js';
import { writtenPath, type DataPath } from '../data/files.js';
import type { OutputTexts } from '../data/texts.js';
import type { HostTensor } from '../engine/engine.js';
import { shortPath } from '../trainer/short-path.js';
import { replaced, type AddOn } from './addon.js';
import { counted } from '../../values/counted.js';

export interface PredictionsOptions {
  /** Ends in .csv or .jsonl. A relative one is in the current folder; rows of a run's validations are in the run's folder. */
  readonly file: string | DataPath;
}

/**
 * Writes rows as CSV or JSON lines, by the file's ending. The file appears, or replaces an older one, when its last row is on
 * disk. Rows of a validate or test step go to a file beside it that has the step's name before the ending. Throws for another
 * ending.
 */
export function predictions(options: PredictionsOptions): AddOn {
  const name = writtenPath(options.file);
  const ending = extname(name).toLowerCase();
  if (ending !== '.csv' && ending !== '.jsonl') {
    throw new Error(
      `predictions writes .csv or .jsonl, got ${JSON.stringify(name)}; give the file one of these endings`,
    );
  }
  return {
    kind: 'predictions',
    phase: 'independent',
    owns: ['predictions'],
    options: { file: name },
    withOptions: (values) => predictions(replaced(options, values)),
    start: (host) => {
      /** Of each predict step, by its name. */
      const predicted = new Map<string, RowsFile>();
      /** Of each validate or test step, by its name. */
      const measured = new Map<string, RowsFile>();
      const told = new Set<string>();
      const discard = async (): Promise<void> => {
        for (const file of measured.values()) await file.discard();
      };
      return {
        predicted: async (rows, step) => {
          const path = resolve(host.root, name);
          const file =
            predicted.get(step) ?? new RowsFile(step === 'predict' ? path : besideWith(step, path), ending);
          predicted.set(step, file);
          await file.append(rows);
        },
        predictEnd: async () => {
          for (const file of predicted.values()) {
            const count = await file.finish();
            if (count !== null) host.report(`${counted(count, 'row')} written to ${file.path}`);
          }
        },
        predictFailed: async () => {
          for (const file of predicted.values()) await file.discard();
        },
        evaluated: async (step, rows) => {
          if (host.outputs === null) return;
          const file =
            measured.get(step) ?? new RowsFile(besideWith(step, resolve(host.outputs, name)), ending);
          // In a run's folder one process at a time writes: what it left half written when it was killed need not be old to go.
          if (!measured.has(step) && host.folder !== null && (await isBelow(host.folder, file.path)))
            await sweepTemporaries(dirname(file.path), (left) => isTemporaryOf([basename(file.path)], left));
          measured.set(step, file);
          await file.append(rows);
        },
        evaluateEnd: async (step) => {
          const file = measured.get(step);
          const count = (await file?.finish()) ?? null;
          if (file === undefined || count === null) return;
          // The next validation replaces it: said once.
          if (!told.has(step))
            host.report(`${counted(count, 'row')} of ${step} written to ${shortPath(file.path)}`);
          told.add(step);
        },
        evaluateFailed: discard,
        close: discard,
      };
    },
  };
}

/** `out/rows.test.csv` for the rows of `test` beside `out/rows.csv`. */
function besideWith(step: string, file: string): string {
  const ending = extname(file);
  return resolve(dirname(file), `${basename(file, ending)}.${step}${ending}`);
}

/** Whether a file is in a folder or one in it, wherever links lead. Not where there is no such folder yet. */
async function isBelow(folder: string, file: string): Promise<boolean> {
  const placeOf = (each: string): Promise<string | null> => realpath(each).catch(() => null);
  const [top, own] = [await placeOf(folder), await placeOf(dirname(file))];
  return top !== null && own !== null && `${own}${sep}`.startsWith(top.endsWith(sep) ? top : `${top}${sep}`);
}

/** A file of rows, which has its name once it is whole. It may be written again. */
class RowsFile {
  #handle: FileHandle | null = null;
  #temporary = '';
  #count = 0;

  constructor(
    readonly path: string,
    private readonly ending: '.csv' | '.jsonl',
  ) {}

  async append(rows: Rows): Promise<void> {
    const lines = this.ending === '.csv' ? csvLines(rows) : jsonLines(rows);
    await refused(this.path, async () => {
      const isNew = this.#handle === null;
      if (isNew) {
        makeFolder(dirname(this.path));
        await sweepBesides(this.path);
        this.#temporary = besides(this.path);
        this.#count = 0;
      }
      this.#handle ??= await open(this.#temporary, 'wx');
      if (isNew && this.ending === '.csv') await this.#handle.appendFile(`${csvHeader(rows)}\n`);
      await this.#handle.appendFile(lines.map((line) => `${line}\n`).join(''));
    });
    this.#count += lines.length;
  }

  /** Puts it in its place. Returns how many rows it has; null where there were none. */
  async finish(): Promise<number | null> {
    const written = this.#handle;
    if (written === null) return null;
    await refused(this.path, async () => {
      await written.sync();
      await written.close();
      this.#handle = null;
      await rename(this.#temporary, this.path);
      await syncFolder(dirname(this.path));
    });
    return this.#count;
  }

  /** Takes back what is half done. */
  async discard(): Promise<void> {
    const half = this.#handle;
    if (half === null) return;
    this.#handle = null;
    await half.close();
    await rm(this.#temporary, { force: true });
  }
}

async function refused(file: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    throw fileError(`cannot write ${file}`, error, 'another file for predictions');
  }
}

type Rows = ReadonlyMap<string, HostTensor | OutputTexts>;

const sizeOf = (shape: readonly number[]): number => shape.slice(1).reduce((product, n) => product * n, 1);

function rowCount(rows: Rows): number {
  const counts = new Set([...rows.values()].map(({ shape }) => shape[0] ?? 0));
  const [count = 0, ...others] = counts;
  if (others.length > 0)
    throw new Error(
      `a step returned fields of ${[...counts].join(' and ')} rows; return one row for each row`,
    );
  return count;
}

/** `guess`, or `scores.0`, `scores.1`, … for a field with several values. */
export function csvHeader(rows: Rows): string {
  return [...rows]
    .flatMap(([name, { shape }]) => {
      const size = sizeOf(shape);
      return shape.length <= 1 ? [name] : Array.from({ length: size }, (_, index) => `${name}.${index}`);
    })
    .join(',');
}

export function csvLines(rows: Rows): readonly string[] {
  return Array.from({ length: rowCount(rows) }, (_, row) =>
    [...rows.values()].flatMap((field) => valuesAt(field, row).map(csvCell)).join(','),
  );
}

/** A text with a comma, a quote or a line break in it stands in quotes (RFC 4180). */
function csvCell(value: number | boolean | string): string {
  const text = String(value);
  return typeof value === 'string' && /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function jsonLines(rows: Rows): readonly string[] {
  return Array.from({ length: rowCount(rows) }, (_, row) => {
    const entries = [...rows].map(([name, field]): [string, unknown] => {
      const values = valuesAt(field, row).map(jsonValue);
      return [name, field.shape.length <= 1 ? values[0] : nested(values, field.shape.slice(1))];
    });
    return JSON.stringify(Object.fromEntries(entries));
  });
}

function valuesAt(field: HostTensor | OutputTexts, row: number): readonly (number | boolean | string)[] {
  if (field.dtype === 'string') return field.values.slice(row, row + 1);
  const { values, shape, dtype } = field;
  const size = sizeOf(shape);
  const own = [...values.subarray(row * size, (row + 1) * size)];
  return dtype === 'bool' ? own.map((value) => value !== 0) : dtype === 'f32' ? own.map(shortest) : own;
}

/** The shortest decimal that reads back as the same f32. */
function shortest(value: number): number {
  // Nine digits tell every f32 from its neighbours.
  for (let digits = 1; digits <= 9; digits += 1) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}

// JSON has no NaN and no infinities; their names are what other readers of JSON lines take.
function jsonValue(value: number | boolean | string): number | boolean | string {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

function nested(values: readonly unknown[], shape: readonly number[]): unknown {
  const [count = 0, ...inner] = shape;
  if (inner.length === 0) return values;
  const size = values.length / Math.max(1, count);
  return Array.from({ length: count }, (_, index) =>
    nested(values.slice(index * size, (index + 1) * size), inner),
  );
}
